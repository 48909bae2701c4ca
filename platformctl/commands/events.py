"""`platformctl events`: the log of every change, read back or followed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NoReturn

import click

from platformctl.api import LARGEST_PAGE, Api, Record
from platformctl.commands.groups import Command
from platformctl.commands.options import given, limit_of, list_records, paged
from platformctl.failures import Unreachable
from platformctl.output import plain, say
from platformctl.session import Session, with_session

COLUMNS = (("time", "time"), ("tenant", "tenant"), ("action", "action"), ("actor", "actor"), ("after", "after"))
PAUSE = 2.0


@click.command(cls=Command)
@click.option("--tenant", metavar="SLUG", help="Of this tenant only.")
@click.option("--follow", is_flag=True, help="Go on with new ones as they happen, oldest first, until Ctrl-C.")
@paged
@with_session
def events(session: Session, /, tenant: str | None, follow: bool, limit: int, everything: bool) -> None:
    """List events, newest first; or follow them. With --follow and JSON: one object to a line.

    \b
    Examples:
      platformctl events --tenant acme --limit 20
      platformctl events --follow --output json | jq -c 'select(.action == "operation.failed")'
    """
    params = given(tenant=tenant)
    if follow:
        _follow(session, params, min(limit, LARGEST_PAGE))
    session.out.records(list_records(session, "/events", params, limit_of(limit, everything)), COLUMNS)


def _follow(session: Session, params: Record, last: int) -> NoReturn:
    """Ctrl-C is how this is meant to end."""
    try:
        for event in _endless(session.api, params, last):
            session.out.line(event, "  ".join(plain(event.get(field)) for _, field in COLUMNS))
    except KeyboardInterrupt:
        pass
    click.get_current_context().exit(0)


def _endless(api: Api, params: Record, last: int) -> Iterator[Record]:
    """The last so many, and then every new one."""
    answer = api.get("/events", {**params, "limit": last})
    yield from reversed(answer.body)
    newer = answer.links["prev"]
    while True:
        try:
            answer = api.get(newer)
        except Unreachable as problem:
            say(f"{problem.message} Trying again.")
            time.sleep(PAUSE)
            continue
        yield from answer.body
        newer = answer.links["next"]
        if not answer.body:
            time.sleep(PAUSE)
