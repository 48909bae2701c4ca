"""How many tenants wait for their turn, and whether there are several: over the collection `tenants`."""

from __future__ import annotations

from pymongo.database import Database

from shared.db.documents import Document, our_errors


class TenantCounts:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["tenants"]

    def count_over(self, most: int = 10_000) -> int:
        """How many deleted tenants' grace has run out, counted up to `most`."""
        over = {"purgeAfter": {"$exists": True}, "$expr": {"$lte": ["$purgeAfter", "$$NOW"]}}
        with our_errors():
            return self._rows.count_documents(over, limit=most, hint="purge")

    def are_several(self) -> bool:
        """Whether there is more than the one tenant that a new database is given."""
        with our_errors():
            return len(list(self._rows.find({}, {"_id": 1}).limit(2))) > 1
