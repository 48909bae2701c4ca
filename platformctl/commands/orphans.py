"""`platformctl orphans`: what is left outside and belongs to no living tenant; looked for, shown, removed."""

from __future__ import annotations

import click

from platformctl.commands.groups import Group
from platformctl.commands.options import (
    Word,
    confirmed,
    given,
    limit_of,
    list_records,
    paged,
    repeatable,
    require_yes,
)
from platformctl.session import Session, with_session

COLUMNS = (
    ("id", "_id"),
    ("integration", "integration"),
    ("kind", "kind"),
    ("name", "name"),
    ("tenant id", "tenantId"),
    ("cause", "cause"),
    ("status", "status"),
    ("first seen", "firstSeenAt"),
    ("last seen", "lastSeenAt"),
)
LOOKS = (
    ("integration", "integration"),
    ("looked through", "doneAt"),
    ("next look", "nextLookAt"),
    ("with a mark", "stamped"),
    ("orphans", "orphans"),
    ("stopped by", "reason"),
    ("what to do", "remedy"),
)


@click.group(cls=Group)
def orphans() -> None:
    """Objects outside that carry our mark and belong to no living tenant."""


@orphans.command("list")
@click.option("--integration", type=Word(), help="Only of this one.")
@click.option("--status", type=Word(), help="quarantined, removable, removing, removed, kept or gone.")
@paged
@with_session
def list_orphans(
    session: Session, /, integration: str | None, status: str | None, limit: int, everything: bool
) -> None:
    """List orphans, newest first.

    \b
    Examples:
      platformctl orphans list --status removable
      platformctl orphans list --integration ocis --all -o json
    """
    found = list_records(
        session, "/orphans", given(integration=integration, status=status), limit_of(limit, everything)
    )
    session.out.records(found, COLUMNS)


@orphans.command()
@click.argument("orphan_id", metavar="ID", type=Word())
@with_session
def show(session: Session, /, orphan_id: str) -> None:
    """Show one orphan: why it is one, and how its removal stands.

    \b
    Examples:
      platformctl orphans show 6b058a725d1747cfeba27b12
    """
    session.out.record(session.api.get(f"/orphans/{orphan_id}").body)


@orphans.command()
@with_session
def looks(session: Session, /) -> None:
    """Show when each integration was last looked through, and what stopped a look.

    \b
    Examples:
      platformctl orphans looks
    """
    session.out.records(session.api.get("/orphans/looks").body, LOOKS)


@orphans.command()
@repeatable
@with_session
def look(session: Session, /, key: str) -> None:
    """Have every integration looked through now; a sweep does it.

    \b
    Examples:
      platformctl orphans look
    """
    session.out.records(session.api.post("/orphans/look", key=key).body, LOOKS)


@orphans.command()
@click.argument("orphan_id", metavar="ID", type=Word())
@confirmed
@with_session
def remove(session: Session, /, orphan_id: str, yes: bool) -> None:
    """Remove an orphan with all that is in it. Nothing brings it back.

    \b
    Examples:
      platformctl orphans remove 6b058a725d1747cfeba27b12
    """
    known = session.api.get(f"/orphans/{orphan_id}").body
    require_yes(yes, f"remove the {known['kind'].replace('_', ' ')} {known['name']} and all that is in it for good")
    session.out.answer(session.api.delete(f"/orphans/{orphan_id}"))
