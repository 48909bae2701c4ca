"""What a command prints: its result on stdout, as tables or JSON; everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from platformctl.api import Answer
from platformctl.failures import printable

Record = Mapping[str, Any]
#: heading and field; a field may be dotted
Columns = Sequence[tuple[str, str]]

GOOD, BAD, BUSY = "green", "red", "yellow"
STYLES = {
    "status": {
        "ok": GOOD, "active": GOOD, "succeeded": GOOD, "delivered": GOOD,
        "error": BAD, "failed": BAD, "deleted": BAD, "past_due": BAD, "canceled": BAD,
        "pending": BUSY, "running": BUSY, "suspended": BUSY, "cancelled": BUSY,
    },
    "health": {"ok": GOOD, "degraded": BAD},
    "state": {"verified": GOOD, "degraded": BAD, "failed": BAD, "unverified": BUSY},
    "presence": {"ok": GOOD, "missing": BAD, "different": BAD},
}  # fmt: skip
#: so wide that a table for a file or a pipe is never cut
UNLIMITED = 10_000


class Screen(Console):
    """Lets the program know that nobody reads any more; by itself it would end it as a failure."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def console(*, err: bool = False) -> Console:
    """Nothing in a text is markup: it is somebody else's."""
    made = Screen(stderr=err, markup=False, highlight=False, emoji=False)
    if not made.is_terminal:
        made.width = UNLIMITED
    return made


class Output:
    """Either way of printing results."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def records(self, records: Iterable[Record], columns: Columns) -> None:
        """A list; with JSON an array of the whole records."""
        found = list(records)
        if self.as_json:
            self._json(found)
        elif found:
            console().print(table_of(found, columns))
        else:
            say("Nothing found.")

    def record(self, record: Record, hide: Sequence[str] = ()) -> None:
        """One record, a row for each field, lists of records as tables of their own below."""
        if self.as_json:
            self._json(record)
            return
        shown = {name: value for name, value in record.items() if name not in hide}
        tables = {name: value for name, value in shown.items() if _is_table(value)}
        console().print(_fields({name: value for name, value in shown.items() if name not in tables}))
        for name, rows in tables.items():
            columns = [(key, key) for key in dict.fromkeys(key for row in rows for key in row)]
            console().print(Text(f"\n{printable(name)}", style="bold"))
            console().print(table_of(rows, columns))

    def answer(self, answer: Answer, hide: Sequence[str] = ()) -> None:
        """A single record with its ETag, for --if-match, as one more field where it has one."""
        etag = answer.headers.get("ETag")
        self.record(answer.body | ({"etag": etag.strip('"')} if etag else {}), hide)

    def line(self, record: Record, text: str) -> None:
        """One of a stream: with JSON an object to a line, handed on at once."""
        click.echo(json.dumps(record) if self.as_json else printable(text))
        sys.stdout.flush()

    def _json(self, value: Any) -> None:
        click.echo(json.dumps(value, indent=2))


def say(text: str) -> None:
    """To the person, on stderr: progress, hints, what was done."""
    for line in text.splitlines():
        click.echo(printable(line), err=True)


def table_of(records: Iterable[Record], columns: Columns) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading, _ in columns:
        table.add_column(heading.upper(), overflow="fold")
    for record in records:
        table.add_row(*(_cell(field, value_at(record, field)) for _, field in columns))
    return table


def value_at(record: Record, field: str) -> Any:
    """By a dotted name; None when any part is absent."""
    found: Any = record
    for name in field.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def plain(value: Any) -> str:
    """A value as a person reads it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(plain(one) for one in value) if _is_table(value) else ", ".join(map(plain, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {plain(one)}" for name, one in value.items() if one not in (None, "", []))
    return printable(str(value))


def _cell(field: str, value: Any) -> Text:
    styles = STYLES.get(field.rpartition(".")[2], {})
    return Text(plain(value), style=styles.get(value, "") if isinstance(value, str) else "")


def _fields(record: Record) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _flat(record):
        table.add_row(Text(printable(name)), _cell(name, value))
    return table


def _flat(record: Record, prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in record.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) for one in value)
