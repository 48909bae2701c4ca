"""`platformctl tenants pause` and `unpause`: nothing is done for the tenant meanwhile."""

from __future__ import annotations

import click

from platformctl.commands.options import Word, repeatable
from platformctl.session import Session, with_session


@click.command()
@click.argument("slug", type=Word())
@click.option("--reason", required=True, help="Why; shown on every step that waits for it.")
@repeatable
@with_session
def pause(session: Session, /, slug: str, reason: str, key: str) -> None:
    """Let no step of a tenant's operations begin; the tenant's people notice nothing.

    \b
    Examples:
      platformctl tenants pause acme --reason "moved by hand this week"
    """
    session.out.answer(session.api.post(f"/tenants/{slug}/pause", {"reason": reason}, key=key))


@click.command()
@click.argument("slug", type=Word())
@repeatable
@with_session
def unpause(session: Session, /, slug: str, key: str) -> None:
    """Let a tenant's steps go on.

    \b
    Examples:
      platformctl tenants unpause acme
    """
    session.out.answer(session.api.post(f"/tenants/{slug}/unpause", key=key))


PAUSES = (pause, unpause)
