"""`platformctl webhooks` once there is one: try it out, see what became of each event, send one again."""

from __future__ import annotations

import click

from platformctl.commands.groups import Command
from platformctl.commands.options import Word, given, limit_of, list_records, paged, repeatable
from platformctl.failures import ExitCode
from platformctl.session import Session, with_session

COLUMNS = (
    ("id", "id"),
    ("action", "action"),
    ("status", "status"),
    ("attempts", "attempts"),
    ("answered", "responseStatus"),
    ("message", "message"),
    ("created", "createdAt"),
    ("sent next", "dueAt"),
)
#: the API holds its answer to a ping no longer than this; our own patience for an answer is longer
LONGEST_WAIT = 20.0
ENDS = {"delivered": ExitCode.OK, "failed": ExitCode.OPERATION_FAILED, "pending": ExitCode.STILL_RUNNING}


@click.command(cls=Command)
@click.argument("webhook", type=Word())
@click.option(
    "--timeout",
    type=click.FloatRange(0, LONGEST_WAIT),
    default=LONGEST_WAIT,
    show_default=True,
    metavar="SECONDS",
    help="Wait so long at most; exit code 6 if it is still to be sent then.",
)
@repeatable
@with_session
def test(session: Session, /, webhook: str, timeout: float, key: str) -> None:
    """Send a ping, once, and wait for what becomes of it. Exit code 1 when it did not get through.

    \b
    Examples:
      platformctl webhooks test 6b058a725d1747cfeba27b12
    """
    sent = session.api.post(f"/webhooks/{webhook}/test", params={"wait": timeout}, key=key).body
    session.out.record(sent)
    click.get_current_context().exit(ENDS.get(sent["status"], ExitCode.STILL_RUNNING))


@click.command(cls=Command)
@click.argument("webhook", type=Word())
@click.option("--status", type=click.Choice(list(ENDS)))
@paged
@with_session
def deliveries(session: Session, /, webhook: str, status: str | None, limit: int, everything: bool) -> None:
    """List what became of each event, newest first.

    \b
    Examples:
      platformctl webhooks deliveries 6b058a725d1747cfeba27b12 --status failed
    """
    path = f"/webhooks/{webhook}/deliveries"
    session.out.records(list_records(session, path, given(status=status), limit_of(limit, everything)), COLUMNS)


@click.command(cls=Command)
@click.argument("webhook", type=Word())
@click.argument("delivery", type=Word())
@repeatable
@with_session
def replay(session: Session, /, webhook: str, delivery: str, key: str) -> None:
    """Send an event again, now, under its own id.

    \b
    Examples:
      platformctl webhooks replay 6b058a725d1747cfeba27b12 6b07702fc5f2455994dd194a
    """
    session.out.record(session.api.post(f"/webhooks/{webhook}/deliveries/{delivery}/replay", key=key).body)


DELIVERIES = (test, deliveries, replay)
