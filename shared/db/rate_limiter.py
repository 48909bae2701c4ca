"""How often something may be done by all processes together: turns, taken by atomic updates on the database's clock."""

from __future__ import annotations

from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from shared.db.documents import Document, our_errors, seconds_from_now

#: turns nobody took add up to so many seconds' worth, and no more
CATCH_UP = 5.0


class RateLimiter:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["paces"]

    def take(self, name: str, seconds: float) -> bool:
        """Take a turn of which there is one every so many seconds; False when it is too early for the next."""
        earliest = seconds_from_now(-max(CATCH_UP - seconds, 0.0))
        following = {"$add": [{"$max": ["$nextAt", earliest]}, round(seconds * 1000)]}
        due = {"_id": name, "$expr": {"$lte": ["$nextAt", "$$NOW"]}}
        with our_errors():
            if self._rows.update_one(due, [{"$set": {"nextAt": following}}]).matched_count == 1:
                return True
            return self._first(name, seconds)

    def _first(self, name: str, seconds: float) -> bool:
        fresh = {"_id": name, "nextAt": {"$exists": False}}
        try:
            self._rows.update_one(fresh, [{"$set": {"nextAt": seconds_from_now(seconds)}}], upsert=True)
        except DuplicateKeyError:
            return False  # there were turns before, and the next is not due
        return True
