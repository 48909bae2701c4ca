"""The `deliveries` collection: one document for each event and webhook. It is queue and history at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, UpdateOne
from pymongo.database import Database

from shared.db.documents import (
    Document,
    Page,
    Transaction,
    find_value,
    newest_page,
    object_id,
    required,
    seconds_from_now,
    translate_errors,
    update_value,
    upsert_pipeline,
)
from shared.db.lease_queue import LeaseQueue
from shared.db.mapping import mapper
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
class DeliveryClaim:
    """A delivery claimed for one attempt, at `claimed_at` on the database's clock."""

    record: DeliveryRecord
    claimed_at: datetime
    token: str


@dataclass(frozen=True)
class AttemptResult:
    """The result of an attempt. `due_in`: seconds until the next attempt of a delivery that stays pending."""

    status: DeliveryStatus
    response_status: int | None = None
    reason: str | None = None
    due_in: float | None = None


class DeliveryRepository:
    """Reads and writes deliveries; claims due ones under a lease."""

    def __init__(self, database: Database[Document], keep_days: float) -> None:
        self._deliveries = database["deliveries"]
        self._queue = LeaseQueue(self._deliveries)
        self._keep_seconds = keep_days * DAY

    def insert(self, webhook_id: str, events: Sequence[Event], session: Transaction) -> None:
        """Insert a pending delivery, due now, for each event."""
        documents = [_new(webhook_id, ObjectId(event.id), event.action, event.request_id) for event in events]
        self._deliveries.bulk_write(
            [
                UpdateOne({"_id": document["_id"]}, self._insert_pipeline(document), upsert=True)
                for document in documents
            ],
            session=session,
        )

    def insert_ping(self, webhook_id: str, request_id: str) -> DeliveryRecord:
        """Insert a test delivery without an event."""
        document = _new(webhook_id, ObjectId(), PING, request_id)
        update, mine = self._insert_pipeline(document), {"_id": document["_id"]}
        return required(update_value(self._deliveries, mine, update, _record, upsert=True))

    def find(self, webhook_id: str, delivery_id: str) -> DeliveryRecord | None:
        key = object_id(delivery_id)
        return find_value(self._deliveries, {"_id": key, "webhookId": webhook_id}, _record) if key else None

    def page(self, webhook_id: str, query: DeliveryQuery) -> Page[DeliveryRecord]:
        """Return a page of a webhook's deliveries, newest first."""
        conditions: list[Document] = [{"webhookId": webhook_id}, {"status": query.status} if query.status else {}]
        return newest_page(self._deliveries, conditions, query.limit, query.after, _record)

    def replay(self, webhook_id: str, delivery_id: str) -> DeliveryRecord | None:
        """Make a delivery due now. An ended one gets all its attempts again; a running one is left alone."""
        key = object_id(delivery_id)
        was_pending = {"$eq": ["$status", DeliveryStatus.PENDING]}
        again = {
            "status": DeliveryStatus.PENDING,
            "attempts": {"$cond": [was_pending, "$attempts", 0]},
            "dueAt": "$$NOW",
            "finishedAt": None,
            "expiresAt": seconds_from_now(self._keep_seconds),
        }
        free = {"_id": key, "webhookId": webhook_id, "leaseToken": None}
        return update_value(self._deliveries, free, [{"$set": again}], _record) or self.find(webhook_id, delivery_id)

    # -- attempts

    def claim(self, lease_seconds: float, busy: Collection[str]) -> DeliveryClaim | None:
        """Claim the delivery that has been due longest, and count the attempt. `busy`: webhooks to skip."""
        condition: Document = {"status": DeliveryStatus.PENDING}
        if busy:
            condition["webhookId"] = {"$nin": list(busy)}
        lease = self._queue.claim(lease_seconds, condition, {"attempts": {"$add": ["$attempts", 1]}})
        if lease is None:
            return None
        claimed_at = lease.document["dueAt"] - timedelta(milliseconds=round(lease_seconds * 1000))
        return DeliveryClaim(_record(lease.document), claimed_at, lease.token)

    def record(self, claim: DeliveryClaim, result: AttemptResult) -> bool:
        """Record an attempt. False when the claim no longer holds: nothing is written then."""
        is_open = result.due_in is not None
        fields = {
            "status": result.status,
            "responseStatus": result.response_status,
            "reason": result.reason,
            "dueAt": seconds_from_now(result.due_in or 0.0) if is_open else None,
            "finishedAt": None if is_open else "$$NOW",
        }
        return self._release(claim, fields)

    def give_back(self, claim: DeliveryClaim, seconds: float) -> bool:
        """Undo a claim without counting an attempt; the delivery is due again after so many seconds."""
        return self._release(claim, {"attempts": {"$subtract": ["$attempts", 1]}, "dueAt": seconds_from_now(seconds)})

    def postpone(self, webhook_id: str, seconds: float) -> None:
        """Make a webhook's events due in so many seconds at the earliest; a person waits for a test delivery."""
        until = seconds_from_now(seconds)
        condition = {
            "webhookId": webhook_id,
            "status": DeliveryStatus.PENDING,
            "action": {"$ne": PING},
            "$expr": {"$lt": ["$dueAt", until]},
        }
        with translate_errors():
            self._deliveries.update_many(condition, [{"$set": {"dueAt": until}}])

    def make_due(self, webhook_id: str) -> None:
        """Make all pending deliveries of a webhook due now."""
        condition = {"webhookId": webhook_id, "status": DeliveryStatus.PENDING, "leaseToken": None}
        with translate_errors():
            self._deliveries.update_many(condition, [{"$set": {"dueAt": "$$NOW"}}])

    def delete_all(self, webhook_id: str) -> None:
        """Delete all deliveries of a webhook."""
        with translate_errors():
            self._deliveries.delete_many({"webhookId": webhook_id})

    def _insert_pipeline(self, document: Document) -> list[Document]:
        kept_until = seconds_from_now(self._keep_seconds)
        return upsert_pipeline(document, createdAt="$$NOW", dueAt="$$NOW", expiresAt=kept_until)

    def _release(self, claim: DeliveryClaim, fields: Document) -> bool:
        return self._queue.release({"_id": ObjectId(claim.record.id)}, claim.token, fields)


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


_record = mapper(
    DeliveryRecord, event_id=lambda document: None if document["action"] == PING else str(document["eventId"])
)
