"""The `bulk_operations` collection, and `bulk_items` with one row for each tenant of one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.database import Database

from shared.bulk.model import NAMED, BulkAction, BulkOperation, BulkStatus, Item, ItemStatus, Selector
from shared.db.documents import Document, Transaction, inserting, make_indexes, object_id, our_errors, seconds_from_now
from shared.rights.policy import Actor
from shared.status.model import Target

#: how long a bulk operation is kept
KEPT = timedelta(days=90)
#: a dry run that was not started is forgotten after this; what it found is no longer true anyway
DRY_RUN_KEPT = timedelta(hours=1)
#: rows written in one command
BATCH = 1000

INDEXES = [
    IndexModel([("status", ASCENDING)], name="running", partialFilterExpression={"status": "running"}),
    IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0),
]
ITEM_INDEXES = [
    IndexModel([("bulkId", ASCENDING), ("status", ASCENDING), ("dueAt", ASCENDING)], name="queue"),
    IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0),
]


class BulkOperationRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["bulk_operations"]
        self._items = database["bulk_items"]

    def make_indexes(self) -> None:
        make_indexes(self._rows, INDEXES)
        make_indexes(self._items, ITEM_INDEXES)

    def insert(self, action: BulkAction, selector: Selector, actor: Actor, targets: Sequence[Target]) -> BulkOperation:
        """Record a dry run with the tenants that it found."""
        key = ObjectId()
        with our_errors():
            for first in range(0, len(targets), BATCH):
                rows = [_item_row(key, target) for target in targets[first : first + BATCH]]
                self._items.insert_many(rows, ordered=False)
            document = {
                "_id": key,
                "action": action,
                "status": BulkStatus.DRY_RUN,
                "selector": selector.facts,
                "createdBy": actor.user.id,
                "surfaces": sorted(actor.surfaces),
                "requestId": actor.request_id,
                "total": len(targets),
                "startedAt": None,
                "finishedAt": None,
            }
            kept = seconds_from_now(DRY_RUN_KEPT.total_seconds())
            self._items.update_many({"bulkId": key}, [{"$set": {"expiresAt": kept}}])
            row = inserting(document, createdAt="$$NOW", expiresAt=kept)
            self._rows.update_one({"_id": key}, row, upsert=True)
        found = self.find(str(key))
        if found is None:
            raise LookupError("a row that was written was not found")
        return found

    def find(self, bulk_id: str) -> BulkOperation | None:
        """One with its counts and the first tenants of it, those that were refused first."""
        key = object_id(bulk_id)
        with our_errors():
            row = self._rows.find_one({"_id": key}) if key else None
            if row is None:
                return None
            counted = {"$group": {"_id": "$status", "count": {"$sum": 1}}}
            counts = {
                ItemStatus(one["_id"]): one["count"]
                for one in self._items.aggregate([{"$match": {"bulkId": key}}, counted])
            }
            refused = list(self._items.find({"bulkId": key, "status": ItemStatus.REFUSED}).limit(NAMED))
            others = list(self._items.find({"bulkId": key, "status": {"$ne": ItemStatus.REFUSED}}).limit(NAMED))
        return _bulk(row, counts, [_item(one) for one in (*refused, *others)[:NAMED]])

    def start(self, bulk_id: str, session: Transaction) -> bool:
        """Let a dry run's tenants be acted on. False when it was started before."""
        key = ObjectId(bulk_id)
        kept = {"expiresAt": seconds_from_now(KEPT.total_seconds())}
        fields = {"status": BulkStatus.RUNNING, "startedAt": "$$NOW", **kept}
        done = self._rows.update_one({"_id": key, "status": BulkStatus.DRY_RUN}, [{"$set": fields}], session=session)
        if done.modified_count:
            self._items.update_many({"bulkId": key}, [{"$set": kept}], session=session)
        return done.modified_count == 1

    # -- the scheduler's

    def running(self) -> list[str]:
        """Ids of those that are under way, the oldest first."""
        with our_errors():
            rows = self._rows.find({"status": BulkStatus.RUNNING}, {"_id": 1}, hint="running").sort("_id", ASCENDING)
            return [str(row["_id"]) for row in rows]

    def take(self, bulk_id: str, lease_seconds: float) -> Item | None:
        """Take a tenant that waits, for so many seconds: should this process die, another takes it then."""
        condition = {
            "bulkId": ObjectId(bulk_id),
            "status": ItemStatus.PENDING,
            "$expr": {"$lte": ["$dueAt", "$$NOW"]},
        }
        with our_errors():
            row = self._items.find_one_and_update(
                condition,
                [{"$set": {"dueAt": seconds_from_now(lease_seconds)}}],
                sort=[("dueAt", ASCENDING)],
                return_document=ReturnDocument.AFTER,
            )
        return _item(row) if row else None

    def record(self, item: Item, status: ItemStatus, detail: str | None) -> None:
        """Put on record what became of a tenant that was taken."""
        key = {"bulkId": ObjectId(item.bulk_id), "tenantId": item.target.tenant_id, "status": ItemStatus.PENDING}
        with our_errors():
            self._items.update_one(key, {"$set": {"status": status, "detail": detail}})

    def finish(self, bulk_id: str, session: Transaction) -> bool:
        """End one of which no tenant waits any more. False when some do, or somebody else ended it."""
        key = ObjectId(bulk_id)
        waiting = self._items.find_one({"bulkId": key, "status": ItemStatus.PENDING}, {"_id": 1}, session=session)
        if waiting is not None:
            return False
        done = self._rows.update_one(
            {"_id": key, "status": BulkStatus.RUNNING},
            [{"$set": {"status": BulkStatus.FINISHED, "finishedAt": "$$NOW"}}],
            session=session,
        )
        return done.modified_count == 1


def _item_row(key: ObjectId, target: Target) -> Document:
    return {
        "bulkId": key,
        "tenantId": target.tenant_id,
        "slug": target.slug,
        "operationId": target.operation_id,
        "steps": list(target.steps),
        "status": ItemStatus.PENDING,
        "dueAt": None,
        "detail": None,
    }


def _item(row: Document) -> Item:
    target = Target(row["tenantId"], row["slug"], row["operationId"], tuple(row["steps"]))
    return Item(str(row["bulkId"]), target, ItemStatus(row["status"]), row["detail"])


def _bulk(row: Document, counts: dict[ItemStatus, int], named: Sequence[Any]) -> BulkOperation:
    return BulkOperation(
        id=str(row["_id"]),
        action=BulkAction(row["action"]),
        status=BulkStatus(row["status"]),
        selector=row["selector"],
        created_by=row["createdBy"],
        surfaces=tuple(row["surfaces"]),
        request_id=row["requestId"],
        total=row["total"],
        created_at=row["createdAt"],
        started_at=row["startedAt"],
        finished_at=row["finishedAt"],
        counts=counts,
        named=named,
    )
