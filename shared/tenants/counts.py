"""Counts over the `tenants` collection."""

from __future__ import annotations

from pymongo.database import Database

from shared.db.documents import Document, translate_errors


class TenantCounts:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["tenants"]

    def count_purgeable(self, most: int = 10_000) -> int:
        """Return how many deleted tenants are due for a purge; stop counting at `most`."""
        over = {"purgeAfter": {"$exists": True}, "$expr": {"$lte": ["$purgeAfter", "$$NOW"]}}
        with translate_errors():
            return self._rows.count_documents(over, limit=most, hint="purge")

    def has_several(self) -> bool:
        """Return true for at least two tenants. One may be the tenant that the first start creates."""
        with translate_errors():
            return len(list(self._rows.find({}, {"_id": 1}).limit(2))) > 1
