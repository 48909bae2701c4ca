"""`platformctl integrations`, `observe-only` and `purges`: pause and resume work, and limit automatic purges."""

from __future__ import annotations

import click

from platformctl.cli.groups import Group
from platformctl.cli.options import confirmed, repeatable, require_yes
from platformctl.cli.types import INTEGRATION, Sentence
from platformctl.output import Column
from platformctl.session import Session, with_session

COLUMNS = (
    Column("name", "name"),
    Column("paused", "paused"),
    Column("since", "pause.since"),
    Column("why", "pause.reason"),
    Column("breaker", "breaker.state"),
    Column("failures", "breaker.failures"),
    Column("until", "breaker.openUntil"),
    Column("cause", "breaker.reason"),
)


@click.group(cls=Group)
def integrations() -> None:
    """List integrations and their breakers; pause and resume."""


@integrations.command("list")
@with_session
def list_integrations(session: Session, /) -> None:
    """List integrations, their pauses and circuit breakers.

    \b
    Examples:
      platformctl integrations list
    """
    session.out.records(session.platform.integrations.list(), COLUMNS)


@integrations.command()
@click.argument("integration", type=INTEGRATION)
@click.option("--reason", type=Sentence(), required=True, help="The reason; it is shown on every deferred step.")
@repeatable
@with_session
def pause(session: Session, /, integration: str, reason: str, key: str) -> None:
    """Start no step of an integration; `all`: of any. Running steps end, waiting ones lose no time.

    \b
    Examples:
      platformctl integrations pause stalwart --reason "upgrade to 0.17"
    """
    session.out.response(session.platform.integrations.pause(integration, reason, key=key))


@integrations.command()
@click.argument("integration", type=INTEGRATION)
@repeatable
@with_session
def resume(session: Session, /, integration: str, key: str) -> None:
    """Resume steps; an open circuit breaker allows a probe at once.

    \b
    Examples:
      platformctl integrations resume stalwart
    """
    session.out.response(session.platform.integrations.resume(integration, key=key))


@click.group("observe-only", cls=Group)
def observe_only() -> None:
    """Switch observe-only mode, which changes nothing outside.

    Dry runs and checks go on. Everything else is accepted and waits.
    """


@observe_only.command("show")
@with_session
def show_mode(session: Session, /) -> None:
    """Show whether observe-only mode is on, why and since when.

    \b
    Examples:
      platformctl observe-only show
    """
    session.out.record(session.platform.observe_only.get().data)


@observe_only.command()
@click.option("--reason", type=Sentence(), required=True, help="The reason; it is shown on every deferred step.")
@repeatable
@with_session
def on(session: Session, /, reason: str, key: str) -> None:
    """Change nothing outside from now on.

    \b
    Examples:
      platformctl observe-only on --reason "the backup of Monday is being restored"
    """
    session.out.response(session.platform.observe_only.start(reason, key=key))


@observe_only.command()
@confirmed
@with_session
def off(session: Session, /, yes: bool) -> None:
    """End observe-only mode.

    Steps that wait begin, and all tenants and products are checked.

    \b
    Examples:
      platformctl observe-only off
    """
    require_yes(session, yes, "let every step that waits begin")
    session.out.response(session.platform.observe_only.end())


@click.group(cls=Group)
def purges() -> None:
    """Show and raise the daily quota of automatic purges."""


@purges.command("show")
@with_session
def show_quota(session: Session, /) -> None:
    """Show how many purges began in the last day, and how many wait.

    \b
    Examples:
      platformctl purges show
    """
    session.out.record(session.platform.purges.get().data)


@purges.command()
@click.argument("count", type=click.IntRange(1, 1000))
@confirmed
@repeatable
@with_session
def allow(session: Session, /, count: int, yes: bool, key: str) -> None:
    """Allow more purges than the quota. Their data cannot be restored.

    \b
    Examples:
      platformctl purges allow 20
    """
    require_yes(session, yes, f"let {count} more tenants be removed for good")
    session.out.response(session.platform.purges.allow(count, key=key))


SWITCHES = (integrations, observe_only, purges)
