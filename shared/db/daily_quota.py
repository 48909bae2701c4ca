"""The `allowances` collection: how often something may be done by itself within a span, all processes together.

`taken`: when, within the span; `extra`: how often more somebody has allowed; `heldSince`: since when it is used up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pymongo import ReturnDocument
from pymongo.database import Database

from shared.db.documents import Document, Transaction, our_errors, present, seconds_from_now


@dataclass(frozen=True)
class Allowance:
    """As it stands: `taken` within the span, `extra` left beyond it, `held_since`: when it was found used up."""

    taken: int = 0
    extra: int = 0
    held_since: datetime | None = None


class DailyQuota:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["allowances"]

    def take(self, name: str, most: int, seconds: float, session: Transaction) -> bool:
        """Use one up; False when `most` were taken in the last `seconds` and nothing extra was allowed."""
        recent = _recent(seconds)
        within = {"$lt": [{"$size": recent}, most]}
        extra: Document = {"$ifNull": ["$extra", 0]}
        left = {"_id": name, "$expr": {"$or": [within, {"$gt": [extra, 0]}]}}
        taken = {
            "taken": {"$concatArrays": [recent, ["$$NOW"]]},
            "extra": {"$cond": [within, extra, {"$subtract": [extra, 1]}]},
            "heldSince": None,
        }
        self._begin(name, session)
        return self._rows.update_one(left, [{"$set": taken}], session=session).matched_count == 1

    def hold(self, name: str, session: Transaction) -> bool:
        """Note that it is used up and something waits; False when that was noted before."""
        self._begin(name, session)
        fresh = {"_id": name, "heldSince": None}
        return self._rows.update_one(fresh, [{"$set": {"heldSince": "$$NOW"}}], session=session).matched_count == 1

    def allow(self, name: str, count: int, seconds: float, session: Transaction) -> Allowance:
        """Let it be done so often more, beyond the span's."""
        more = {"extra": {"$add": [{"$ifNull": ["$extra", 0]}, count]}, "taken": _recent(seconds)}
        row = self._rows.find_one_and_update(
            {"_id": name}, [{"$set": more}], upsert=True, return_document=ReturnDocument.AFTER, session=session
        )
        return _allowance(present(row))

    def find(self, name: str, seconds: float) -> Allowance:
        with our_errors():
            found = list(self._rows.aggregate([{"$match": {"_id": name}}, {"$set": {"taken": _recent(seconds)}}]))
        return _allowance(found[0]) if found else Allowance()

    def _begin(self, name: str, session: Transaction) -> None:
        self._rows.update_one({"_id": name}, {"$setOnInsert": {"taken": []}}, upsert=True, session=session)


def _recent(seconds: float) -> Document:
    since = {"$gt": ["$$one", seconds_from_now(-seconds)]}
    return {"$filter": {"input": {"$ifNull": ["$taken", []]}, "as": "one", "cond": since}}


def _allowance(row: Document) -> Allowance:
    return Allowance(len(row.get("taken") or []), row.get("extra", 0), row.get("heldSince"))
