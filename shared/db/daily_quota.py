"""The `allowances` collection: quotas per time span that all processes share.

`taken`: times of the uses within the span; `extra`: uses that an operator added; `heldSince`: when it was used up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pymongo import ReturnDocument
from pymongo.database import Database

from shared.db.documents import Document, Transaction, required, seconds_from_now, translate_errors


@dataclass(frozen=True)
class QuotaState:
    """`used` within the span, `extra` uses left beyond the limit, `exhausted_since`: when a use was first refused."""

    used: int = 0
    extra: int = 0
    exhausted_since: datetime | None = None


class DailyQuota:
    """Counts uses by atomic writes."""

    def __init__(self, database: Database[Document]) -> None:
        self._quotas = database["allowances"]

    def take(self, name: str, most: int, seconds: float, session: Transaction) -> bool:
        """Count one use. False when the last `seconds` hold `most` uses and no extra ones are left."""
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
        return self._quotas.update_one(left, [{"$set": taken}], session=session).matched_count == 1

    def mark_exhausted(self, name: str, session: Transaction) -> bool:
        """Record that a use was refused. False when that is on record already."""
        self._begin(name, session)
        fresh = {"_id": name, "heldSince": None}
        return self._quotas.update_one(fresh, [{"$set": {"heldSince": "$$NOW"}}], session=session).matched_count == 1

    def add_extra(self, name: str, count: int, seconds: float, session: Transaction) -> QuotaState:
        """Allow `count` more uses beyond the limit."""
        more = {"extra": {"$add": [{"$ifNull": ["$extra", 0]}, count]}, "taken": _recent(seconds)}
        document = self._quotas.find_one_and_update(
            {"_id": name}, [{"$set": more}], upsert=True, return_document=ReturnDocument.AFTER, session=session
        )
        return _state(required(document))

    def find(self, name: str, seconds: float) -> QuotaState:
        """Return the state of a quota with a span of `seconds`."""
        with translate_errors():
            found = list(self._quotas.aggregate([{"$match": {"_id": name}}, {"$set": {"taken": _recent(seconds)}}]))
        return _state(found[0]) if found else QuotaState()

    def _begin(self, name: str, session: Transaction) -> None:
        self._quotas.update_one({"_id": name}, {"$setOnInsert": {"taken": []}}, upsert=True, session=session)


def _recent(seconds: float) -> Document:
    since = {"$gt": ["$$one", seconds_from_now(-seconds)]}
    return {"$filter": {"input": {"$ifNull": ["$taken", []]}, "as": "one", "cond": since}}


def _state(document: Document) -> QuotaState:
    return QuotaState(len(document.get("taken") or []), document.get("extra", 0), document.get("heldSince"))
