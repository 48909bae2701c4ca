"""Remove old events and operations."""

from __future__ import annotations

from bson import ObjectId
from pymongo import ASCENDING
from pymongo.database import Database

from shared.db.documents import Document, seconds_from_now, translate_errors
from shared.workflows.model import Action

_CURSOR = "retention"


class RetentionRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._events = database["events"]
        self._operations = database["operations"]
        self._tenants = database["tenants"]
        self._cursors = database["counters"]

    def drop_events(self, older_seconds: float, limit: int) -> int:
        """Delete at most `limit` of the oldest events beyond this age, and return how many."""
        old = {"number": {"$gt": 0}, "$expr": {"$lt": ["$time", seconds_from_now(-older_seconds)]}}
        with translate_errors():
            documents = self._events.find(old, {"_id": 1}).sort("time", ASCENDING).limit(limit)
            keys = [document["_id"] for document in documents]
            return self._events.delete_many({"_id": {"$in": keys}}).deleted_count if keys else 0

    def drop_operations(self, older_seconds: float, limit: int) -> int:
        """Delete ended operations beyond this age that are not a tenant's latest, and return how many.

        A purge is kept until the tenant is purged: the receipt names what it removed.

        Each call reads the next `limit` operations after a stored cursor, so that those which must stay do not block
        the ones after them.
        """
        with translate_errors():
            cursor = self._cursors.find_one({"_id": _CURSOR}) or {}
            ended: Document = {"$type": "date", **({"$gt": cursor["after"]} if cursor.get("after") else {})}
            old = {
                "finishedAt": ended,
                "settled": True,
                "$expr": {"$lt": ["$finishedAt", seconds_from_now(-older_seconds)]},
            }
            shown = {"_id": 1, "finishedAt": 1, "tenantId": 1, "action": 1}
            documents = list(self._operations.find(old, shown).sort("finishedAt", ASCENDING).limit(limit))
            tenants = [ObjectId(document["tenantId"]) for document in documents]
            shown = {"operationId": 1, "purgedAt": 1}
            kept = {str(document["_id"]): document for document in self._tenants.find({"_id": {"$in": tenants}}, shown)}
            obsolete = [
                document["_id"]
                for document in documents
                if not _is_needed(document, kept.get(document["tenantId"], {}))
            ]
            after = documents[-1]["finishedAt"] if len(documents) == limit else None
            self._cursors.update_one({"_id": _CURSOR}, {"$set": {"after": after}}, upsert=True)
            return self._operations.delete_many({"_id": {"$in": obsolete}}).deleted_count if obsolete else 0


def _is_needed(operation: Document, tenant: Document) -> bool:
    is_purge_under_way = operation["action"] == Action.PURGE and tenant.get("purgedAt") is None
    return operation["_id"] == tenant.get("operationId") or (bool(tenant) and is_purge_under_way)
