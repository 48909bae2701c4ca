"""`platformctl operations` and `bulk`: list, retry and cancel operations, one by one or for many tenants."""

from __future__ import annotations

from typing import Any

import click

from platformctl.cli.groups import Group
from platformctl.cli.options import (
    confirmed,
    filters_of,
    given,
    listed,
    merge,
    paged,
    repeatable,
    require_yes,
    selected,
    timeout,
    waited,
)
from platformctl.cli.records import explain
from platformctl.cli.results import finish_operation, show_operation
from platformctl.cli.types import BULK_OPERATION, OPERATION, SLUG, WORD
from platformctl.failures import ExitCode
from platformctl.output import Column, say
from platformctl.session import Session, with_session
from platformctl.text import between
from platformctl.views.bulk import end_with_bulk, print_bulk, print_progress
from platformctl.views.describe import problem
from platformctl.waiting import RUNNING, end_with, wait_for

COLUMNS = (
    Column("id", "id"),
    Column("tenant", "tenant"),
    Column("action", "action"),
    Column("status", "status"),
    Column("age", "createdAt"),
    Column("problem", problem),
    Column("took", lambda one: between(one.get("createdAt"), one.get("finishedAt")), wide=True),
    Column("mode", "mode", wide=True),
    Column("requested by", "requestedBy", wide=True),
    Column("request", "requestId", wide=True),
)


@click.group(cls=Group)
def operations() -> None:
    """List, show, retry and cancel operations."""


@operations.command("list")
@click.argument("slug", type=SLUG, required=False)
@click.option("--status", type=click.Choice(["running", "succeeded", "failed", "cancelled"]))
@click.option("--action", help="provision, reconcile, suspend, resume, delete, restore or purge.")
@click.option("--reason", help="Only those with a step that has this problem, such as timeout.")
@click.option("--since", metavar="TIME", help="Only those recorded since, as 2030-01-31T00:00:00Z.")
@selected("Any filters of the API, as step.ocis=retrying.")
@paged
@with_session
def list_operations(
    session: Session, /, slug: str | None, limit: int | None, selector: dict[str, str], **options: Any
) -> None:
    """List operations, newest first: of one tenant, or of all.

    \b
    Examples:
      platformctl operations list --status failed
      platformctl operations list acme
      platformctl operations list --selector step.stalwart=retrying --all -o json
    """
    filters = filters_of(given(options), selector)
    if slug is not None and not filters:
        found = session.platform.tenants.operations(slug, limit)
    else:
        found = session.platform.operations.list(limit, **merge(given({"tenant": slug}), filters))
    session.out.records(listed(found, limit), COLUMNS)


@operations.command()
@click.argument("operation", type=OPERATION)
@with_session
def show(session: Session, /, operation: str) -> None:
    """Show an operation with its steps. The exit code is 0 for every status.

    \b
    Examples:
      platformctl operations show 6b058a725d1747cfeba27b12
    """
    show_operation(session, session.platform.operations.get(operation).data)


@operations.command()
@click.argument("operation", type=OPERATION)
@timeout
@with_session
def watch(session: Session, /, operation: str, timeout: float) -> None:
    """Wait until an operation has ended, showing its steps.

    \b
    Examples:
      platformctl operations watch 6b058a725d1747cfeba27b12 --timeout 300
    """
    ended = wait_for(session.platform, operation, timeout)
    show_operation(session, ended)
    end_with(ended)


@operations.command()
@click.argument("operation", type=OPERATION)
@repeatable
@waited
@with_session
def cancel(session: Session, /, operation: str, key: str, wait: bool, timeout: float) -> None:
    """Skip steps that have not run. With --wait: wait until running steps have ended too.

    \b
    Examples:
      platformctl operations cancel 6b058a725d1747cfeba27b12 --wait
    """
    stopped = session.platform.operations.cancel(operation, key=key).data
    if wait and stopped["status"] == RUNNING:
        stopped = wait_for(session.platform, operation, timeout)
    show_operation(session, stopped)
    if wait and stopped["status"] == RUNNING:
        say("It has not stopped yet.")
        click.get_current_context().exit(ExitCode.STILL_RUNNING)


@operations.command()
@click.argument("operation", type=OPERATION)
@click.argument("step", type=WORD)
@repeatable
@waited
@with_session
def retry(session: Session, /, operation: str, step: str, key: str, wait: bool, timeout: float) -> None:
    """Run one failed step again.

    \b
    Examples:
      platformctl operations retry 6b058a725d1747cfeba27b12 stalwart --wait
    """
    found = session.platform.operations.retry(operation, step, key=key).data
    finish_operation(session, found, wait, timeout)


@click.group(cls=Group)
def bulk() -> None:
    """Retry, reconcile or cancel for many tenants.

    A dry run finds the tenants. The run acts on just those, at a limited rate.
    """


def _bulk_command(action: str, text: str, examples: list[str]) -> None:
    """Add a command for one action: a dry run, a question, the start, and the wait."""

    @bulk.command(action, help=explain(text, examples))
    @click.argument("slugs", type=SLUG, nargs=-1)
    @selected("Such as problem=failed,integration=stalwart,reason=quota.")
    @click.option("--everything", is_flag=True, help="All tenants that you may change.")
    @click.option("--dry-run", is_flag=True, help="Change nothing; show the tenants it would be done for.")
    @confirmed
    @waited
    @with_session
    def run(
        session: Session,
        /,
        slugs: tuple[str, ...],
        selector: dict[str, str],
        everything: bool,
        dry_run: bool,
        yes: bool,
        wait: bool,
        timeout: float,
    ) -> None:
        if not (slugs or selector or everything):
            raise click.UsageError("Say for which tenants: slugs, --selector, or --everything.")
        criteria: Any = merge(selector, given({"tenants": slugs, "everything": everything or None}))
        platform = session.platform
        found = platform.bulk_operations.dry_run(action, criteria).data
        if dry_run or not found["total"]:
            print_bulk(session, found)
            return
        if not session.out.is_data and not yes:
            print_bulk(session, found)
        require_yes(session, yes, f"{action} {found['total']} tenants")
        found = platform.bulk_operations.start(found["id"]).data
        if wait:
            found = platform.bulk_operations.wait(found["id"], timeout, print_progress)
        print_bulk(session, found)
        if wait:
            end_with_bulk(found)


_bulk_command(
    "retry",
    "Run the failed steps of tenants' latest operations again.",
    ["bulk retry --selector problem=failed,integration=stalwart --dry-run", "bulk retry acme globex --yes --wait"],
)
_bulk_command("reconcile", "Run every step of tenants again.", ["bulk reconcile --selector drift=any --yes --wait"])
_bulk_command("cancel", "Stop tenants' open operations.", ["bulk cancel --selector problem=overdue"])


@bulk.command("show")
@click.argument("bulk_id", metavar="ID", type=BULK_OPERATION)
@with_session
def show_bulk(session: Session, /, bulk_id: str) -> None:
    """Show the progress of a bulk operation.

    \b
    Examples:
      platformctl bulk show 6b058a725d1747cfeba27b12
    """
    print_bulk(session, session.platform.bulk_operations.get(bulk_id).data)


@bulk.command("stop")
@click.argument("bulk_id", metavar="ID", type=BULK_OPERATION)
@repeatable
@with_session
def stop_bulk(session: Session, /, bulk_id: str, key: str) -> None:
    """End a bulk operation for good. What it has begun goes on; other tenants are skipped.

    \b
    Examples:
      platformctl bulk stop 6b058a725d1747cfeba27b12
    """
    print_bulk(session, session.platform.bulk_operations.stop(bulk_id, key=key).data)
