"""Options that several commands share, and how their values become parts of a request."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import click

from platformctl.api import Record, new_key
from platformctl.output import say
from platformctl.session import Session

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_LIMIT = 50
DEFAULT_WAIT = 900.0

#: field to (whether to empty it, what empties it)
Cleared = Mapping[str, tuple[bool, Any]]


def paged(command: F) -> F:
    """`limit`: the most records to list; None for all."""
    command = click.option("--all", "everything", is_flag=True, help="List all of them.")(command)
    return click.option(
        "--limit", type=click.IntRange(min=1), default=DEFAULT_LIMIT, show_default=True, help="List so many at most."
    )(command)


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
    """`wait` and `timeout`."""
    return timeout(click.option("--wait", is_flag=True, help="Wait until the operation has ended.")(command))


def repeatable(command: F) -> F:
    """`key`: the Idempotency-Key, a new one unless given."""
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
        help="Change it only if it is still so: the version or etag that `show` tells.",
    )(command)


def confirmed(command: F) -> F:
    return click.option("--yes", is_flag=True, help="Do not ask.")(command)


def require_yes(yes: bool, what: str) -> None:
    """Ask a person; a script must have said it. Raises click.UsageError without a yes."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"Add --yes to {what} without being asked.")
    try:
        is_sure = click.confirm(f"Really {what}?", err=True)
    except click.Abort:
        is_sure = False
    if not is_sure:
        raise click.UsageError("Nothing was done.")


def require_slug(yes: bool, slug: str, what: str) -> None:
    """Have a person type the slug of what they are about to lose; a script must have said yes.

    Raises click.UsageError otherwise.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"Add --yes to {what} without being asked.")
    try:
        typed = click.prompt(f"To {what}, type {slug} again", default="", show_default=False, err=True)
    except click.Abort:
        typed = ""
    if typed.strip() != slug:
        raise click.UsageError("That is not the slug; nothing was done.")


def limit_of(limit: int, everything: bool) -> int | None:
    return None if everything else limit


def list_records(session: Session, path: str, params: Record, limit: int | None) -> list[Record]:
    """The records of a list; tells the person when there may be more."""
    found = list(session.api.records(path, params, limit))
    if limit is not None and len(found) == limit:
        say(f"The first {limit}; there may be more: --limit N or --all.")
    return found


def given(**fields: Any) -> Record:
    """The fields somebody gave; what is None or an empty list was not given."""
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in fields.items() if _is_given(value)
    }


def changes(cleared: Cleared, **fields: Any) -> Record:
    """A PATCH body: fields given, and the `cleared` ones. Raises UsageError when there is none, or one is both."""
    body, emptied = given(**fields), {name: empty for name, (flag, empty) in cleared.items() if flag}
    if both := sorted(set(body) & set(emptied)):
        raise click.UsageError(f"Give {', '.join(both)} or empty it, not both.")
    body |= emptied
    if not body:
        raise click.UsageError("Say what to change; --help lists what can be.")
    return body


class HeaderText(click.ParamType[str]):
    """What a header can hold as it is: printable ASCII, no blanks around it."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch("[!-~]([ -~]*[!-~])?", value):
            self.fail(f"{value!r} is not a text of plain letters, digits and signs", param, ctx)
        return value


class Word(click.ParamType[str]):
    """A slug or an id that becomes part of an address, and so must not lead elsewhere."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", value):
            self.fail(f"{value!r} is neither a slug nor an id", param, ctx)
        return value


class Domain(click.ParamType[str]):
    """A domain name, in letters or A-labels, ready to be a part of an address."""

    name = "domain"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch(r"[\w-]+(\.[\w-]+)+\.?", value):
            self.fail(f"{value!r} is not a domain name", param, ctx)
        return quote(value.removesuffix("."))


class JsonFile(click.ParamType[Record]):
    """A file with a JSON object; `-` is standard input."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Record:
        try:
            parsed = json.loads(sys.stdin.read() if value == "-" else Path(value).read_text())
        except OSError as problem:
            self.fail(f"{value} cannot be read: {problem.strerror}", param, ctx)
        except ValueError:
            self.fail(f"{value} does not hold JSON", param, ctx)
        if not isinstance(parsed, dict):
            self.fail(f"{value} does not hold a JSON object", param, ctx)
        return parsed


def tenant_id(session: Session, slug: str) -> str:
    """Records point at tenants by id; people know them by slug."""
    return str(session.api.get(f"/tenants/{slug}").body["_id"])


def _is_given(value: Any) -> bool:
    return value is not None and value != ()
