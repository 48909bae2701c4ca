"""`platformctl operations`: what is being done, or was, for a tenant."""

from __future__ import annotations

import click

from platformctl.commands.groups import Group
from platformctl.commands.options import Word, limit_of, list_records, paged, repeatable, timeout, waited
from platformctl.commands.results import finish_operation, show_operation
from platformctl.failures import ExitCode
from platformctl.output import say
from platformctl.session import Session, with_session
from platformctl.waiting import RUNNING, wait_for

COLUMNS = (
    ("id", "id"),
    ("action", "action"),
    ("mode", "mode"),
    ("status", "status"),
    ("created", "createdAt"),
    ("finished", "finishedAt"),
    ("requested by", "requestedBy"),
)


@click.group(cls=Group)
def operations() -> None:
    """What is being done, or was, for a tenant."""


@operations.command("list")
@click.argument("slug", type=Word())
@paged
@with_session
def list_operations(session: Session, /, slug: str, limit: int, everything: bool) -> None:
    """List a tenant's operations, newest first.

    \b
    Examples:
      platformctl operations list acme
      platformctl operations list acme --all --output json
    """
    found = list_records(session, f"/tenants/{slug}/operations", {}, limit_of(limit, everything))
    session.out.records(found, COLUMNS)


@operations.command()
@click.argument("operation", type=Word())
@with_session
def show(session: Session, /, operation: str) -> None:
    """Show an operation with its steps, as it stands. Exit code 0 however that is.

    \b
    Examples:
      platformctl operations show 6b058a725d1747cfeba27b12
    """
    show_operation(session, session.api.get(f"/operations/{operation}").body)


@operations.command()
@click.argument("operation", type=Word())
@timeout
@with_session
def watch(session: Session, /, operation: str, timeout: float) -> None:
    """Wait until an operation has ended, showing its steps.

    \b
    Examples:
      platformctl operations watch 6b058a725d1747cfeba27b12 --timeout 300
    """
    finish_operation(session, {"id": operation}, True, timeout)


@operations.command()
@click.argument("operation", type=Word())
@repeatable
@waited
@with_session
def cancel(session: Session, /, operation: str, key: str, wait: bool, timeout: float) -> None:
    """Stop what has not run yet. With --wait: until the steps that run have ended too.

    \b
    Examples:
      platformctl operations cancel 6b058a725d1747cfeba27b12 --wait
    """
    stopped = session.api.post(f"/operations/{operation}/cancel", key=key).body
    if wait and stopped["status"] == RUNNING:
        stopped = wait_for(session.api, operation, timeout)
    show_operation(session, stopped)
    if wait and stopped["status"] == RUNNING:
        say("It has not stopped yet.")
        click.get_current_context().exit(ExitCode.STILL_RUNNING)


@operations.command()
@click.argument("operation", type=Word())
@click.argument("step", type=Word())
@repeatable
@waited
@with_session
def retry(session: Session, /, operation: str, step: str, key: str, wait: bool, timeout: float) -> None:
    """Run one failed step again.

    \b
    Examples:
      platformctl operations retry 6b058a725d1747cfeba27b12 stalwart --wait
    """
    body = session.api.post(f"/operations/{operation}/steps/{step}/retry", key=key).body
    finish_operation(session, body, wait, timeout)
