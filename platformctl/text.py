"""Format records as text: tables without wrapped cells, so that values can be copied; times as ages; colours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.cells import cell_len

from platformctl.failures import printable

Record = Mapping[str, Any]
#: converts the value of a field, such as an id, to a name for people
Translate = Callable[[str, str], str]

GOOD, BAD, BUSY = "green", "red", "yellow"
COLOURS = {
    **dict.fromkeys(("ok", "active", "succeeded", "delivered", "verified", "closed", "up"), GOOD),
    **dict.fromkeys(("error", "failed", "deleted", "past_due", "canceled", "degraded"), BAD),
    **dict.fromkeys(("missing", "different", "open", "down"), BAD),
    **dict.fromkeys(("pending", "running", "suspended", "cancelled", "unverified", "retrying", "deferred"), BUSY),
}
#: fields whose values are states
STATES = frozenset({"status", "health", "state", "presence", "breaker", "result"})
#: fields and columns whose times are to come; one that has passed is due
UPCOMING = frozenset({"next", "nextCheckAt", "nextLookAt", "dueAt", "openUntil", "purge"})
TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z")
#: unit of ages, its seconds, and the number of units up to which it is used
UNITS = (("s", 1, 120), ("m", 60, 120), ("h", 3600, 48), ("d", 86400, 730), ("y", 31557600, 10**9))
GAP = "   "
#: a longer cell moves the rest of its own row only; other rows are not padded to its length
MAX_PADDING = 60


def age(time: str, now: datetime | None = None) -> str:
    """Return the age of a time in kubectl's format: 5s, 3m, 2h; `in 3m` for a future time."""
    seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(time)).total_seconds()
    return duration(seconds) if seconds >= 0 else f"in {duration(-seconds)}"


def duration(seconds: float) -> str:
    for unit, size, most in UNITS:
        if seconds < size * most:
            return f"{int(seconds // size)}{unit}"
    return "long"


def between(start: str | None, end: str | None) -> str:
    """Return the duration from one time to another; empty when one is missing."""
    if start is None or end is None:
        return ""
    seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    return f"{seconds:.1f}s" if seconds < 10 else duration(seconds)


def value_at(record: Record, field: str) -> Any:
    """Return the value at a dotted name; None when any part is absent."""
    found: Any = record
    for name in field.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def plain(value: Any) -> str:
    """Return a JSON value as one line of text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(map(plain, value)) if is_table(value) else ", ".join(map(plain, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {plain(one)}" for name, one in value.items() if one not in (None, "", []))
    return printable(str(value))


def translate_value(field: str, value: Any, translate: Translate | None) -> Any:
    """Return a value with names in place of ids: the value itself, the items of a list, the keys of a record."""
    if translate is None:
        return value
    if isinstance(value, Mapping):
        return {translate(field, name): one for name, one in value.items()}
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return [translate(field, one) for one in value]
    return translate(field, value) if isinstance(value, str) else value


def cell(field: str, value: Any, translate: Translate | None = None) -> str:
    """Return a cell of a table: a time as its age, an id as its name."""
    if isinstance(value, str) and TIME.fullmatch(value):
        text = age(value)
        return "now" if field.rpartition(".")[2] in UPCOMING and not text.startswith("in ") else text
    return plain(translate_value(field, value, translate))


def line(field: str, value: Any, translate: Translate | None = None) -> str:
    """Return a value for its own line: a time with its age, an id as its name."""
    if isinstance(value, str) and TIME.fullmatch(value):
        past = age(value)
        return f"{value} ({past if past.startswith('in ') else f'{past} ago'})"
    return plain(translate_value(field, value, translate))


def colour(field: str, text: str) -> str:
    colour = COLOURS.get(text) if field.rpartition(".")[2] in STATES else None
    return click.style(text, fg=colour) if colour else text


def columns(headings: Sequence[str], fields: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Format a table, one line per row, without cut or wrapped cells and without trailing blanks."""
    cells = list(rows)
    lengths = [max(map(cell_len, column)) for column in zip([h.upper() for h in headings], *cells, strict=True)]
    widths = [min(length, MAX_PADDING) for length in lengths]
    lines = [_row([click.style(h.upper(), bold=True) for h in headings], [h.upper() for h in headings], widths)]
    for row in cells:
        lines += [_row([colour(field, text) for field, text in zip(fields, row, strict=True)], row, widths)]
    return lines


def flat(record: Record, prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Iterate over the fields of a record; fields of nested records have dotted names."""
    for name, value in record.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) for one in value)


def _row(shown: Sequence[str], texts: Sequence[str], widths: Sequence[int]) -> str:
    padded = [text + " " * (width - cell_len(raw)) for text, raw, width in zip(shown, texts, widths, strict=True)]
    # on a narrow terminal trailing blanks would wrap into empty lines
    return GAP.join(padded).rstrip()
