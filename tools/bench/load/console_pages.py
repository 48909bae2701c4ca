"""Measure the response times of the console's pages over a database of two thousand tenants."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis import Redis

from sandbox.environment import CONSOLE_CLIENT, console_environment, issuer
from sandbox.processes import end, spawn
from sandbox.sign_in import sign_in
from sandbox.tokens import password_of
from tools.bench.load.other_tenants import fill
from tools.bench.load.request_loop import Load, Request, drive
from tools.bench.servers import Servers, wait_until
from tools.bench.systems.catalog import API_ONLY
from tools.bench.systems.running import RunningSystem, answers

TENANTS, OPEN = 2000, 200
ORIGINAL = "original"
#: limit for the p50 of a page, in milliseconds
MAX_MS = 100
PAGES = {
    "Overview": "/",
    "Tenants": "/tenants/",
    "Tenants, searched": "/tenants/?q=other19",
    "One tenant": f"/tenants/{ORIGINAL}",
    "Domains": f"/tenants/{ORIGINAL}/domains",
    "People": f"/tenants/{ORIGINAL}/people",
    "Activity": f"/tenants/{ORIGINAL}/activity",
    "New tenant": "/tenants/new",
    "Operations": "/operations/",
    "Integrations": "/integrations/",
    "Webhooks": "/webhooks/",
    "Partners": "/partners/",
    "Users": "/users/",
    "Orphans": "/orphans/",
    "Events": "/events/",
}


def console_pages(servers: Servers, runs: int, seconds: float) -> dict[str, list[Any]]:
    """Request each page over one connection, signed in as an operator."""
    rows: dict[str, list[Any]] = {name: [] for name in PAGES}
    with RunningSystem(API_ONLY, servers) as system:
        system.create(ORIGINAL)
        fill(system.database, ORIGINAL, TENANTS - OPEN, OPEN)
        with _console(servers, system.url) as url:
            session = sign_in(url, "admin", password_of("admin"))
            headers = {"Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in session.cookies)}
            for _ in range(runs):
                for name, path in PAGES.items():
                    rows[name].append(_measure(url, headers, path, seconds))
    return rows


def too_slow(rows: dict[str, list[Load]]) -> list[str]:
    """Return the pages of which no run was fast enough."""
    return [name for name, figures in rows.items() if min(one.p50 for one in figures) > MAX_MS]


def _measure(url: str, headers: dict[str, str], path: str, seconds: float) -> Load:
    drive(url, headers, Request("GET", path), 0.3, 1)
    return drive(url, headers, Request("GET", path), seconds, 1)


@contextmanager
def _console(servers: Servers, api_url: str) -> Iterator[str]:
    """Run a console on this API."""
    layout = servers.layout
    environment = console_environment(layout, servers.environment)
    environment |= {"CONSOLE_API_URL": api_url, "CONSOLE_ISSUER": issuer(layout, CONSOLE_CLIENT)}
    environment |= {"CONSOLE_LOG_LEVEL": "WARNING"}
    Redis.from_url(environment["CONSOLE_REDIS_URL"]).flushdb()
    command = [sys.executable, "-m", "console", "--port", str(layout.port("console"))]
    process = spawn(command, log=servers.folder / "console.log", env=environment)
    try:
        wait_until(lambda: answers(f"{layout.url('console')}/health/ready"))
        yield layout.url("console")
    finally:
        end(process)
