"""Operations whose steps are held back by a switch: held, and let go once it is off."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo import ReturnDocument
from pymongo.database import Database

from shared.db.bulk_update import update_unlocked
from shared.db.documents import Document, object_id, our_errors
from shared.operations import holds as holding
from shared.operations import step_updates as progress
from shared.operations.documents import KNOWN, operation_of
from shared.operations.model import Operation, OperationStatus
from shared.switches.model import Hold


class Holds:
    def __init__(self, database: Database[Document], dispatch_grace: float) -> None:
        self._grace = dispatch_grace
        self._operations = database["operations"]

    def hold(self, operation_id: str, step: str, dispatch: int, hold: Hold) -> Operation | None:
        """Hold back a step that could be claimed now; no attempt is spent. None when it could not be claimed."""
        condition = {
            "_id": object_id(operation_id),
            **KNOWN,
            "status": OperationStatus.RUNNING,
            "$expr": progress.claimable(step, dispatch),
        }
        with our_errors():
            row = self._operations.find_one_and_update(
                condition, holding.held(step, hold, self._grace), return_document=ReturnDocument.AFTER
            )
        return operation_of(row) if row else None

    def any(self) -> bool:
        """Whether any step is held back."""
        with our_errors():
            return self._operations.find_one({"heldBy": {"$exists": True}}, {"_id": 1}) is not None

    def release(self, stopped: Sequence[str], limit: int) -> int:
        """Make due what is held by any switch but these; how many operations that were, `limit` at most."""
        condition = {"heldBy": {"$elemMatch": {"$nin": list(stopped)}}, "status": OperationStatus.RUNNING}
        with our_errors():
            keys = [row["_id"] for row in self._operations.find(condition, {"_id": 1}).limit(limit)]
        if keys:
            update_unlocked(self._operations, keys, condition, holding.released(stopped))
        return len(keys)
