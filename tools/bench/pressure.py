"""Waits of others while clients attack the API, beside a quiet one: p99 should stay under twice the quiet one's."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import urllib3

from tools.bench.attacks import ATTACKS, Target, held
from tools.bench.contest import Contestant
from tools.bench.load import Request, drive
from tools.bench.servers import Servers
from tools.bench.sides import DOOR

QUIET = "quiet"
SLUG = "original"


@dataclass(frozen=True)
class Waits:
    """Milliseconds that others wait for an answer."""

    live_p50: float
    live_p99: float
    tenant_p50: float
    tenant_p99: float


COLUMNS = ("live p50 ms", "live p99 ms", "tenant p50 ms", "tenant p99 ms")


def attacks(servers: Servers, runs: int, seconds: float) -> dict[str, list[Any]]:
    """Requests one by one, during each attack and without one. The quiet ones come last, for the ratios."""
    rows: dict[str, list[Any]] = {name: [] for name in (*ATTACKS, QUIET)}
    with Contestant(DOOR, servers) as contestant:
        target = Target(contestant.url, contestant.headers, _running_operation(contestant))
        # the first only warms up
        for run in range(-1, runs):
            for name, found in rows.items():
                attack = ATTACKS.get(name)
                if run < 0 and attack is not None:
                    continue
                with nullcontext() if attack is None else held(target, attack):
                    waits = _waits(contestant, seconds)
                if run >= 0:
                    found.append(waits)
    return rows


def _running_operation(contestant: Contestant) -> str:
    """The path of an operation that does not end: no worker runs."""
    contestant.create(SLUG)
    url = f"{contestant.url}/tenants/{SLUG}/operations"
    found = urllib3.request("GET", url, headers=contestant.headers).json()
    return f"/operations/{found[0]['id']}"


def _waits(contestant: Contestant, seconds: float) -> Waits:
    live, tenant = (
        drive(contestant.url, contestant.headers, Request("GET", path), seconds / 2, 1)
        for path in ("/health/live", f"/tenants/{SLUG}")
    )
    return Waits(live.p50, live.p99, tenant.p50, tenant.p99)
