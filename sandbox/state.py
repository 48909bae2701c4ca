"""What runs where, as `sandbox.json`: written when the sandbox is ready, gone when it is down."""

from __future__ import annotations

import json
from typing import Any

import psutil

from sandbox.environment import CONSOLE_CLIENT, FLOWER_USER, SURFACES, client_slug, issuer
from sandbox.layout import Layout, write_private

State = dict[str, Any]


def describe(layout: Layout, environment: dict[str, str], pids: dict[str, int], supervisor: int) -> State:
    secret = layout.secrets()
    return {
        "api": layout.url("api"),
        "flower": {"url": layout.url("flower"), "user": FLOWER_USER, "password": secret["flower_password"]},
        "mongodb": environment["MONGODB_URI"],
        "mongodb_database": environment.get("MONGODB_DATABASE", "dezky"),
        "redis": environment["REDIS_URL"],
        "authentik": {
            "url": layout.url("authentik"),
            "api_token": secret["authentik_api_token"],
            "issuer": issuer(layout, client_slug("operator")),
        },
        "issuers": {surface: issuer(layout, client_slug(surface)) for surface in SURFACES},
        "console": {
            "url": layout.url("console"),
            "issuer": issuer(layout, CONSOLE_CLIENT),
            "client_id": CONSOLE_CLIENT,
            "client_secret": secret["console_client_secret"],
        },
        "stalwart": {"url": layout.url("stalwart"), "token": secret["stalwart_token"]},
        "ocis": {
            "url": layout.url("ocis"),
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
