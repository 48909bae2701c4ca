"""Rate limiter that all processes share: a token bucket in MongoDB, on the database's clock."""

from __future__ import annotations

from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from shared.db.documents import Document, seconds_from_now, translate_errors

#: unused tokens add up to at most so many seconds' worth
BURST_SECONDS = 5.0


class RateLimiter:
    """Takes tokens by atomic writes."""

    def __init__(self, database: Database[Document]) -> None:
        self._buckets = database["paces"]

    def take(self, name: str, seconds: float) -> bool:
        """Take a token; one is added every `seconds`. False when none is left."""
        earliest = seconds_from_now(-max(BURST_SECONDS - seconds, 0.0))
        following = {"$add": [{"$max": ["$nextAt", earliest]}, round(seconds * 1000)]}
        due = {"_id": name, "$expr": {"$lte": ["$nextAt", "$$NOW"]}}
        with translate_errors():
            if self._buckets.update_one(due, [{"$set": {"nextAt": following}}]).matched_count == 1:
                return True
            return self._first(name, seconds)

    def _first(self, name: str, seconds: float) -> bool:
        fresh = {"_id": name, "nextAt": {"$exists": False}}
        try:
            self._buckets.update_one(fresh, [{"$set": {"nextAt": seconds_from_now(seconds)}}], upsert=True)
        except DuplicateKeyError:
            return False  # another process took the first token
        return True
