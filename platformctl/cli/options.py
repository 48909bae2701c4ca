"""Options that several commands share, confirmation questions, and request bodies from options."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from typing import Any, TypeVar

import click

from client import new_key
from platformctl.cli.types import HeaderText, Pairs
from platformctl.output import say
from platformctl.session import Session

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_LIMIT = 50
#: parameters of the client beside its filters
NOT_FILTERS = frozenset({"limit", "cursor", "last", "interrupted"})
DEFAULT_WAIT = 900.0


def paged(command: F) -> F:
    """Add `limit`, the largest number of records to list; None for all."""

    def unlimited(context: click.Context, _: click.Parameter, everything: bool) -> None:
        if everything:
            context.params["limit"] = None

    command = click.option("--all", is_flag=True, expose_value=False, callback=unlimited, help="List all of them.")(
        command
    )
    return click.option(
        "--limit",
        type=click.IntRange(min=1),
        default=DEFAULT_LIMIT,
        show_default=True,
        is_eager=True,
        help="Maximum number of records.",
    )(command)


def selected(help: str) -> Callable[[F], F]:
    """Add `selector`, a dictionary of filters of the API."""

    def merged(_: click.Context, __: click.Parameter, values: tuple[dict[str, str], ...]) -> dict[str, str]:
        return reduce(merge, values, {})

    return click.option("-l", "--selector", type=Pairs(), multiple=True, callback=merged, help=help)


def filters_of(options: Mapping[str, Any], selector: Mapping[str, str]) -> dict[str, Any]:
    """Return the filters of a list from its options and selector. Raises click.UsageError for NOT_FILTERS."""
    if found := sorted(NOT_FILTERS & selector.keys()):
        raise click.UsageError(f"{', '.join(found)}: not a filter; use --limit N or --all.")
    return merge(options, selector)


def merge(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return both sets of filters. Raises click.UsageError for a filter in both."""
    if both := sorted(first.keys() & second.keys()):
        raise click.UsageError(f"The filter {', '.join(both)} is given more than once.")
    return {**first, **second}


def timeout(command: F) -> F:
    return click.option(
        "--timeout",
        type=click.FloatRange(min=0),
        default=DEFAULT_WAIT,
        show_default=True,
        metavar="SECONDS",
        help="Wait so long at most; exit code 6 if it still runs then.",
    )(command)


def waited(command: F) -> F:
    """Add `wait` and `timeout`."""
    return timeout(click.option("--wait", is_flag=True, help="Wait until the operation has ended.")(command))


def repeatable(command: F) -> F:
    """Add `key`, the idempotency key; a new one unless given."""
    return click.option(
        "--idempotency-key",
        "key",
        type=HeaderText(),
        default=new_key,
        metavar="KEY",
        help="Repeat an earlier request by its key: it happens once. Default: a new key.",
    )(command)


def conditional(command: F) -> F:
    return click.option(
        "--if-match",
        type=HeaderText(),
        metavar="ETAG",
        help="Change it only if it is unchanged since: the version or etag that `show` prints.",
    )(command)


def confirmed(command: F) -> F:
    return click.option("--yes", is_flag=True, help="Do not ask.")(command)


def require_yes(session: Session, yes: bool, action: str) -> None:
    """Ask for confirmation of `action`; scripts must pass --yes. Raises click.UsageError without confirmation."""
    place = session.place
    if yes:
        say(f"On {place}: {action}.")
        return
    _require_terminal(action)
    try:
        is_sure = click.confirm(f"On {place}: really {action}?", err=True)
    except click.Abort:
        is_sure = False
    if not is_sure:
        raise click.UsageError("Nothing was done.")


def require_slug(session: Session, yes: bool, slug: str, action: str) -> None:
    """Ask the person to type the slug of the record to delete. Raises click.UsageError without it or --yes."""
    place = session.place
    if yes:
        say(f"On {place}: {action}.")
        return
    _require_terminal(action)
    try:
        typed = click.prompt(f"On {place}: to {action}, type {slug} again", default="", show_default=False, err=True)
    except click.Abort:
        typed = ""
    if typed.strip() != slug:
        raise click.UsageError("That is not the slug; nothing was done.")


def listed(records: Iterator[Any], limit: int | None) -> list[Any]:
    """Read a list, and print a hint when there may be more records."""
    found = list(records)
    if limit is not None and len(found) == limit:
        say(f"The first {limit}; there may be more: --limit N or --all.")
    return found


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given fields: those that are neither None nor an empty tuple."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in fields.items()
        if value is not None and value != ()
    }


def _require_terminal(action: str) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError(f"Add --yes to {action} without being asked.")
