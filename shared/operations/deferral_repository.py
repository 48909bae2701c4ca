"""Defer steps in the `operations` collection, and release them when the breaker closes or the pause ends."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo.database import Database

from shared.db.bulk_update import update_unlocked
from shared.db.documents import Document, object_id, translate_errors, update_value
from shared.operations import deferrals, step_updates
from shared.operations.documents import KNOWN, operation_of
from shared.operations.model import Operation, OperationStatus
from shared.switches.model import Deferral


class DeferralRepository:
    """`dispatch_grace`: see `OperationRepository`."""

    def __init__(self, database: Database[Document], dispatch_grace: float) -> None:
        self._grace = dispatch_grace
        self._operations = database["operations"]

    def defer(self, operation_id: str, step: str, dispatch: int, deferral: Deferral) -> Operation | None:
        """Defer a step without spending an attempt. Return None when the step could not be claimed now."""
        condition = {
            "_id": object_id(operation_id),
            **KNOWN,
            "status": OperationStatus.RUNNING,
            "$expr": step_updates.claimable(step, dispatch),
        }
        return update_value(self._operations, condition, deferrals.deferred(step, deferral, self._grace), operation_of)

    def any(self) -> bool:
        """Return true when at least one step is deferred."""
        with translate_errors():
            return self._operations.find_one({"heldBy": {"$exists": True}}, {"_id": 1}) is not None

    def release(self, stopped: Sequence[str], limit: int) -> int:
        """Release steps whose switch is not in `stopped`, in at most `limit` operations; return how many operations."""
        condition = {"heldBy": {"$elemMatch": {"$nin": list(stopped)}}, "status": OperationStatus.RUNNING}
        with translate_errors():
            keys = [document["_id"] for document in self._operations.find(condition, {"_id": 1}).limit(limit)]
        if keys:
            update_unlocked(self._operations, keys, condition, deferrals.released(stopped))
        return len(keys)
