"""`python -m sandbox`: the whole platform on one machine, without containers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import psutil
import requests
from rich.console import Console

from sandbox import demo as demonstration
from sandbox import state as states
from sandbox.domains import publish_for
from sandbox.layout import DEFAULT_BASE, OFFSETS, Layout
from sandbox.processes import end_family
from sandbox.tokens import ROLES, TokenError, token_for

NOT_RUNNING = 3
DETACH_SECONDS = 90.0


def with_layout(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that names the sandbox by its folder."""
    command = click.option(
        "--data",
        type=click.Path(path_type=Path),
        default=Path(".sandbox"),
        envvar="SANDBOX_DATA",
        show_default=True,
        help="Folder that holds all of the sandbox's data.",
    )(command)
    return command


def with_ports(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option(
        "--port-base",
        type=click.IntRange(1, 65535 - max(OFFSETS.values())),
        default=DEFAULT_BASE,
        envvar="PORT_BASE",
        show_default=True,
        help="First port; the API listens on the next one, other parts on those after it.",
    )(command)
    return with_layout(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run the platform, MongoDB, Valkey, and simulators of Authentik, Stalwart, OCIS, Stripe and DNS on this machine.

    \b
    Examples:
      python -m sandbox up --detach
      python -m sandbox token --as owner --tenant acme
      python -m sandbox fault stalwart '{"kind": "status", "status": 503, "count": 5}'
      python -m sandbox down
    """


@main.command()
@with_ports
@click.option("--detach", is_flag=True, help="Return when everything is ready.")
@click.option("--json", "as_json", is_flag=True, help="Print the addresses as JSON.")
def up(data: Path, port_base: int, detach: bool, as_json: bool) -> None:
    """Start everything and run until Ctrl-C."""
    layout = Layout(port_base, data.absolute())
    _require_down(layout)
    if detach:
        _show(_start_detached(layout), as_json)
        return
    _supervise(layout, _console(as_json), lambda state: _show(state, as_json))


@main.command()
@with_layout
@click.option("--json", "as_json", is_flag=True)
def status(data: Path, as_json: bool) -> None:
    """Show the addresses and processes. Exit status 3 when no sandbox runs."""
    state = _require_state(data)
    _show(state, as_json)
    if not as_json:
        for name, pid in state["pids"].items():
            click.echo(f"  {name:<10} {'runs' if psutil.pid_exists(pid) else 'is down'} (pid {pid})")


@main.command()
@with_layout
def down(data: Path) -> None:
    """Stop all processes and wait until they have ended."""
    state = states.read(Layout(0, data.absolute()))
    if state is None:
        click.echo("Nothing is running.")
        return
    end_family(state["supervisor"]["pid"])
    click.echo("Everything has stopped.")


@main.command()
@with_layout
@click.option("--as", "role", type=click.Choice(sorted(ROLES)), required=True)
@click.option("--tenant", help="Slug of the tenant, for owner and member.")
@click.option("--partner", help="Slug of the partner, for partner.")
def token(data: Path, role: str, tenant: str | None, partner: str | None) -> None:
    """Print a bearer token, and nothing else."""
    try:
        click.echo(token_for(_require_state(data), role, tenant, partner))
    except TokenError as problem:
        raise click.UsageError(str(problem)) from None


@main.command()
@with_layout
@click.argument("product", type=click.Choice(states.SIMULATED))
@click.argument("rule")
def fault(data: Path, product: str, rule: str) -> None:
    """Add a fault to a simulator as JSON, or `clear` all its faults.

    \b
    Kinds for every product: latency, hang, drip, reset, lost, status, applied_then_status, rate_limited,
    wrong_body, empty_body. Authentik, stalwart and ocis: ignored. Authentik and ocis: stale_reads. Conditions:
    method, path and contains (regular expressions), count, after, probability, delay.
    """
    simulator = _require_state(data)["simulators"].get(product)
    if simulator is None:
        raise click.UsageError(f"{product} is a real server; only simulators can have faults.")
    url = f"{simulator}/__sim/faults"
    if rule == "clear":
        response = requests.delete(url, timeout=5)
    else:
        try:
            body = json.loads(rule)
        except ValueError as problem:
            raise click.UsageError(f"The rule is not JSON: {problem}") from None
        response = requests.post(url, json=body, timeout=5)
    if response.status_code != 200:
        raise click.UsageError(str(response.json()["error"]))
    click.echo(response.text)


@main.command()
@with_layout
@click.argument("tenant")
def publish(data: Path, tenant: str) -> None:
    """Publish the DNS records of TENANT's domains in the sandbox's DNS."""
    state = _require_state(data)
    try:
        records = publish_for(state, token_for(state, "admin", None, None), tenant)
    except (requests.RequestException, TokenError) as problem:
        raise click.ClickException(str(problem)) from None
    for record in records:
        click.echo(f"{record['name']} {record['type']} {record['value']}")


@main.command()
@with_ports
@click.option("--once", is_flag=True, envvar="ONCE", help="End when the tenant is active; exit status 1 if it is not.")
def demo(data: Path, port_base: int, once: bool) -> None:
    """Start everything, create a tenant over HTTP, and show each step."""
    layout, console = Layout(port_base, data.absolute()), Console(highlight=False)
    _require_down(layout)
    outcome: list[bool] = []

    def show(state: states.State) -> None:
        console.print(f"[bold]ready[/] in {time.monotonic() - began:.1f} s")
        slug = demonstration.onboard(state, console)
        outcome.append(slug is not None)
        demonstration.print_addresses(state, console, slug, stays=not once)
        if once:
            os.kill(os.getpid(), 15)

    began = time.monotonic()
    _supervise(layout, console, show)
    sys.exit(0 if outcome and outcome[0] else 1)


def _supervise(layout: Layout, console: Console, when_ready: Callable[[states.State], None]) -> None:
    # imported here: the clients of database and broker take long to import, and other commands do not need them
    from sandbox.services import ServiceError
    from sandbox.supervisor import StartError, Supervisor

    try:
        Supervisor(layout, lambda text: console.print(f"  {text}")).run(when_ready)
    except (StartError, ServiceError) as problem:
        raise click.ClickException(str(problem)) from None


def _require_down(layout: Layout) -> None:
    if states.read(layout) is not None:
        raise click.ClickException(f"A sandbox runs already in {layout.folder}; `python -m sandbox status` shows it.")


def _require_state(data: Path) -> states.State:
    state = states.read(Layout(0, data.absolute()))
    if state is None:
        click.echo("Nothing is running; start it with `python -m sandbox up` or `make demo`.", err=True)
        sys.exit(NOT_RUNNING)
    return state


def _start_detached(layout: Layout) -> states.State:
    layout.make_folders()
    command = [sys.executable, "-m", "sandbox", "up", "--data", str(layout.folder), "--port-base", str(layout.base)]
    log = layout.log("supervisor")
    with log.open("wb") as sink:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True)
    deadline = time.monotonic() + DETACH_SECONDS
    while time.monotonic() < deadline:
        state = states.read(layout)
        if state is not None:
            return state
        if process.poll() is not None:
            raise click.ClickException(log.read_text(errors="replace").strip().removeprefix("Error: "))
        time.sleep(0.1)
    process.terminate()
    raise click.ClickException(f"The sandbox was not ready in time; see {layout.logs}.")


def _console(as_json: bool) -> Console:
    """Return the console for progress; with --json it is standard error, as standard output has only the JSON."""
    return Console(stderr=as_json, highlight=False)


def _show(state: states.State, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(state))
        return
    click.echo(
        f"The API listens at {state['api']}, the console at {state['console']['url']}, "
        f"Flower at {state['flower']['url']}; logs are in {state['logs']}."
    )


if __name__ == "__main__":
    main()
