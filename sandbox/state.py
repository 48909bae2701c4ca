"""Keep the sandbox's addresses and processes in `sandbox.json` while it runs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import psutil

from sandbox.environment import (
    CONSOLE_CLIENT,
    FLOWER_USER,
    Parts,
    console_environment,
    issuer,
    issuers_in_use,
    stripe_secrets,
)
from sandbox.layout import Layout, write_private

State = dict[str, Any]
SIMULATED = ("authentik", "stalwart", "ocis", "stripe", "dns")


def describe(layout: Layout, environment: dict[str, str], pids: dict[str, int], supervisor: int) -> State:
    """Return the addresses in use, and the secrets of the simulators but not the caller's own."""
    secret, issuers = layout.secrets(), issuers_in_use(layout, environment)
    return {
        "api": layout.url("api"),
        "flower": {"url": layout.url("flower"), "user": FLOWER_USER, "password": secret["flower_password"]},
        "mongodb": environment["MONGODB_URI"],
        "mongodb_database": environment.get("MONGODB_DATABASE", "dezky"),
        "redis": environment["REDIS_URL"],
        "simulators": {name: layout.url(name) for name in SIMULATED if getattr(Parts.needed(os.environ), name)},
        "authentik": {
            "url": environment.get("AUTHENTIK_API_URL"),
            "issuer": issuers.get("operator") or next(iter(issuers.values()), None),
            **_secret(layout, "authentik", environment, api_token=secret["authentik_api_token"]),
        },
        "issuers": issuers,
        "console": _console(layout, environment),
        "stalwart": {
            "url": environment.get("STALWART_API_URL"),
            **_secret(layout, "stalwart", environment, token=secret["stalwart_token"]),
        },
        "ocis": {
            "url": environment.get("OCIS_API_URL"),
            "token_url": environment.get("OCIS_TOKEN_URL"),
            "client_id": environment.get("OCIS_CLIENT_ID"),
            **_secret(layout, "ocis", environment, client_secret=secret["ocis_client_secret"]),
        },
        "stripe": {
            "url": environment.get("STRIPE_API_URL"),
            **_secret(layout, "stripe", environment, api_key=stripe_secrets(layout)[0]),
        },
        "dns": _dns(layout, environment),
        "pids": pids,
        "logs": str(layout.logs),
        "port_base": layout.base,
        "supervisor": {"pid": supervisor, "started": psutil.Process(supervisor).create_time()},
    }


def _console(layout: Layout, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the console's addresses and client in use, with the client's secret if it is the simulator's."""
    used = console_environment(layout, environment)
    shown = {"url": used["CONSOLE_URL"], "issuer": used["CONSOLE_ISSUER"], "client_id": used["CONSOLE_CLIENT_ID"]}
    if used["CONSOLE_ISSUER"] == issuer(layout, CONSOLE_CLIENT):
        shown["client_secret"] = layout.secrets()["console_client_secret"]
    return shown


def _dns(layout: Layout, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the DNS servers in use, and the simulator's addresses if it runs."""
    own = {"url": layout.url("dns"), "own": layout.address("resolver")} if Parts.needed(os.environ).dns else {}
    return {**own, "servers": environment.get("DNS_SERVERS", "")}


def _secret(layout: Layout, part: str, environment: Mapping[str, str], **secrets: str) -> dict[str, str]:
    """Return the secrets of a simulated product; the caller's own secrets are never written to a file."""
    address = environment.get(f"{part.upper()}_API_URL") or ""
    return secrets if address == layout.url(part) else {}


def write(layout: Layout, state: State) -> None:
    write_private(layout.state_file, json.dumps(state, indent=2) + "\n")


def read(layout: Layout) -> State | None:
    """Return the state of this folder's running sandbox, or None; the file of a dead sandbox is ignored."""
    try:
        state: State = json.loads(layout.state_file.read_text())
        return state if is_alive(state) else None
    except (OSError, ValueError, KeyError):
        return None


def is_alive(state: State) -> bool:
    """Return whether its supervisor runs, and its process id is not that of another process."""
    try:
        started = psutil.Process(state["supervisor"]["pid"]).create_time()
    except psutil.NoSuchProcess:
        return False
    return abs(started - float(state["supervisor"]["started"])) < 1.0
