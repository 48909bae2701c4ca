"""Print a bulk operation: its progress, and the tenants for which it was refused."""

from __future__ import annotations

from typing import Any, NoReturn

import click

from client.operator_models import BulkOperation
from platformctl.failures import ExitCode
from platformctl.output import Column, say
from platformctl.session import Session

COLUMNS = (
    Column("tenant", "tenant"),
    Column("status", "status"),
    Column("operation", "operation"),
    Column("steps", "steps"),
    Column("detail", "detail"),
)


#: states of a tenant's part, as the API counts them; an API of an older release knows none that is skipped
STATES = ("done", "refused", "pending", "skipped")


def print_bulk(session: Session, found: BulkOperation) -> None:
    """Print the counts and the tenants that the API lists: the first few, refused ones first."""
    if session.out.is_data:
        session.out.data(found)
        return
    numbers: dict[str, Any] = {state: found.get(state, 0) for state in STATES}
    counts = ", ".join(f"{number} {state}" for state, number in numbers.items() if number or state != "skipped")
    status = found["status"].replace("_", " ")
    click.echo(f"{found['action']}: {status}, {found['total']} tenants, {counts}  [{found['id']}]")
    if found["tenants"]:
        session.out.table(found["tenants"], COLUMNS)
    if more := found["total"] - len(found["tenants"]):
        say(f"and {more} more")


def print_progress(found: BulkOperation) -> None:
    say(f"{found['done'] + found['refused']} of {found['total']}")


def end_with_bulk(found: BulkOperation) -> NoReturn:
    """Exit with the code for the bulk operation's result."""
    context = click.get_current_context()
    if found["status"] == "running":
        say(f"Still running; see later with: platformctl bulk show {found['id']}")
        context.exit(ExitCode.STILL_RUNNING)
    is_failed = found["refused"] or found["status"] == "stopped"
    context.exit(ExitCode.OPERATION_FAILED if is_failed else ExitCode.OK)
