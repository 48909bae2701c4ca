"""The measurements, each as interleaved runs of its systems on fresh products."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from tools.bench.load import request_loop
from tools.bench.load.other_tenants import fill, make_retrying
from tools.bench.load.request_loop import Load, Request, drive
from tools.bench.servers import SLOW_KEYS, Servers
from tools.bench.systems import running
from tools.bench.systems.catalog import API_ONLY, BARE_API, PLAIN, PLATFORM, WITH_EVENTS, WITH_OTHERS, System
from tools.bench.systems.running import Figures, RunningSystem
from tools.bench.systems.script import Script

Rows = dict[str, list[Any]]

WARM_UP_REQUESTS = 10
#: other tenants in the full database, and their waiting operations
OTHERS, WAITING = 20_000, 10_000
#: tenants on record while requests are measured
RECORDS = 200
#: tenants at once, for the platform and for the plain chord, which would take hours for as many
MANY, FEW = 1000, 30
#: tenants of a paced run, and the pause between two, in seconds
PACED, PAUSE = 24, 0.25


_numbers = itertools.count()


def _tag() -> str:
    """Return a new prefix of slugs: one of the products remembers every name."""
    return f"b{next(_numbers)}x"


@dataclass(frozen=True)
class Paced:
    """Milliseconds from the request until the tenant is active."""

    p50: float
    p95: float


PACED_COLUMNS = ("p50 ms", "p95 ms")
BURST_COLUMNS, LOAD_COLUMNS = running.COLUMNS, request_loop.COLUMNS


def bursts(servers: Servers, runs: int, tenants: int, latency: int) -> Rows:
    """Measure the platform, with and without events for Flower, and a plain chord."""
    systems = (PLATFORM, PLAIN) if latency else (PLATFORM, WITH_EVENTS, PLAIN)
    return _each(runs, systems, lambda measured: _burst(servers, measured, tenants, latency))


def many(servers: Servers, runs: int, latency: int) -> Rows:
    """Measure the platform at its limit; fewer tenants for the plain chord, whose rate more would not change."""
    rows: Rows = {PLATFORM.name: [], PLAIN.name: []}
    for _ in range(runs):
        for measured, count in ((PLATFORM, MANY), (PLAIN, FEW)):
            rows[measured.name].append(_burst(servers, measured, count, latency))
    return rows


def with_others(servers: Servers, runs: int, tenants: int) -> Rows:
    """Measure the platform with a database full of other tenants, and with an empty one."""
    return _each(runs, (WITH_OTHERS, PLATFORM), lambda measured: _burst(servers, measured, tenants, 0))


def paced(servers: Servers, runs: int, latency: int) -> Rows:
    """Measure one tenant every quarter of a second: the platform, a plain chord, and a script without a queue."""
    rows: Rows = {PLATFORM.name: [], PLAIN.name: [], "script": []}
    for _ in range(runs):
        for measured in (PLATFORM, PLAIN):
            servers.refresh(latency, SLOW_KEYS)
            with RunningSystem(measured, servers) as system:
                system.burst(WARM_UP_REQUESTS, _tag())
                rows[measured.name].append(_percentiles(system.paced(_tag(), PACED, PAUSE)))
        servers.refresh(latency, SLOW_KEYS)
        script = Script(servers.environment)
        script.paced(_tag(), WARM_UP_REQUESTS, 0.0)
        rows["script"].append(_percentiles(script.paced(_tag(), PACED, PAUSE)))
    return rows


def status(servers: Servers, runs: int, seconds: float) -> Rows:
    """Measure `GET /status` over a full database: with no operation retrying, and with all of them retrying."""
    rows: Rows = {"none retrying": [], "all retrying": []}
    with RunningSystem(API_ONLY, servers) as system:
        system.create("original")
        fill(system.database, "original", OTHERS, WAITING)
        for name, figures in rows.items():
            if name == "all retrying":
                make_retrying(system.database)
            figures += [_driven(system, Request("GET", "/status"), seconds, 1) for _ in range(runs)]
    return rows


def requests(servers: Servers, runs: int, seconds: float, connections: int) -> dict[str, Rows]:
    """Measure requests to the platform's API and to a bare one, on the same records. The baseline comes last."""
    asked: dict[str, dict[str, tuple[System, Callable[[int], Request]]]] = {
        "POST /tenants": {
            API_ONLY.name: (API_ONLY, partial(_post, "/tenants")),
            "bare, pushes an id": (BARE_API, partial(_post, "/pushed")),
            "bare, sends a task": (BARE_API, partial(_post, "/tenants")),
        },
        "GET /tenants/<slug>": {measured.name: (measured, _get) for measured in (API_ONLY, BARE_API)},
        "GET /tenants (50)": {measured.name: (measured, _page) for measured in (API_ONLY, BARE_API)},
    }
    tables: dict[str, Rows] = {name: {row: [] for row in systems} for name, systems in asked.items()}
    with ExitStack() as stack:
        running_apis = {
            measured.name: stack.enter_context(RunningSystem(measured, servers)) for measured in (API_ONLY, BARE_API)
        }
        running_apis[API_ONLY.name].create("original")
        fill(running_apis[API_ONLY.name].database, "original", RECORDS, 0)
        for run, (name, systems) in itertools.product(range(-1, runs), asked.items()):
            for row, (measured, make) in systems.items():
                # run -1 only warms up
                figures = _driven(running_apis[measured.name], make(run), seconds if run >= 0 else 1.0, connections)
                if run >= 0:
                    tables[name][row].append(figures)
    return tables


def _driven(system: RunningSystem, request: Request, seconds: float, connections: int) -> Load:
    before, _, _ = system.meters()
    figures = drive(system.url, system.headers, request, seconds, connections)
    after, _, _ = system.meters()
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


def _each(runs: int, systems: Sequence[System], measure: Callable[[System], Any]) -> Rows:
    rows: Rows = {measured.name: [] for measured in systems}
    for _ in range(runs):
        for measured in systems:
            rows[measured.name].append(measure(measured))
    return rows


def _burst(servers: Servers, measured: System, tenants: int, latency: int) -> Figures:
    servers.refresh(latency)
    with RunningSystem(measured, servers) as system:
        warm = _tag()
        system.burst(WARM_UP_REQUESTS, warm)
        if measured is WITH_OTHERS:
            fill(system.database, f"{warm}0", OTHERS, WAITING)
        return system.burst(tenants, _tag())


def _percentiles(waits: list[float]) -> Paced:
    cuts = statistics.quantiles(waits, n=100, method="inclusive")
    return Paced(cuts[49], cuts[94])
