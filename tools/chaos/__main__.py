"""`make chaos`: inject faults while clients send requests, then check all invariants; status 1 when one is broken."""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

import click

from tools.chaos.checks.invariants import broken
from tools.chaos.plan import Size, make_plan
from tools.chaos.report import lines
from tools.chaos.run import run_chaos


@click.command()
@click.option("--seed", type=int, help="Seed of everything random; without it a new one is drawn and printed.")
@click.option("--tenants", default=200, show_default=True, type=click.IntRange(1, 2000))
@click.option("--minutes", default=3.0, show_default=True, type=click.FloatRange(0.1, 100), help="Length.")
@click.option("--apis", default=10, show_default=True, type=click.IntRange(1, 20), help="API processes.")
@click.option("--workers", default=4, show_default=True, type=click.IntRange(1, 16), help="Worker processes.")
@click.option("--schedulers", default=2, show_default=True, type=click.IntRange(1, 8), help="Scheduler processes.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Folder to keep the logs in.")
def main(
    seed: int | None, tenants: int, minutes: float, apis: int, workers: int, schedulers: int, keep: Path | None
) -> None:
    """Inject faults into processes, servers, messages and products while clients send requests; then check invariants.

    Every wait has a limit, so the run ends by itself. It touches only what it started.
    """
    chosen = random.SystemRandom().randrange(10**6) if seed is None else seed
    click.echo(f"seed {chosen}")
    plan = make_plan(chosen, Size(tenants, minutes, apis, workers, schedulers))
    with tempfile.TemporaryDirectory(prefix="dezky-chaos-") as folder:
        result = run_chaos(plan, keep or Path(folder), click.echo)
    found = broken(result.evidence)
    for line in lines(plan, result, found):
        click.echo(line)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
