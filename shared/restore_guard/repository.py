"""The `epochs` collection: one document with a number that only rises, to recognise an older copy of the database."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from shared.db.documents import Document, Transaction, find_value, seconds_from_now, translate_errors, update_value

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
        return find_value(self._epochs, {"_id": KEY}, _epoch)

    def find_confirmed(self) -> Epoch | None:
        """Read with a majority write, which fails on a former primary that does not know its replacement yet."""
        return update_value(self._epochs, {"_id": KEY}, [{"$set": {"confirmedAt": "$$NOW"}}], _epoch)

    def create(self, database_id: str) -> None:
        """Give the database an id, unless it has one."""
        with translate_errors(), suppress(DuplicateKeyError):
            self._epochs.insert_one({"_id": KEY, "line": database_id, "number": 1, "forgiven": True})

    def advance(self, seconds: float) -> Epoch | None:
        """Raise the number when it is at least `seconds` old. Return None when it is younger."""
        due: Document = {"$lte": [{"$ifNull": ["$raisedAt", None]}, seconds_from_now(-seconds)]}
        raised = {"number": {"$add": ["$number", 1]}, "raisedAt": "$$NOW"}
        return update_value(self._epochs, {"_id": KEY, "$expr": due}, [{"$set": raised}], _epoch)

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
