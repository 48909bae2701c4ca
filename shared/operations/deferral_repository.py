"""Defers steps in the `operations` collection, and releases them once their switch is off."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo import ReturnDocument
from pymongo.database import Database

from shared.db.bulk_update import update_unlocked
from shared.db.documents import Document, object_id, our_errors
from shared.operations import deferrals as updates
from shared.operations import step_updates as progress
from shared.operations.documents import KNOWN, operation_of
from shared.operations.model import Operation, OperationStatus
from shared.switches.model import Deferral


class DeferralRepository:
    def __init__(self, database: Database[Document], dispatch_grace: float) -> None:
        self._grace = dispatch_grace
        self._operations = database["operations"]

    def defer(self, operation_id: str, step: str, dispatch: int, deferral: Deferral) -> Operation | None:
        """Defer a step that could be claimed now; no attempt is spent. Return None when it could not be claimed."""
        condition = {
            "_id": object_id(operation_id),
            **KNOWN,
            "status": OperationStatus.RUNNING,
            "$expr": progress.claimable(step, dispatch),
        }
        with our_errors():
            row = self._operations.find_one_and_update(
                condition, updates.deferred(step, deferral, self._grace), return_document=ReturnDocument.AFTER
            )
        return operation_of(row) if row else None

    def any(self) -> bool:
        """Return whether any step is deferred."""
        with our_errors():
            return self._operations.find_one({"heldBy": {"$exists": True}}, {"_id": 1}) is not None

    def release(self, stopped: Sequence[str], limit: int) -> int:
        """Release steps deferred by any switch but these; return how many operations had some, `limit` at most."""
        condition = {"heldBy": {"$elemMatch": {"$nin": list(stopped)}}, "status": OperationStatus.RUNNING}
        with our_errors():
            keys = [row["_id"] for row in self._operations.find(condition, {"_id": 1}).limit(limit)]
        if keys:
            update_unlocked(self._operations, keys, condition, updates.released(stopped))
        return len(keys)
