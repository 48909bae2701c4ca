"""`make bench`: tenants created over HTTP, beside a plain Celery chord with the same calls, on the same servers."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
import requests
from rich.console import Console
from rich.table import Table

from bench.contest import PLAIN, PLATFORM, Contestant, Figures, wait_until
from sandbox.environment import SURFACES, client_slug, settings_environment
from sandbox.layout import OFFSETS, Layout
from sandbox.processes import end, is_free, spawn
from sandbox.services import Mongod, Valkey

COLUMNS = ("tenants/s", "p50 ms", "p95 ms", "p99 ms", "CPU ms", "Redis", "MongoDB")


@click.command()
@click.option("-n", "--tenants", default=40, envvar="N", show_default=True, help="Tenants in one burst.")
@click.option("--latencies", default="0,50,200", envvar="LATENCIES", show_default=True, help="Of the upstreams, in ms.")
@click.option("--runs", default=3, envvar="RUNS", show_default=True, help="Interleaved bursts; medians are shown.")
def main(tenants: int, latencies: str, runs: int) -> None:
    """Measure the platform beside a plain chord. Only ratios of one run mean anything."""
    console = Console(width=170)
    with tempfile.TemporaryDirectory(prefix="dezky-bench-") as folder, _servers(Path(folder)) as (layout, environment):
        token = _token(layout)
        for latency in [int(text) for text in latencies.split(",")]:
            _delay(layout, latency)
            rows = _interleaved(tenants, runs, environment, Path(folder), token)
            _show(console, latency, tenants, rows)


def _interleaved(
    tenants: int, runs: int, environment: dict[str, str], folder: Path, token: str
) -> dict[str, list[Figures]]:
    rows: dict[str, list[Figures]] = {PLATFORM.name: [], PLAIN.name: []}
    for run in range(runs):
        for side in (PLATFORM, PLAIN):
            with Contestant(side, environment, folder, token) as contestant:
                contestant.burst(min(10, tenants), f"warm{os.urandom(2).hex()}{run}x")
                rows[side.name].append(contestant.burst(tenants, f"b{os.urandom(3).hex()}{run}x"))
    return rows


def _show(console: Console, latency: int, tenants: int, rows: dict[str, list[Figures]]) -> None:
    table = Table(title=f"{tenants} tenants at once, upstream latency {latency} ms: medians (spread), costs per tenant")
    for column in ("", *COLUMNS):
        table.add_column(column, justify="right")
    medians = {}
    for name, figures in rows.items():
        columns = list(zip(*(tuple(vars(one).values()) for one in figures), strict=True))
        medians[name] = [statistics.median(column) for column in columns]
        cells = [f"{m:.1f} ({min(c):.1f}-{max(c):.1f})" for m, c in zip(medians[name], columns, strict=True)]
        table.add_row(name, *cells)
    ratios = [ours / plain for ours, plain in zip(medians[PLATFORM.name], medians[PLAIN.name], strict=True)]
    table.add_row("ratio", *(f"{ratio:.2f}" for ratio in ratios))
    console.print(table)


@contextmanager
def _servers(folder: Path) -> Iterator[tuple[Layout, dict[str, str]]]:
    layout = Layout(_free_base(), folder)
    layout.make_folders()
    secret = layout.secrets()
    clients = ",".join(f"{client_slug(one)}:{client_slug(one)}:secret" for one in SURFACES)
    stand_ins = {
        "authentik": (
            [],
            {"AUTHENTIK_STAND_IN_TOKEN": secret["authentik_api_token"], "AUTHENTIK_STAND_IN_CLIENTS": clients},
        ),
        "stalwart": (["--dkim-delay", "0.01"], {"STALWART_STAND_IN_KEY": secret["stalwart_token"]}),
        "ocis": (
            ["--issuer", "https://unused.invalid/"],
            {"OCIS_STAND_IN_USERS": f"provisioner:{secret['ocis_password']}:Admin"},
        ),
    }
    with ExitStack() as stack:
        for name, (options, extra) in stand_ins.items():
            command = [sys.executable, "-m", f"sandbox.stand_ins.{name}", "--port", str(layout.port(name)), *options]
            process = spawn(command, env={**os.environ, **extra}, log=layout.log(name))
            stack.callback(end, process)
        mongod, valkey = Mongod(folder, layout.port("mongodb")), Valkey(folder, layout.port("valkey"))
        for service in (mongod, valkey):
            service.start()
            stack.callback(service.stop)
        for name in stand_ins:
            wait_until(lambda name=name: not is_free(layout.port(name)))  # type: ignore[misc]
        environment = settings_environment(layout, mongod.uri, valkey.url)
        environment |= {"MONGODB_DATABASE": "bench", "LOG_LEVEL": "WARNING", "OCIS_USERNAME": "provisioner"}
        for name in ("OCIS_TOKEN_URL", "OCIS_CLIENT_ID"):
            del environment[name]
        yield layout, environment


def _free_base() -> int:
    for base in range(7_000, 14_000, 97):
        if all(is_free(base + offset) for offset in OFFSETS.values()):
            return base
    raise click.ClickException("No free ports in a row.")


def _token(layout: Layout) -> str:
    """An operator's token from the stand-in's token endpoint."""
    person = {"username": "admin", "app_password": "bench", "groups": ["dezky-platform-admins"]}
    requests.post(f"{layout.url('authentik')}/__sim/call/ensure_person", json=person, timeout=5).raise_for_status()
    form = {
        "grant_type": "client_credentials",
        "client_id": client_slug("operator"),
        "username": "admin",
        "password": "bench",
        "scope": "openid profile email",
    }
    answer = requests.post(f"{layout.url('authentik')}/application/o/token/", data=form, timeout=5)
    return str(answer.json()["access_token"])


def _delay(layout: Layout, milliseconds: int) -> None:
    for product in ("authentik", "stalwart", "ocis"):
        faults = f"{layout.url(product)}/__sim/faults"
        requests.delete(faults, timeout=5)
        if milliseconds:
            # the key sets of the identity provider are no upstream call of a step
            rule = {"kind": "latency", "delay": milliseconds / 1000, "path": "^/(api|jmap|graph)"}
            requests.post(faults, json=rule, timeout=5).raise_for_status()


if __name__ == "__main__":
    main()
