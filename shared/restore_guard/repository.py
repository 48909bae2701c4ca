"""The `epochs` collection: one row with a number that only rises, by which an older copy of the database is told."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from pymongo import ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from shared.db.documents import Document, Transaction, our_errors, seconds_from_now

KEY = "epoch"


@dataclass(frozen=True)
class Epoch:
    """`line`: the database's own name, kept in its backups. `is_forgiven`: an operator has ended the observing."""

    line: str
    number: int
    is_forgiven: bool = False


class RestoreGuardRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["epochs"]

    def find(self) -> Epoch | None:
        with our_errors():
            row = self._rows.find_one({"_id": KEY})
        return _epoch(row) if row else None

    def confirmed(self) -> Epoch | None:
        """The same, by a write that a majority took: a primary that was deposed and does not know it cannot answer."""
        with our_errors():
            row = self._rows.find_one_and_update(
                {"_id": KEY}, [{"$set": {"confirmedAt": "$$NOW"}}], return_document=ReturnDocument.AFTER
            )
        return _epoch(row) if row else None

    def begin(self, line: str) -> None:
        """Give the database its name, unless it has one."""
        with our_errors(), suppress(DuplicateKeyError):
            self._rows.insert_one({"_id": KEY, "line": line, "number": 1, "forgiven": True})

    def raise_number(self, seconds: float) -> Epoch | None:
        """The next number, if the last is `seconds` old. None when it is not."""
        due: Document = {"$lte": [{"$ifNull": ["$raisedAt", None]}, seconds_from_now(-seconds)]}
        raised = {"number": {"$add": ["$number", 1]}, "raisedAt": "$$NOW"}
        with our_errors():
            row = self._rows.find_one_and_update(
                {"_id": KEY, "$expr": due}, [{"$set": raised}], return_document=ReturnDocument.AFTER
            )
        return _epoch(row) if row else None

    def forgive(self, session: Transaction) -> None:
        """From now on this database counts, whatever was seen before."""
        self._rows.update_one({"_id": KEY}, {"$set": {"forgiven": True}}, session=session)

    def reach(self, number: int) -> None:
        """Be no lower than a number that was seen before, which is forgiven by that."""
        reached = {"number": {"$max": ["$number", number]}, "forgiven": False}
        with our_errors():
            self._rows.update_one({"_id": KEY, "forgiven": True}, [{"$set": reached}])


def _epoch(row: Document) -> Epoch:
    return Epoch(row["line"], row["number"], bool(row.get("forgiven")))
