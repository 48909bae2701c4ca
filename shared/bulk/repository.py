"""The `bulk_operations` collection, and `bulk_items` with one document for each tenant of a bulk operation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from bson import ObjectId
from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.database import Database

from shared.bulk.model import MAX_NAMED, BulkAction, BulkOperation, BulkStatus, Item, ItemStatus, Selector
from shared.db.documents import (
    Document,
    Pipeline,
    Transaction,
    find_by_id,
    required,
    seconds_from_now,
    translate_errors,
    upsert_pipeline,
)
from shared.db.lease_queue import LeaseQueue
from shared.db.mapping import mapper, member
from shared.rights.policy import Actor
from shared.status.model import Target
from shared.status.problem_repository import TenantIds, in_scope

#: how long a bulk operation is kept
RETENTION = timedelta(days=90)
#: how long a dry run that is not started is kept: its result is soon outdated
DRY_RUN_KEPT = timedelta(hours=1)
#: documents written in one command
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
    """Reads and writes bulk operations; claims their tenants one by one under a lease."""

    def __init__(self, database: Database[Document]) -> None:
        self._operations = database["bulk_operations"]
        self._items = database["bulk_items"]
        self._queue = LeaseQueue(self._items)

    def insert(self, action: BulkAction, selector: Selector, actor: Actor, targets: Sequence[Target]) -> BulkOperation:
        """Record a dry run with the tenants that it found."""
        key = ObjectId()
        with translate_errors():
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
            pipeline = upsert_pipeline(document, createdAt="$$NOW", expiresAt=kept)
            after = ReturnDocument.AFTER
            made = required(
                self._operations.find_one_and_update({"_id": key}, pipeline, upsert=True, return_document=after)
            )
            for first in range(0, len(targets), BATCH):
                documents = [_item_document(made, target) for target in targets[first : first + BATCH]]
                self._items.insert_many(documents, ordered=False)
        found = self.find(str(key))
        if found is None:
            raise LookupError("a written document was not found")
        return found

    def find(self, bulk_id: str, tenant_ids: TenantIds = None) -> BulkOperation | None:
        """Return a bulk operation with its counts and its first tenants, refused ones first.

        `tenant_ids`: names only these tenants; None names any.
        """
        known = self.read(bulk_id)
        if known is None:
            return None
        key = ObjectId(bulk_id)
        with translate_errors():
            counted = {"$group": {"_id": "$status", "count": {"$sum": 1}}}
            counts = {
                member(ItemStatus, one["_id"]): one["count"]
                for one in self._items.aggregate([{"$match": {"bulkId": key}}, counted])
            }
            shown = {"bulkId": key, **in_scope(tenant_ids)}
            refused = list(self._items.find({**shown, "status": ItemStatus.REFUSED}).limit(MAX_NAMED))
            others = list(self._items.find({**shown, "status": {"$ne": ItemStatus.REFUSED}}).limit(MAX_NAMED))
        named = [_item(one) for one in (*refused, *others)[:MAX_NAMED]]
        return replace(known, counts=counts, named=named)

    def read(self, bulk_id: str) -> BulkOperation | None:
        """Return a bulk operation without counts and tenants, which take long to read when there are many."""
        return find_by_id(self._operations, bulk_id, _bulk)

    def targets(self, bulk_id: str) -> list[Target]:
        """Return all tenants that a dry run found."""
        with translate_errors():
            return [_item(document).target for document in self._items.find({"bulkId": ObjectId(bulk_id)})]

    def keep_targets(self, bulk: BulkOperation) -> None:
        """Keep the tenants of a dry run for as long as the bulk operation that it becomes. Call before `start`.

        Within the transaction of the start this would take three times as long: seconds for thousands of tenants.
        """
        until = bulk.created_at + DRY_RUN_KEPT + RETENTION
        with translate_errors():
            self._items.update_many({"bulkId": ObjectId(bulk.id)}, {"$set": {"expiresAt": until}})

    def start(self, bulk_id: str, tenant_ids: TenantIds, session: Transaction) -> bool:
        """Start a dry run. False when it was started before or has expired.

        `tenant_ids`: those that its author may still change so; others are refused. None: all.
        """
        key = ObjectId(bulk_id)
        kept = seconds_from_now(RETENTION.total_seconds())
        fields = {"status": BulkStatus.RUNNING, "startedAt": "$$NOW", "expiresAt": kept}
        startable = {"_id": key, "status": BulkStatus.DRY_RUN, "$expr": {"$gt": ["$expiresAt", "$$NOW"]}}
        done = self._operations.update_one(startable, [{"$set": fields}], session=session)
        if done.modified_count and tenant_ids is not None:
            others = {"bulkId": key, "tenantId": {"$nin": list(tenant_ids)}}
            refusal = {"status": ItemStatus.REFUSED, "detail": "You may no longer do this to the tenant."}
            self._items.update_many(others, {"$set": refusal}, session=session)
        return done.modified_count == 1

    def stop(self, bulk_id: str, session: Transaction) -> bool:
        """Stop a dry run or a running bulk operation. False when it has ended."""
        return self._end(bulk_id, (BulkStatus.DRY_RUN, BulkStatus.RUNNING), BulkStatus.STOPPED, session)

    def skip_pending(self, bulk_id: str) -> None:
        """Let no scheduler claim a tenant of a stopped bulk operation, one of an older release neither."""
        pending = {"bulkId": ObjectId(bulk_id), "status": ItemStatus.PENDING}
        with translate_errors():
            self._items.update_many(pending, {"$set": {"status": ItemStatus.SKIPPED}})

    # -- run by the scheduler

    def running(self, actions: Sequence[BulkAction]) -> list[str]:
        """Return the ids of running bulk operations with one of these actions."""
        condition = {"status": BulkStatus.RUNNING, "action": {"$in": list(actions)}}
        with translate_errors():
            return [str(found["_id"]) for found in self._operations.find(condition, {"_id": 1}, hint="running")]

    def claim(self, bulk_id: str, lease_seconds: float) -> Item | None:
        """Claim the next pending tenant of a bulk operation."""
        pending = {"bulkId": ObjectId(bulk_id), "status": ItemStatus.PENDING}
        lease = self._queue.claim(lease_seconds, pending)
        return _item(lease.document) if lease else None

    def record(self, item: Item, status: ItemStatus, detail: str | None) -> None:
        """Record the result for a claimed tenant, also if the bulk operation was stopped after the claim."""
        unrecorded = {"$in": [ItemStatus.PENDING, ItemStatus.SKIPPED]}
        key = {"bulkId": ObjectId(item.bulk_id), "tenantId": item.target.tenant_id, "status": unrecorded}
        with translate_errors():
            self._items.update_one(key, {"$set": {"status": status, "detail": detail}})

    def finish(self, bulk_id: str, session: Transaction) -> bool:
        """End a bulk operation. False while tenants of it are pending, or when another process ended it."""
        key = ObjectId(bulk_id)
        waiting = self._items.find_one({"bulkId": key, "status": ItemStatus.PENDING}, {"_id": 1}, session=session)
        if waiting is not None:
            return False
        return self._end(bulk_id, (BulkStatus.RUNNING,), BulkStatus.FINISHED, session)

    def _end(self, bulk_id: str, before: Sequence[BulkStatus], status: BulkStatus, session: Transaction) -> bool:
        condition = {"_id": ObjectId(bulk_id), "status": {"$in": list(before)}}
        ended: Pipeline = [{"$set": {"status": status, "finishedAt": "$$NOW"}}]
        return self._operations.update_one(condition, ended, session=session).modified_count == 1


def _item_document(bulk: Document, target: Target) -> Document:
    return {
        "bulkId": bulk["_id"],
        "expiresAt": bulk["expiresAt"],
        "tenantId": target.tenant_id,
        "slug": target.slug,
        "operationId": target.operation_id,
        "action": target.action,
        "steps": list(target.steps),
        "status": ItemStatus.PENDING,
        "dueAt": bulk["createdAt"],
        "detail": None,
    }


_item = mapper(Item, target=mapper(Target))
_bulk = mapper(BulkOperation)
