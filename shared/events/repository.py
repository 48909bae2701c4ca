"""The `events` collection. Events are appended in the transaction of the change that they describe.

A feed must not skip events that are committed late, so its order is the order in which events became visible: the next
reader numbers committed events, one batch at a time. This costs writers nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument, UpdateOne
from pymongo.database import Database

from shared.db.connection import MongoConnection
from shared.db.documents import (
    Document,
    Transaction,
    find_value,
    insert,
    object_id,
    seconds_from_now,
    translate_errors,
    upsert_pipeline,
)
from shared.db.idempotency_keys import IdempotencyRepository
from shared.db.mapping import mapper
from shared.events.model import EVERY_EVENT, Event, EventFilter, Feed, NewEvent

INDEXES = [
    IndexModel([("number", DESCENDING)], name="feed", unique=True, partialFilterExpression={"number": {"$gt": 0}}),
    IndexModel([("tenantId", ASCENDING), ("number", DESCENDING)], name="tenant"),
    IndexModel([("action", ASCENDING), ("number", DESCENDING)], name="action"),
    IndexModel([("actor", ASCENDING), ("number", DESCENDING)], name="actor"),
    IndexModel([("time", ASCENDING)], name="time"),
    IndexModel([("unnumbered", ASCENDING)], name="unnumbered", sparse=True),
]

#: events that one transaction numbers at most
BATCH = 500
#: batches that one call numbers at most; the next call numbers the rest
NUMBERED_BATCHES = 20


class EventRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._events = database["events"]
        self._counters = database["counters"]
        self._idempotency = IdempotencyRepository(database)

    def append(self, event: NewEvent, session: Transaction, at: datetime | None = None) -> None:
        """Append an event, and record with its author's idempotency key that the request took effect.

        `at`: time by the database's clock, if known, for a cheaper plain insert. Raises KeyInProgress when a repeated
        request has taken the key over.
        """
        document = {
            "_id": ObjectId(),
            "action": event.action,
            "tenantId": event.tenant_id,
            "tenant": event.tenant_slug,
            "actor": event.author.user_id,
            "requestId": event.author.request_id,
            "before": event.before,
            "after": event.after,
            "unnumbered": True,
        }
        if at is not None:
            insert(self._events, [{**document, "time": at}], session)
        else:
            key = {"_id": document["_id"]}
            self._events.update_one(key, upsert_pipeline(document, time="$$NOW"), upsert=True, session=session)
        if event.author.claim is not None:
            self._idempotency.record_effect(event.author.claim, event.effect, session)

    def has_unnumbered(self) -> bool:
        with translate_errors():
            return self._events.find_one({"unnumbered": True}, {"_id": 1}) is not None

    def number(self, session: Transaction) -> int:
        """Number a batch of committed events and return its size. Concurrent calls conflict on the counter."""
        documents = self._events.find({"unnumbered": True}, {"_id": 1}, session=session)
        # by time first: ids of different processes are ordered only by second, and a cause must precede its effect
        keys = [document["_id"] for document in documents.sort([("time", ASCENDING), ("_id", ASCENDING)]).limit(BATCH)]
        if not keys:
            return 0
        counter = self._counters.find_one_and_update(
            {"_id": "events"},
            {"$inc": {"last": len(keys)}},
            upsert=True,
            return_document=ReturnDocument.BEFORE,
            session=session,
        )
        first = (counter or {"last": 0})["last"] + 1
        self._events.bulk_write(
            [
                UpdateOne({"_id": key}, {"$set": {"number": first + offset}, "$unset": {"unnumbered": ""}})
                for offset, key in enumerate(keys)
            ],
            session=session,
        )
        return len(keys)

    def last_number(self, session: Transaction | None = None) -> int:
        """Return the highest number assigned; all events up to it are visible."""
        with translate_errors():
            counter = self._counters.find_one({"_id": "events"}, session=session)
        return int((counter or {"last": 0})["last"])

    def find(self, event_id: str) -> Event | None:
        key = object_id(event_id)
        return find_value(self._events, {"_id": key, "number": {"$gt": 0}}, _event) if key else None

    def matching(
        self,
        tenant_ids: tuple[str, ...] | None,
        actions: Sequence[str],
        span: tuple[int, int],
        age_seconds: float,
        limit: int,
    ) -> list[Event]:
        """Return the events of a number range, oldest first, none older than `age_seconds`.

        `span`: (first exclusive, last inclusive). `actions`: exact, `word.*`, or `*`.
        """
        condition: Document = {
            "number": {"$gt": span[0], "$lte": span[1]},
            "$expr": {"$gte": ["$time", seconds_from_now(-age_seconds)]},
        }
        if "*" not in actions:
            condition["action"] = {"$in": [_action_pattern(one) for one in actions]}
        if tenant_ids is not None:
            condition["tenantId"] = {"$in": list(tenant_ids)}
        with translate_errors():
            return list(map(_event, self._events.find(condition).sort("number", ASCENDING).limit(limit)))

    def newest(
        self,
        tenant_ids: tuple[str, ...] | None,
        before: int | None,
        limit: int,
        event_filter: EventFilter = EVERY_EVENT,
    ) -> Feed:
        """Return the newest events of these tenants (None: all events), or those before the number `before`."""
        span: Document = {"$gt": 0} if before is None else {"$gt": 0, "$lt": before}
        documents = self._found(tenant_ids, span, DESCENDING, limit + 1, event_filter)
        items = tuple(map(_event, documents[:limit]))
        newest = items[0].number if items else (before or 1) - 1
        return Feed(items, items[-1].number if len(documents) > limit else None, newest)

    def following(
        self,
        tenant_ids: tuple[str, ...] | None,
        after: int,
        before: int | None,
        limit: int,
        event_filter: EventFilter = EVERY_EVENT,
    ) -> Feed:
        """Return the oldest events after the number `after`. Calls that continue from `newer` miss no event."""
        span: Document = {"$gt": after} if before is None else {"$gt": after, "$lt": before}
        items = tuple(map(_event, self._found(tenant_ids, span, ASCENDING, limit, event_filter)))
        return Feed(items, None, items[-1].number if items else after)

    def _found(
        self, tenant_ids: tuple[str, ...] | None, span: Document, direction: int, limit: int, event_filter: EventFilter
    ) -> list[Document]:
        condition: Document = {"number": span, **_filter_condition(event_filter)}
        if tenant_ids is not None:
            condition["tenantId"] = {"$in": list(tenant_ids)}
        with translate_errors():
            return list(self._events.find(condition).sort("number", direction).limit(limit))


def _filter_condition(event_filter: EventFilter) -> Document:
    condition: Document = {}
    if event_filter.action not in (None, "*"):
        condition["action"] = _action_pattern(event_filter.action)
    if event_filter.actor is not None:
        condition["actor"] = event_filter.actor
    times = {"$gte": event_filter.since, "$lt": event_filter.until}
    span = {operator: time for operator, time in times.items() if time is not None}
    return condition | ({"time": span} if span else {})


def _action_pattern(action: str) -> str | re.Pattern[str]:
    return re.compile(f"^{re.escape(action[:-1])}") if action.endswith(".*") else action


_event = mapper(Event, tenant_slug="tenant")


def number_events(connection: MongoConnection, events: EventRepository) -> None:
    """Number the events that were committed since the last call. Concurrent calls are safe."""
    for _ in range(NUMBERED_BATCHES):
        if not events.has_unnumbered():
            return
        connection.transaction(events.number)
