"""The `allowances` collection: daily quotas that all processes share.

`taken`: times of the uses within the last day; `extra`: uses that an operator added; `heldSince`: when it was used up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pymongo.database import Database

from shared.db.documents import Document, Transaction, seconds_from_now, translate_errors

_SINCE = {"$gt": ["$$one", seconds_from_now(-86400.0)]}
#: the uses within the last day
_RECENT = {"$filter": {"input": {"$ifNull": ["$taken", []]}, "as": "one", "cond": _SINCE}}


@dataclass(frozen=True)
class QuotaState:
    """`used` within a day, `extra` uses left beyond the limit, `exhausted_since`: when a use was first refused."""

    used: int = 0
    extra: int = 0
    exhausted_since: datetime | None = None


class DailyQuota:
    """Counts the uses of one quota by atomic writes."""

    def __init__(self, database: Database[Document], name: str) -> None:
        self._name = name
        self._quotas = database["allowances"]

    def take(self, limit: int, session: Transaction) -> bool:
        """Count one use. False when the last day holds `limit` uses and no extra ones are left."""
        within = {"$lt": [{"$size": _RECENT}, limit]}
        extra: Document = {"$ifNull": ["$extra", 0]}
        left = {"_id": self._name, "$expr": {"$or": [within, {"$gt": [extra, 0]}]}}
        taken = {
            "taken": {"$concatArrays": [_RECENT, ["$$NOW"]]},
            "extra": {"$cond": [within, extra, {"$subtract": [extra, 1]}]},
            "heldSince": None,
        }
        self._begin(session)
        return self._quotas.update_one(left, [{"$set": taken}], session=session).matched_count == 1

    def mark_exhausted(self, session: Transaction) -> bool:
        """Record that a use was refused. False when that is on record already."""
        self._begin(session)
        fresh = {"_id": self._name, "heldSince": None}
        return self._quotas.update_one(fresh, [{"$set": {"heldSince": "$$NOW"}}], session=session).matched_count == 1

    def add_extra(self, count: int, session: Transaction) -> None:
        """Allow `count` more uses beyond the limit."""
        more = {"extra": {"$add": [{"$ifNull": ["$extra", 0]}, count]}, "taken": _RECENT}
        self._quotas.update_one({"_id": self._name}, [{"$set": more}], upsert=True, session=session)

    def find(self) -> QuotaState:
        with translate_errors():
            found = list(self._quotas.aggregate([{"$match": {"_id": self._name}}, {"$set": {"taken": _RECENT}}]))
        return _state(found[0]) if found else QuotaState()

    def _begin(self, session: Transaction) -> None:
        self._quotas.update_one({"_id": self._name}, {"$setOnInsert": {"taken": []}}, upsert=True, session=session)


def _state(document: Document) -> QuotaState:
    return QuotaState(len(document.get("taken") or []), document.get("extra", 0), document.get("heldSince"))
