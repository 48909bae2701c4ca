"""Print current problems and the results of a diagnosis."""

from __future__ import annotations

from typing import NoReturn

import click

from client.operator_models import Diagnosis
from platformctl.failures import ExitCode
from platformctl.output import Column, say
from platformctl.session import Session
from platformctl.text import Record, cell, colour, plain

GROUPS = (
    Column("kind", "kind"),
    Column("integration", "integration"),
    Column("reason", "reason"),
    Column("count", "count"),
    Column("oldest", "oldest"),
    Column("such as", lambda group: ", ".join(dict.fromkeys(map(_example, group["examples"])))),
)
BREAKERS = (
    Column("open breaker", "integration"),
    Column("failures", "failures"),
    Column("since", "since"),
    Column("until", "openUntil"),
    Column("reason", "reason"),
)
PAUSES = (
    Column("paused", lambda pause: pause.get("integration") or pause.get("tenant")),
    Column("since", "since"),
    Column("by", "by"),
    Column("why", "reason"),
)
RESULTS = {"ok": "green", "warning": "yellow", "failed": "red"}


def print_status(session: Session, status: Record) -> None:
    out = session.out
    if out.is_data:
        out.data(status)
        return
    for shown, records in ((GROUPS, status["groups"]), (BREAKERS, status["breakers"]), (PAUSES, status["pauses"])):
        if records:
            out.table(records, shown)
            click.echo()
    for group in status["groups"]:
        _advise(group)
    counts = ", ".join(f"{count} {kind}" for kind, count in status["tenants"].items() if count)
    click.echo("Nothing is wrong." if status["ok"] else f"Tenants: {counts or 'none has a problem'}.")


def print_diagnosis(session: Session, found: Diagnosis) -> None:
    """Print each check on one line, and the remedy below a failed one."""
    if session.out.is_data:
        session.out.data(found)
        return
    for check in found["checks"]:
        result = click.style(f"{plain(check['status']).replace('_', ' '):15}", fg=RESULTS.get(check["status"]))
        click.echo(f"{result} {plain(check['area'])}, {plain(check['name'])}: {plain(check['message'])}")
        if check.get("remedy"):
            click.echo(f"{'':15}   {plain(check['remedy'])}")


def end_with_diagnosis(found: Diagnosis) -> NoReturn:
    """Exit with the code for the result of the checks."""
    context = click.get_current_context()
    if found["status"] != "finished":
        say(f"The diagnosis is still {found['status']}; if it stays so, no scheduler runs.")
        context.exit(ExitCode.STILL_RUNNING)
    failed = [check for check in found["checks"] if check["status"] == "failed"]
    context.exit(ExitCode.OPERATION_FAILED if failed else ExitCode.OK)


def _example(example: Record) -> str:
    """Return a tenant's slug, with the affected domain, or the host and id of the webhook."""
    found = [text for text in (example.get("tenant"), example.get("name")) if text]
    webhook = f" ({example['webhook']})" if "webhook" in example else ""
    return plain(": ".join(found) + webhook)


def _advise(group: Record) -> None:
    if not group.get("message"):
        return
    where = ", ".join(plain(text) for text in (group.get("integration"), group["reason"]) if text)
    click.echo(f"{colour('status', cell('kind', group['kind']))}, {where}: {plain(group['message'])}")
    if group.get("remedy"):
        click.echo(f"  {plain(group['remedy'])}")
