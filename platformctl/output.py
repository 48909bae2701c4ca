"""Print a command's result on stdout, as a table, JSON, YAML or names; everything else goes to stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from client import Response
from platformctl.data import as_json, as_yaml
from platformctl.failures import printable
from platformctl.names import Names
from platformctl.text import Record, cell, colour, columns, flat, is_table, line, translate_value, value_at

#: fields with ids, and the kind of record that they refer to
IDS = {
    **dict.fromkeys(("tenantId", "tenantIds", "roles"), "tenant"),
    "partnerId": "partner",
    **dict.fromkeys(("requestedBy", "actor", "by", "askedBy", "startedBy"), "user"),
}
#: fields that identify a record, the best first
NAMES = ("slug", "domain", "_id", "id", "name", "integration")


@dataclass(frozen=True)
class Column:
    """One column. `of`: a field name, which may be dotted, or a function. `wide`: shown only with -o wide."""

    heading: str
    of: str | Callable[[Record], Any]
    wide: bool = False

    @property
    def field(self) -> str:
        return self.of if isinstance(self.of, str) else self.heading.lower()

    def value(self, record: Record) -> Any:
        return value_at(record, self.of) if isinstance(self.of, str) else self.of(record)


class Output:
    """Print results in the chosen format. `names` is called when a table needs a name for an id."""

    def __init__(self, output: str, names: Callable[[], Names]) -> None:
        self.format = output
        self._names = names

    @property
    def is_data(self) -> bool:
        """Return whether the output is for a program: complete records and no sentences."""
        return self.format in ("json", "yaml", "name")

    def records(self, records: Iterable[Record], shown: Sequence[Column]) -> None:
        """Print a list."""
        found = list(records)
        if self.is_data:
            self.data(found)
        elif found:
            self.table(found, shown)
        else:
            say("Nothing found.")

    def table(self, records: Iterable[Record], shown: Sequence[Column]) -> None:
        chosen = [column for column in shown if self.format == "wide" or not column.wide]
        found = list(records)
        self._learn_names(chosen, found)
        rows = [[cell(one.field, one.value(record), self.translate) for one in chosen] for record in found]
        for text in columns([one.heading for one in chosen], [one.field for one in chosen], rows):
            click.echo(text)

    def record(self, record: Record, hide: Sequence[str] = ()) -> None:
        """Print one record, one line per field, and its lists of records as tables below."""
        if self.is_data:
            self.data(record)
            return
        shown = {name: value for name, value in record.items() if name not in hide}
        tables = {name: value for name, value in shown.items() if is_table(value)}
        self.fields({name: value for name, value in shown.items() if name not in tables})
        for name, rows in tables.items():
            click.echo(f"\n{click.style(printable(name), bold=True)}")
            keys = dict.fromkeys(key for row in rows for key in row)
            self.table(rows, [Column(key, key) for key in keys])

    def fields(self, record: Record) -> None:
        """Print each field that is not empty on its own line."""
        named = {name: translate_value(name, value, self.translate) for name, value in record.items()}
        present = ((name, value) for name, value in flat(named) if value not in (None, "", [], {}))
        lines = [(name, line(name.rpartition(".")[2], value, self.translate)) for name, value in present]
        width = max((len(name) for name, _ in lines), default=0)
        for name, text in lines:
            label = click.style(printable(name).ljust(width), bold=True)
            click.echo(f"{label}   {colour(name, text)}")

    def response(self, response: Response[Any]) -> None:
        """Print a single record with its ETag, for --if-match, as one more field."""
        self.record(with_etag(response))

    def line(self, record: Record, text: str) -> None:
        """Print one record of a stream immediately; with JSON as an object on one line."""
        if self.format == "yaml":
            click.echo(f"---\n{as_yaml(record)}")
        else:
            click.echo(as_json(record, None) if self.format == "json" else printable(text))
        sys.stdout.flush()

    def data(self, value: Any) -> None:
        """Print complete records in the format for programs. `name`: identifies a record for other commands."""
        if self.format == "name":
            for record in value if isinstance(value, list) else [value]:
                click.echo(printable(name_of(record)))
        else:
            click.echo(as_yaml(value) if self.format == "yaml" else as_json(value))

    def translate(self, field: str, value: str) -> str:
        """Return the name for an id, for fields that hold ids."""
        kind = IDS.get(field.rpartition(".")[2])
        if kind is None:
            return value
        found: str = getattr(self._names(), kind)(value)
        return found

    def _learn_names(self, shown: Sequence[Column], records: Sequence[Record]) -> None:
        """Read the names for all ids of a table at once."""
        for column in shown:
            kind = IDS.get(column.field.rpartition(".")[2])
            values = [value for record in records if kind and (value := column.value(record))]
            ids = [one for value in values for one in ([value] if isinstance(value, str) else value)]
            if kind and ids:
                self._names().learn(kind, map(str, ids))


def with_etag(response: Response[Any]) -> dict[str, Any]:
    record: dict[str, Any] = response.data
    return record | ({"etag": response.etag} if response.etag else {})


def name_of(record: Record) -> str:
    """Return the name of this record that other commands accept."""
    return next((str(record[name]) for name in NAMES if name in record), "")


def say(text: str) -> None:
    """Print progress, hints and results for people on stderr."""
    for part in text.splitlines():
        click.echo(printable(part), err=True)
