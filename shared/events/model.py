"""An event: one accepted change or one operation's outcome, with author and values before and after; no secrets."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.db.idempotency_keys import Effect, IdempotencyClaim
from shared.db.mapping import camel, plain


@dataclass(frozen=True)
class Author:
    """The author of a change: the user's id (None: the service itself), the request's id, and its idempotency key."""

    user_id: str | None
    request_id: str
    claim: IdempotencyClaim | None = None


@dataclass(frozen=True)
class NewEvent:
    """An event to append. `action`: such as `tenant.created`. Only platform staff see events without a tenant."""

    action: str
    author: Author
    tenant_id: str | None = None
    tenant_slug: str | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None

    @property
    def effect(self) -> Effect:
        """Return the change as an idempotency key records it."""
        after = self.after or {}
        ids = (after.get(name) for name in ("_id", "operation", "bulkOperation"))
        return Effect(self.action, self.tenant_slug, next(filter(None, ids), None))


@dataclass(frozen=True)
class Event:
    """An event from the log. `number` increases in the order in which events became visible, with gaps."""

    id: str
    number: int
    time: datetime
    action: str
    actor: str | None
    tenant_slug: str | None
    request_id: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


def event_values(record: Any, names: Collection[str]) -> dict[str, Any]:
    """Return these fields of a record for an event: names in camel case, plain values, without None."""
    found = {camel(name): plain(getattr(record, name)) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def changed_values(old: Any, new: Any, names: Collection[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (before, after) with only the fields that differ. A removed field is None in `after`."""
    changed = [name for name in names if getattr(old, name) != getattr(new, name)]
    before, after = event_values(old, changed), event_values(new, changed)
    return before, after | {key: None for key in before if key not in after}


@dataclass(frozen=True)
class EventFilter:
    """Criteria of events. `action`: exact, or a group such as `tenant.*`; `actor`: a user's id; `until`: exclusive."""

    action: str | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None


EVERY_EVENT = EventFilter()


@dataclass(frozen=True)
class Feed:
    """A page of the event log. `older`: cursor of the next older page, None at the end; `newer`: of newer events."""

    items: tuple[Event, ...]
    older: int | None
    newer: int
