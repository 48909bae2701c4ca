"""The `tombstones` collection: one document for each purged tenant, with the receipt of its purge."""

from __future__ import annotations

from collections.abc import Sequence

from bson import ObjectId
from pymongo.database import Database

from shared.db.documents import Document, Transaction, find_by_id, upsert_pipeline
from shared.db.mapping import mapper
from shared.operations.model import Operation
from shared.tenants.model import Tenant
from shared.tenants.views import Receipt


class TombstoneRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._tombstones = database["tombstones"]

    def insert(self, tenant: Tenant, operations: Sequence[Operation], users_removed: int, session: Transaction) -> None:
        """Record a purged tenant. `operations`: its purges that removed something, and the last, which succeeded.

        Idempotent.
        """
        document: Document = {
            "_id": ObjectId(tenant.id),
            "slug": tenant.slug,
            "domains": list(tenant.domains),
            "usersRemoved": users_removed,
            "removals": [_removal(operation, step.name) for operation in operations for step in operation.steps],
        }
        key = {"_id": document["_id"]}
        self._tombstones.update_one(key, upsert_pipeline(document, purgedAt="$$NOW"), upsert=True, session=session)

    def receipt(self, tenant_id: str) -> Receipt | None:
        return find_by_id(self._tombstones, tenant_id, _receipt)


def _removal(operation: Operation, step_name: str) -> Document:
    step = operation.step(step_name)
    return {
        "operation": operation.id,
        "step": step.name,
        "status": step.status,
        "removed": list(step.changes),
        "verified": step.notes.get("verified"),
        "at": step.finished_at,
    }


_receipt = mapper(Receipt)
