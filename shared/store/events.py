"""The `events` collection: what was accepted and how it ended. Rows are only added, in the change's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.database import Database

from shared.store.mongo import Document, Transaction, inserting, our_errors

INDEXES = [IndexModel([("tenant", ASCENDING), ("_id", DESCENDING)], name="tenant")]


@dataclass(frozen=True)
class NewEvent:
    """`action` in the form `tenant.created`, `operation.succeeded`; `tenant` is its id."""

    action: str
    tenant: str | None
    actor: str | None
    request_id: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


class Events:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["events"]

    def make_indexes(self) -> None:
        with our_errors():
            self._rows.create_indexes(INDEXES)

    def append(self, event: NewEvent, session: Transaction) -> None:
        document = {
            "_id": ObjectId(),
            "action": event.action,
            "tenant": event.tenant,
            "actor": event.actor,
            "requestId": event.request_id,
            "before": event.before,
            "after": event.after,
        }
        self._rows.update_one({"_id": document["_id"]}, inserting(document, time="$$NOW"), upsert=True, session=session)
