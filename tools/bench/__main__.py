"""`make bench`: measure the platform, a plain Celery chord, a bare API and a script on the same servers in one run."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click
from rich.console import Console

from tools.bench import measures
from tools.bench.load import attack_latency, console_pages
from tools.bench.servers import Servers, servers
from tools.bench.tables import show

KINDS = ("burst", "many", "others", "paced", "requests", "attacks", "status", "console")


@click.command()
@click.option("-n", "--tenants", default=60, envvar="N", show_default=True, help="Tenants in one burst.")
@click.option(
    "--latencies", default="0,50,200", envvar="LATENCIES", show_default=True, help="Latencies of the products, in ms."
)
@click.option("--runs", default=3, envvar="RUNS", show_default=True, help="Interleaved runs; medians are shown.")
@click.option("--only", default=",".join(KINDS), envvar="ONLY", show_default=True, help="Which measurements.")
def main(tenants: int, latencies: str, runs: int, only: str) -> None:
    """Measure the platform and baselines. Only ratios within one run are comparable.

    All measurements take about twenty-five minutes on two cores.
    """
    console = Console(width=170)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dezky-bench-") as folder, servers(Path(folder)) as made:
        chosen = set(only.split(","))
        for latency in [int(text) for text in latencies.split(",")]:
            _at_latency(console, made, chosen, latency, tenants, runs)
        if "many" in chosen:
            title = f"{measures.MANY} tenants at once ({measures.FEW} of the plain chord), product latency 200 ms"
            show(console, title, measures.BURST_COLUMNS, measures.many(made, max(1, runs // 3), 200))
        if "others" in chosen:
            title = f"{tenants} at once, with {measures.OTHERS} other tenants and {measures.WAITING} waiting operations"
            show(console, title, measures.BURST_COLUMNS, measures.with_others(made, runs, tenants))
        if "status" in chosen:
            title = f"GET /status over {measures.OTHERS} tenants and {measures.WAITING} open operations"
            show(console, title, measures.LOAD_COLUMNS, measures.status(made, runs, 4.0))
        if "console" in chosen:
            _pages(console, made, runs)
        _requests(console, made, chosen, runs)
    console.print(f"{time.monotonic() - began:.0f} s in all")


def _requests(console: Console, made: Servers, chosen: set[str], runs: int) -> None:
    if "attacks" in chosen:
        show(console, "other clients during attacks", attack_latency.COLUMNS, attack_latency.attacks(made, runs, 6.0))
    for connections in (8, 1) if "requests" in chosen else ():
        for name, rows in measures.requests(made, runs, 4.0, connections).items():
            show(console, f"{name}, {connections} at a time", measures.LOAD_COLUMNS, rows)


def _pages(console: Console, made: Servers, runs: int) -> None:
    rows = console_pages.console_pages(made, runs, 1.0)
    show(console, f"The console's pages over {console_pages.TENANTS} tenants", measures.LOAD_COLUMNS, rows)
    slow = console_pages.too_slow(rows)
    console.print(f"slower than {console_pages.MAX_MS} ms at p50: {', '.join(slow) or 'none'}")


def _at_latency(console: Console, made: Servers, chosen: set[str], latency: int, tenants: int, runs: int) -> None:
    # the plain chord needs a second a tenant, and more with latency: it gets fewer tenants
    count = tenants if latency < 50 else max(10, tenants // (2 if latency < 200 else 4))
    if "burst" in chosen:
        title = f"{count} tenants at once, product latency {latency} ms, costs per tenant"
        show(console, title, measures.BURST_COLUMNS, measures.bursts(made, runs, count, latency))
    if "paced" in chosen:
        title = f"one tenant every {measures.PAUSE} s, product latency {latency} ms, created to active"
        show(console, title, measures.PACED_COLUMNS, measures.paced(made, runs, latency))


if __name__ == "__main__":
    main()
