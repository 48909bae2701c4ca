"""An event: one accepted change or one operation's outcome, with who, what, before and after. Never holds a secret."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any

from pydantic.alias_generators import to_camel

#: of the names of fields, which are few
_camel = cache(to_camel)


@dataclass(frozen=True)
class Author:
    """On whose word something happens: the acting user's id, None for the service itself, and the request's id."""

    user_id: str | None
    request_id: str


@dataclass(frozen=True)
class NewEvent:
    """`action` in the form `tenant.created`, `operation.succeeded`. Without a tenant only platform staff see it."""

    action: str
    author: Author
    tenant_id: str | None = None
    tenant_slug: str | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Event:
    """As read from the log. `number` rises in the order in which events became visible, with gaps."""

    id: str
    number: int
    time: datetime
    action: str
    actor: str | None
    tenant_slug: str | None
    request_id: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


def facts(record: Any, names: Collection[str]) -> dict[str, Any]:
    """These fields of a record as an event shows them: camel case, plain values, none that are empty."""
    found = {_camel(name): _plain(getattr(record, name)) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def difference(old: Any, new: Any, names: Collection[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(before, after) of just the fields that differ; two empty ones when none does. A field that went is null."""
    changed = [name for name in names if getattr(old, name) != getattr(new, name)]
    before, after = facts(old, changed), facts(new, changed)
    return before, after | {key: None for key in before if key not in after}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return {_camel(one.name): _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value


@dataclass(frozen=True)
class EventFilter:
    """`action`: exact, or a group of them as `tenant.*`; `actor`: a user's id; `since` and `until`: half-open."""

    action: str | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None


EVERY_EVENT = EventFilter()


@dataclass(frozen=True)
class Feed:
    """A stretch of the event log. `older` and `newer`: the numbers to go on from, None where there is no more."""

    items: tuple[Event, ...]
    older: int | None
    newer: int
