"""Measure response times of other clients during attacks: p99 should stay under twice that without an attack."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import urllib3

from tools.bench.load.attacks import ATTACKS, Target, held
from tools.bench.load.request_loop import Request, drive
from tools.bench.servers import Servers
from tools.bench.systems.catalog import API_ONLY
from tools.bench.systems.running import RunningSystem

QUIET = "no attack"
SLUG = "original"


@dataclass(frozen=True)
class Waits:
    """Response times of other clients, in milliseconds."""

    live_p50: float
    live_p99: float
    tenant_p50: float
    tenant_p99: float


COLUMNS = ("live p50 ms", "live p99 ms", "tenant p50 ms", "tenant p99 ms")


def attacks(servers: Servers, runs: int, seconds: float) -> dict[str, list[Any]]:
    """Send requests one by one during each attack, and without one. Those without come last, as the baseline."""
    rows: dict[str, list[Any]] = {name: [] for name in (*ATTACKS, QUIET)}
    with RunningSystem(API_ONLY, servers) as system:
        target = Target(system.url, system.headers, _running_operation(system))
        # the first only warms up
        for run in range(-1, runs):
            for name, found in rows.items():
                attack = ATTACKS.get(name)
                if run < 0 and attack is not None:
                    continue
                with nullcontext() if attack is None else held(target, attack):
                    waits = _waits(system, seconds)
                if run >= 0:
                    found.append(waits)
    return rows


def _running_operation(system: RunningSystem) -> str:
    """Return the path of an operation that does not end, because no worker runs."""
    system.create(SLUG)
    url = f"{system.url}/tenants/{SLUG}/operations"
    found = urllib3.request("GET", url, headers=system.headers).json()
    return f"/operations/{found[0]['id']}"


def _waits(system: RunningSystem, seconds: float) -> Waits:
    live, tenant = (
        drive(system.url, system.headers, Request("GET", path), seconds / 2, 1)
        for path in ("/health/live", f"/tenants/{SLUG}")
    )
    return Waits(live.p50, live.p99, tenant.p50, tenant.p99)
