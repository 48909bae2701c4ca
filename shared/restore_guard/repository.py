"""The `epochs` collection: one document with a number that only rises, to recognise an older copy of the database."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from pymongo import ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from shared.db.documents import Document, Transaction, seconds_from_now, translate_errors

KEY = "epoch"


@dataclass(frozen=True)
class Epoch:
    """The database's own position. `database_id` is also in its backups.

    `is_accepted`: the database is right regardless of the high-water mark, as an operator ended observe-only mode.
    """

    database_id: str
    number: int
    is_accepted: bool = False


class RestoreGuardRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._epochs = database["epochs"]

    def find(self) -> Epoch | None:
        with translate_errors():
            document = self._epochs.find_one({"_id": KEY})
        return _epoch(document) if document else None

    def find_confirmed(self) -> Epoch | None:
        """Read with a majority write, which fails on a former primary that does not know its replacement yet."""
        with translate_errors():
            document = self._epochs.find_one_and_update(
                {"_id": KEY}, [{"$set": {"confirmedAt": "$$NOW"}}], return_document=ReturnDocument.AFTER
            )
        return _epoch(document) if document else None

    def create(self, database_id: str) -> None:
        """Give the database an id, unless it has one."""
        with translate_errors(), suppress(DuplicateKeyError):
            self._epochs.insert_one({"_id": KEY, "line": database_id, "number": 1, "forgiven": True})

    def advance(self, seconds: float) -> Epoch | None:
        """Raise the number when it is at least `seconds` old. Return None when it is younger."""
        due: Document = {"$lte": [{"$ifNull": ["$raisedAt", None]}, seconds_from_now(-seconds)]}
        raised = {"number": {"$add": ["$number", 1]}, "raisedAt": "$$NOW"}
        with translate_errors():
            document = self._epochs.find_one_and_update(
                {"_id": KEY, "$expr": due}, [{"$set": raised}], return_document=ReturnDocument.AFTER
            )
        return _epoch(document) if document else None

    def accept(self, session: Transaction) -> None:
        """Accept this database regardless of the high-water mark."""
        self._epochs.update_one({"_id": KEY}, {"$set": {"forgiven": True}}, session=session)

    def complete_acceptance(self, number: int) -> None:
        """Raise the number to at least the marked one; from then on the high-water mark counts again."""
        completed = {"number": {"$max": ["$number", number]}, "forgiven": False}
        with translate_errors():
            self._epochs.update_one({"_id": KEY, "forgiven": True}, [{"$set": completed}])


def _epoch(document: Document) -> Epoch:
    return Epoch(document["line"], document["number"], bool(document.get("forgiven")))
