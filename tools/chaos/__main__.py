"""`make chaos`: a storm over the whole platform, on this machine, from one seed; status 1 when a law is broken."""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

import click

from tools.chaos.laws import broken
from tools.chaos.plan import Size, make_plan
from tools.chaos.report import lines
from tools.chaos.storm import rage


@click.command()
@click.option("--seed", type=int, help="Everything random comes from it; without one a new one is drawn, and printed.")
@click.option("--tenants", default=200, show_default=True, type=click.IntRange(1, 2000))
@click.option("--minutes", default=3.0, show_default=True, type=click.FloatRange(0.1, 100), help="How long it rages.")
@click.option("--apis", default=10, show_default=True, type=click.IntRange(1, 20), help="API processes.")
@click.option("--workers", default=4, show_default=True, type=click.IntRange(1, 16))
@click.option("--sweeps", default=2, show_default=True, type=click.IntRange(1, 8))
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Folder in which the logs are left.")
def main(
    seed: int | None, tenants: int, minutes: float, apis: int, workers: int, sweeps: int, keep: Path | None
) -> None:
    """Kill, hang, flush, double and delay everything there is while clients go on, then see whether all laws hold.

    Afterwards it waits until all is quiet, three minutes at most each time, and ends by itself. It touches only what it
    started.
    """
    chosen = random.SystemRandom().randrange(10**6) if seed is None else seed
    click.echo(f"seed {chosen}")
    plan = make_plan(chosen, Size(tenants, minutes, apis, workers, sweeps))
    with tempfile.TemporaryDirectory(prefix="dezky-chaos-") as folder:
        outcome = rage(plan, keep or Path(folder), click.echo)
    found = broken(outcome.evidence)
    for line in lines(plan, outcome, found):
        click.echo(line)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
