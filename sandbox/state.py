"""What runs where, as `sandbox.json`: written when the sandbox is ready, gone when it is down."""

from __future__ import annotations

import json
import os
from typing import Any

import psutil

from sandbox.environment import CONSOLE_CLIENT, FLOWER_USER, SURFACES, Parts, client_slug, issuer
from sandbox.layout import Layout, write_private

State = dict[str, Any]


def describe(layout: Layout, environment: dict[str, str], pids: dict[str, int], supervisor: int) -> State:
    """Return the addresses in use: those of the simulators, and the caller's own in place of one."""
    secret, parts = layout.secrets(), Parts.needed(os.environ)
    return {
        "api": layout.url("api"),
        "flower": {"url": layout.url("flower"), "user": FLOWER_USER, "password": secret["flower_password"]},
        "mongodb": environment["MONGODB_URI"],
        "mongodb_database": environment.get("MONGODB_DATABASE", "dezky"),
        "redis": environment["REDIS_URL"],
        # where tokens of this sandbox are signed; None with an issuer of the caller's
        "identity_provider": layout.url("authentik") if parts.authentik else None,
        "authentik": {
            "url": environment.get("AUTHENTIK_API_URL"),
            "api_token": secret["authentik_api_token"] if "AUTHENTIK_API_URL" not in os.environ else None,
            "issuer": issuer(layout, client_slug("operator")) if parts.authentik else None,
        },
        "issuers": {surface: issuer(layout, client_slug(surface)) for surface in SURFACES},
        "console": {
            "url": layout.url("console"),
            "issuer": issuer(layout, CONSOLE_CLIENT),
            "client_id": CONSOLE_CLIENT,
            "client_secret": secret["console_client_secret"],
        },
        "stalwart": {
            "url": environment.get("STALWART_API_URL"),
            "token": secret["stalwart_token"] if parts.stalwart else None,
        },
        "stripe": {"url": environment.get("STRIPE_API_URL")},
        "ocis": {
            "url": environment.get("OCIS_API_URL"),
            "token_url": environment.get("OCIS_TOKEN_URL"),
            "client_id": "ocis",
            "client_secret": secret["ocis_client_secret"],
        },
        "dns": {
            "url": layout.url("dns"),
            "own": layout.address("resolver"),
            "servers": environment.get("DNS_SERVERS", ""),
        },
        "pids": pids,
        "logs": str(layout.logs),
        "port_base": layout.base,
        "supervisor": {"pid": supervisor, "started": psutil.Process(supervisor).create_time()},
    }


def write(layout: Layout, state: State) -> None:
    write_private(layout.state_file, json.dumps(state, indent=2) + "\n")


def read(layout: Layout) -> State | None:
    """The running sandbox of this folder, or None; a file left by a dead one counts for nothing."""
    try:
        state: State = json.loads(layout.state_file.read_text())
        return state if is_alive(state) else None
    except (OSError, ValueError, KeyError):
        return None


def is_alive(state: State) -> bool:
    """Whether its supervisor still runs, and the number was not given to another process since."""
    try:
        started = psutil.Process(state["supervisor"]["pid"]).create_time()
    except psutil.NoSuchProcess:
        return False
    return abs(started - float(state["supervisor"]["started"])) < 1.0
