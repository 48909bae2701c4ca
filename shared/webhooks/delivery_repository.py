"""The `deliveries` collection: a row for each event and webhook, which is its own queue, lease book and history.

One time, `dueAt`, says when a pending row may be taken: a claim moves it to the lease's end, so a row whose taker died
is due again by itself. `leaseToken` proves the claim when its end is recorded.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument, UpdateOne
from pymongo.database import Database

from shared.db.documents import (
    Document,
    Transaction,
    inserting,
    make_indexes,
    newest_first,
    object_id,
    our_errors,
    present,
    seconds_from_now,
)
from shared.db.paging import Page
from shared.events.model import Event
from shared.webhooks.model import PING, DeliveryQuery, DeliveryRecord, DeliveryStatus

INDEXES = [
    # the rule "an event is one delivery for each webhook" is this index
    IndexModel([("webhookId", ASCENDING), ("eventId", ASCENDING)], name="event", unique=True),
    IndexModel([("webhookId", ASCENDING), ("_id", DESCENDING)], name="history"),
    IndexModel([("webhookId", ASCENDING), ("status", ASCENDING), ("_id", DESCENDING)], name="status"),
    IndexModel([("dueAt", ASCENDING)], name="due", partialFilterExpression={"status": "pending"}),
    IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0),
]

DAY = 24 * 3600.0


@dataclass(frozen=True)
class Claim:
    """A delivery taken for one attempt. `token` proves it when the end is recorded."""

    record: DeliveryRecord
    token: str


@dataclass(frozen=True)
class End:
    """How an attempt ended. `due_in`: seconds until the next one of a delivery that stays pending."""

    status: DeliveryStatus
    response_status: int | None = None
    reason: str | None = None
    due_in: float | None = None


class DeliveryRepository:
    def __init__(self, database: Database[Document], keep_days: float) -> None:
        self._rows = database["deliveries"]
        self._keep_seconds = keep_days * DAY

    def make_indexes(self) -> None:
        make_indexes(self._rows, INDEXES)

    def insert(self, webhook_id: str, events: Sequence[Event], session: Transaction) -> None:
        """A pending delivery, due now, for each event."""
        rows = [_new(webhook_id, ObjectId(event.id), event.action, event.request_id) for event in events]
        self._rows.bulk_write(
            [UpdateOne({"_id": row["_id"]}, self._inserting(row), upsert=True) for row in rows], session=session
        )

    def insert_ping(self, webhook_id: str, request_id: str) -> DeliveryRecord:
        row = _new(webhook_id, ObjectId(), PING, request_id)
        with our_errors():
            found = self._rows.find_one_and_update(
                {"_id": row["_id"]}, self._inserting(row), upsert=True, return_document=ReturnDocument.AFTER
            )
        return _record(present(found))

    def find(self, webhook_id: str, delivery_id: str) -> DeliveryRecord | None:
        key = object_id(delivery_id)
        with our_errors():
            row = self._rows.find_one({"_id": key, "webhookId": webhook_id}) if key else None
        return _record(row) if row else None

    def page(self, webhook_id: str, query: DeliveryQuery) -> Page[DeliveryRecord]:
        """One webhook's, newest first."""
        conditions: list[Document] = [{"webhookId": webhook_id}, {"status": query.status} if query.status else {}]
        rows, following = newest_first(self._rows, conditions, query.limit, query.after)
        return Page(tuple(map(_record, rows)), following)

    def replay(self, webhook_id: str, delivery_id: str) -> DeliveryRecord | None:
        """Due now, with all attempts before it again unless it is pending still. One under way is left to its end."""
        key = object_id(delivery_id)
        was_pending = {"$eq": ["$status", DeliveryStatus.PENDING]}
        again = {
            "status": DeliveryStatus.PENDING,
            "attempts": {"$cond": [was_pending, "$attempts", 0]},
            "dueAt": "$$NOW",
            "finishedAt": None,
            "expiresAt": seconds_from_now(self._keep_seconds),
        }
        with our_errors():
            row = self._rows.find_one_and_update(
                {"_id": key, "webhookId": webhook_id, "leaseToken": None},
                [{"$set": again}],
                return_document=ReturnDocument.AFTER,
            )
        return _record(row) if row else self.find(webhook_id, delivery_id)

    # -- what the delivery needs

    def claim(self, lease_seconds: float, busy: Collection[str]) -> Claim | None:
        """Take the longest due one for an attempt, which is counted before it is made. `busy`: webhooks left alone."""
        token = secrets.token_hex(8)
        taken = {
            "attempts": {"$add": ["$attempts", 1]},
            "dueAt": seconds_from_now(lease_seconds),
            "leaseToken": token,
        }
        condition: Document = {"status": DeliveryStatus.PENDING, "$expr": {"$lte": ["$dueAt", "$$NOW"]}}
        if busy:
            condition["webhookId"] = {"$nin": list(busy)}
        with our_errors():
            row = self._rows.find_one_and_update(
                condition, [{"$set": taken}], sort=[("dueAt", ASCENDING)], return_document=ReturnDocument.AFTER
            )
        return Claim(_record(row), token) if row else None

    def record(self, claim: Claim, end: End) -> bool:
        """Put an attempt's end on record. False when the lease was lost: the attempt then counts for nothing."""
        is_open = end.due_in is not None
        fields = {
            "status": end.status,
            "responseStatus": end.response_status,
            "reason": end.reason,
            "dueAt": seconds_from_now(end.due_in or 0.0) if is_open else None,
            "finishedAt": None if is_open else "$$NOW",
        }
        return self._let_go(claim, fields)

    def put_back(self, claim: Claim, seconds: float) -> bool:
        """As if it had not been taken, to be looked at again after so many seconds."""
        return self._let_go(claim, {"attempts": {"$subtract": ["$attempts", 1]}, "dueAt": seconds_from_now(seconds)})

    def postpone(self, webhook_id: str, seconds: float) -> None:
        """Leave all of a webhook's pending deliveries alone for so many seconds at least."""
        until = seconds_from_now(seconds)
        condition = {
            "webhookId": webhook_id,
            "status": DeliveryStatus.PENDING,
            "$expr": {"$lt": ["$dueAt", until]},
        }
        with our_errors():
            self._rows.update_many(condition, [{"$set": {"dueAt": until}}])

    def hasten(self, webhook_id: str) -> None:
        """Have all of a webhook's pending deliveries due now."""
        condition = {"webhookId": webhook_id, "status": DeliveryStatus.PENDING, "leaseToken": None}
        with our_errors():
            self._rows.update_many(condition, [{"$set": {"dueAt": "$$NOW"}}])

    def drop(self, webhook_id: str) -> None:
        """Forget all deliveries of a webhook that is no more."""
        with our_errors():
            self._rows.delete_many({"webhookId": webhook_id})

    def _inserting(self, row: Document) -> list[Document]:
        kept_until = seconds_from_now(self._keep_seconds)
        return inserting(row, createdAt="$$NOW", dueAt="$$NOW", expiresAt=kept_until)

    def _let_go(self, claim: Claim, fields: Document) -> bool:
        condition = {"_id": ObjectId(claim.record.id), "leaseToken": claim.token}
        with our_errors():
            return self._rows.update_one(condition, [{"$set": {**fields, "leaseToken": None}}]).matched_count == 1


def _new(webhook_id: str, event_id: ObjectId, action: str, request_id: str) -> Document:
    return {
        "_id": ObjectId(),
        "webhookId": webhook_id,
        "eventId": event_id,
        "action": action,
        "requestId": request_id,
        "status": DeliveryStatus.PENDING,
        "attempts": 0,
        "leaseToken": None,
        "responseStatus": None,
        "reason": None,
        "finishedAt": None,
    }


def _record(row: Document) -> DeliveryRecord:
    return DeliveryRecord(
        id=str(row["_id"]),
        webhook_id=row["webhookId"],
        event_id=None if row["action"] == PING else str(row["eventId"]),
        action=row["action"],
        request_id=row["requestId"],
        status=DeliveryStatus(row["status"]),
        attempts=row["attempts"],
        due_at=row["dueAt"],
        response_status=row["responseStatus"],
        reason=row["reason"],
        created_at=row["createdAt"],
        finished_at=row["finishedAt"],
    )
