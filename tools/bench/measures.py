"""What is measured, each as interleaved runs of its sides on fresh products."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from tools.bench import contest, load
from tools.bench.contest import Contestant, Figures
from tools.bench.crowd import fill, make_retrying
from tools.bench.load import Load, Request, drive
from tools.bench.script import Script
from tools.bench.servers import KEYS_LATER, Servers
from tools.bench.sides import BARE, CROWDED, DOOR, PLAIN, PLATFORM, WITH_EVENTS, Side

Rows = dict[str, list[Any]]

WARM = 10
#: other tenants in the crowded database, and operations that wait there
CROWD, WAITING = 20_000, 10_000
#: tenants at once, for the platform and for its rival, which would take hours for as many
MANY, FEW = 1000, 30
#: tenants of a paced run, and the pause between two, in seconds
PACED, PAUSE = 24, 0.25


_numbers = itertools.count()


def _tag() -> str:
    """The start of slugs nobody used before: one of the products remembers every name."""
    return f"b{next(_numbers)}x"


@dataclass(frozen=True)
class Paced:
    """Milliseconds from asking for a tenant to its being active."""

    p50: float
    p95: float


PACED_COLUMNS = ("p50 ms", "p95 ms")
BURST_COLUMNS, LOAD_COLUMNS = contest.COLUMNS, load.COLUMNS


def bursts(servers: Servers, runs: int, tenants: int, latency: int) -> Rows:
    """The platform, with and without events for Flower, beside a plain chord."""
    sides = (PLATFORM, PLAIN) if latency else (PLATFORM, WITH_EVENTS, PLAIN)
    return _each(runs, sides, lambda side: _burst(servers, side, tenants, latency))


def many(servers: Servers, runs: int, latency: int) -> Rows:
    """So many at once that the platform is at its limit; fewer of the plain chord, whose rate more would not change."""
    rows: Rows = {PLATFORM.name: [], PLAIN.name: []}
    for _ in range(runs):
        for side, count in ((PLATFORM, MANY), (PLAIN, FEW)):
            rows[side.name].append(_burst(servers, side, count, latency))
    return rows


def crowded(servers: Servers, runs: int, tenants: int) -> Rows:
    """The platform with a database full of others, beside itself with an empty one."""
    return _each(runs, (CROWDED, PLATFORM), lambda side: _burst(servers, side, tenants, 0))


def paced(servers: Servers, runs: int, latency: int) -> Rows:
    """A tenant every quarter of a second: the platform, a plain chord, and a script with no queue at all."""
    rows: Rows = {PLATFORM.name: [], PLAIN.name: [], "script": []}
    for _ in range(runs):
        for side in (PLATFORM, PLAIN):
            servers.refresh(latency, KEYS_LATER)
            with Contestant(side, servers) as contestant:
                contestant.burst(WARM, _tag())
                rows[side.name].append(_paced(contestant.paced(_tag(), PACED, PAUSE)))
        servers.refresh(latency, KEYS_LATER)
        script = Script(servers.environment)
        script.paced(_tag(), WARM, 0.0)
        rows["script"].append(_paced(script.paced(_tag(), PACED, PAUSE)))
    return rows


def status(servers: Servers, runs: int, seconds: float) -> Rows:
    """What is wrong now, asked of a full database: with every open operation well, and with none of them well."""
    rows: Rows = {"all well": [], "all retrying": []}
    with Contestant(DOOR, servers) as contestant:
        contestant.create("original")
        fill(contestant.database, "original", CROWD, WAITING)
        for name, figures in rows.items():
            if name == "all retrying":
                make_retrying(contestant.database)
            figures += [_driven(contestant, Request("GET", "/status"), seconds, 1) for _ in range(runs)]
    return rows


def doors(servers: Servers, runs: int, seconds: float, connections: int, others: int = 200) -> dict[str, Rows]:
    """Requests to the platform's door beside the least a door can do, on the same records. The rival comes last."""
    asked: dict[str, dict[str, tuple[Side, Callable[[int], Request]]]] = {
        "POST /tenants": {
            DOOR.name: (DOOR, partial(_post, "/tenants")),
            "bare, pushes an id": (BARE, partial(_post, "/pushed")),
            "bare, sends a task": (BARE, partial(_post, "/tenants")),
        },
        "GET /tenants/<slug>": {side.name: (side, _get) for side in (DOOR, BARE)},
        "GET /tenants (50)": {side.name: (side, _page) for side in (DOOR, BARE)},
    }
    tables: dict[str, Rows] = {name: {row: [] for row in sides} for name, sides in asked.items()}
    with ExitStack() as stack:
        open_doors = {side.name: stack.enter_context(Contestant(side, servers)) for side in (DOOR, BARE)}
        open_doors[DOOR.name].create("original")
        fill(open_doors[DOOR.name].database, "original", others, 0)
        for run, (name, sides) in itertools.product(range(-1, runs), asked.items()):
            for row, (side, make) in sides.items():
                # run -1 only warms up
                figures = _driven(open_doors[side.name], make(run), seconds if run >= 0 else 1.0, connections)
                if run >= 0:
                    tables[name][row].append(figures)
    return tables


def _driven(contestant: Contestant, request: Request, seconds: float, connections: int) -> Load:
    before, _, _ = contestant.meters()
    figures = drive(contestant.url, contestant.headers, request, seconds, connections)
    after, _, _ = contestant.meters()
    return replace(figures, cpu_ms=(after - before) / (figures.per_second * seconds) * 1000)


def _post(path: str, run: int) -> Request:
    def body(number: int) -> dict[str, object]:
        slug = f"post{run + 1}x{number}"
        return {"slug": slug, "name": "Bench", "domains": [f"{slug}.test"]}

    return Request("POST", path, body)


def _get(run: int) -> Request:
    return Request("GET", "/tenants/original")


def _page(run: int) -> Request:
    return Request("GET", "/tenants?limit=50")


def _each(runs: int, sides: Sequence[Side], measure: Callable[[Side], Any]) -> Rows:
    rows: Rows = {side.name: [] for side in sides}
    for _ in range(runs):
        for side in sides:
            rows[side.name].append(measure(side))
    return rows


def _burst(servers: Servers, side: Side, tenants: int, latency: int) -> Figures:
    servers.refresh(latency)
    with Contestant(side, servers) as contestant:
        warm = _tag()
        contestant.burst(WARM, warm)
        if side is CROWDED:
            fill(contestant.database, f"{warm}0", CROWD, WAITING)
        return contestant.burst(tenants, _tag())


def _paced(waits: list[float]) -> Paced:
    cuts = statistics.quantiles(waits, n=100, method="inclusive")
    return Paced(cuts[49], cuts[94])
