"""`platformctl purges`: removals of deleted tenants that begin by themselves; how many wait, and the word for more."""

from __future__ import annotations

import click

from platformctl.commands.groups import Group
from platformctl.commands.options import confirmed, repeatable, require_yes
from platformctl.session import Session, with_session


@click.group(cls=Group)
def purges() -> None:
    """Removals of deleted tenants that begin by themselves, so many a day."""


@purges.command()
@with_session
def show(session: Session, /) -> None:
    """Show how many have begun in the last day, and how many wait.

    \b
    Examples:
      platformctl purges show
    """
    session.out.record(session.api.get("/purges").body)


@purges.command()
@click.argument("count", type=click.IntRange(1, 1000))
@confirmed
@repeatable
@with_session
def allow(session: Session, /, count: int, yes: bool, key: str) -> None:
    """Let so many more begin by themselves, beyond the day's. Nothing brings those tenants' data back.

    \b
    Examples:
      platformctl purges allow 20
    """
    require_yes(yes, f"let {count} more tenants be removed for good")
    session.out.answer(session.api.post("/purges/allow", {"count": count}, key=key))
