"""`platformctl observe-only`: nothing is changed outside until an operator ends it, as after a restore."""

from __future__ import annotations

import click

from platformctl.commands.groups import Group
from platformctl.commands.options import confirmed, repeatable, require_yes
from platformctl.session import Session, with_session


@click.group("observe-only", cls=Group)
def observe_only() -> None:
    """Change nothing outside: plans and looks go on, everything else is accepted and waits."""


@observe_only.command()
@with_session
def show(session: Session, /) -> None:
    """Show whether the platform only observes, why and since when.

    \b
    Examples:
      platformctl observe-only show
    """
    session.out.record(session.api.get("/observe-only").body)


@observe_only.command()
@click.option("--reason", required=True, help="Why; shown on every step that waits for it.")
@repeatable
@with_session
def on(session: Session, /, reason: str, key: str) -> None:
    """Change nothing outside from now on.

    \b
    Examples:
      platformctl observe-only on --reason "the backup of Monday is being restored"
    """
    session.out.answer(session.api.post("/observe-only", {"reason": reason}, key=key))


@observe_only.command()
@confirmed
@with_session
def off(session: Session, /, yes: bool) -> None:
    """Go on: what has waited begins, and all tenants and products are looked at.

    \b
    Examples:
      platformctl observe-only off
    """
    require_yes(yes, "let everything that waits begin")
    session.out.answer(session.api.delete("/observe-only"))
