"""The `subscriptions` collection: what a tenant pays for. One live subscription for each tenant, by index."""

from __future__ import annotations

from bson import ObjectId
from pymongo import ASCENDING, IndexModel
from pymongo.database import Database

from shared.store.mongo import Document, Transaction, inserting, our_errors

LIVE = ("trialing", "active", "past_due")

INDEXES = [
    IndexModel(
        [("tenantId", ASCENDING)], name="live", unique=True, partialFilterExpression={"status": {"$in": list(LIVE)}}
    )
]


class Subscriptions:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["subscriptions"]

    def make_indexes(self) -> None:
        with our_errors():
            self._rows.create_indexes(INDEXES)

    def insert(self, tenant_id: str, plan: str, status: str, session: Transaction) -> None:
        document = {"_id": ObjectId(), "tenantId": tenant_id, "plan": plan, "status": status}
        self._rows.update_one(
            {"_id": document["_id"]},
            inserting(document, createdAt="$$NOW", updatedAt="$$NOW"),
            upsert=True,
            session=session,
        )
