"""`platformctl orphans`: scan for, show and remove objects with our marker that belong to no living tenant."""

from __future__ import annotations

import click

from platformctl.cli.groups import Group
from platformctl.cli.options import confirmed, given, listed, paged, repeatable, require_yes
from platformctl.cli.types import INTEGRATION, ORPHAN
from platformctl.output import Column
from platformctl.session import Session, with_session

COLUMNS = (
    Column("id", "_id"),
    Column("integration", "integration"),
    Column("kind", "kind"),
    Column("name", "name"),
    Column("status", "status"),
    Column("age", "firstSeenAt"),
    Column("cause", "cause", wide=True),
    Column("tenant id", "tenantId", wide=True),
    Column("last seen", "lastSeenAt", wide=True),
)
SCANS = (
    Column("integration", "integration"),
    Column("scanned", "doneAt"),
    Column("next", "nextLookAt"),
    Column("marked", "stamped"),
    Column("orphans", "orphans"),
    Column("stopped by", "reason"),
    Column("remedy", "remedy", wide=True),
)


@click.group(cls=Group)
def orphans() -> None:
    """Show and remove outside objects of no living tenant.

    They carry our ownership marker.
    """


@orphans.command("list")
@click.option("--integration", type=INTEGRATION, help="Only those of this integration.")
@click.option("--status", help="quarantined, removable, removing, removed, kept or gone.")
@paged
@with_session
def list_orphans(session: Session, /, limit: int | None, integration: str | None, status: str | None) -> None:
    """List orphans, newest first.

    \b
    Examples:
      platformctl orphans list --status removable
      platformctl orphans list --integration ocis --all -o json
    """
    filters = given({"integration": integration, "status": status})
    session.out.records(listed(session.platform.orphans.list(limit, **filters), limit), COLUMNS)


@orphans.command()
@click.argument("orphan", type=ORPHAN)
@with_session
def show(session: Session, /, orphan: str) -> None:
    """Show one orphan: why it is one, and the state of its removal.

    \b
    Examples:
      platformctl orphans show 6b058a725d1747cfeba27b12
    """
    session.out.record(session.platform.orphans.get(orphan).data)


@orphans.command()
@with_session
def scans(session: Session, /) -> None:
    """Show the latest scan of each integration, and why one stopped.

    \b
    Examples:
      platformctl orphans scans
    """
    session.out.records(session.platform.orphans.scans(), SCANS)


@orphans.command()
@repeatable
@with_session
def scan(session: Session, /, key: str) -> None:
    """Scan every integration for orphans as soon as possible.

    \b
    Examples:
      platformctl orphans scan
    """
    session.out.records(session.platform.orphans.scan(key=key).data, SCANS)


@orphans.command()
@click.argument("orphan", type=ORPHAN)
@confirmed
@with_session
def remove(session: Session, /, orphan: str, yes: bool) -> None:
    """Remove an orphan with everything in it. Nothing brings it back.

    \b
    Examples:
      platformctl orphans remove 6b058a725d1747cfeba27b12
    """
    known = session.platform.orphans.get(orphan).data
    kind = known["kind"].replace("_", " ")
    require_yes(session, yes, f"remove the {kind} {known['name']} and everything in it for good")
    session.out.response(session.platform.orphans.remove(orphan))
