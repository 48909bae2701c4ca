"""Print a bulk operation: its progress, and the tenants for which it was refused."""

from __future__ import annotations

from typing import NoReturn

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


def print_bulk(session: Session, found: BulkOperation) -> None:
    """Print the counts and the tenants that the API lists: the first few, refused ones first."""
    if session.out.is_data:
        session.out.data(found)
        return
    counts = f"{found['total']} tenants, {found['done']} done, {found['refused']} refused, {found['pending']} pending"
    click.echo(f"{found['action']}: {found['status'].replace('_', ' ')}, {counts}  [{found['id']}]")
    if found["tenants"]:
        session.out.table(found["tenants"], COLUMNS)


def print_progress(found: BulkOperation) -> None:
    say(f"{found['done'] + found['refused']} of {found['total']}")


def end_with_bulk(found: BulkOperation) -> NoReturn:
    """Exit with the code for the bulk operation's result."""
    context = click.get_current_context()
    if found["status"] == "running":
        say(f"Still running; see later with: platformctl bulk show {found['id']}")
        context.exit(ExitCode.STILL_RUNNING)
    context.exit(ExitCode.OPERATION_FAILED if found["refused"] else ExitCode.OK)
