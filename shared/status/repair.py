"""A paced job that keeps the fields which queries go by in line with the records they are derived from.

Two kinds of records need it: those from before the fields existed, and those that a process of an older build wrote
during a deployment. It walks over all tenants again and again, a few at a time.
"""

from __future__ import annotations

from pymongo import ASCENDING, UpdateOne
from pymongo.database import Database

from shared.db.documents import Document, our_errors
from shared.db.rate_limiter import RateLimiter
from shared.operations.problems import ANY, HAS_PROBLEM, field_of, problems_expression
from shared.tenants.filters import search_terms
from shared.workflows.model import INTEGRATION_OF_STEP

#: tenants of one run, and the seconds between two runs of all schedulers together: 20,000 tenants take five minutes
BATCH, PAUSE_SECONDS = 500, 8.0
_READ = {"operationId": 1, "slug": 1, "name": 1, "domains": 1, "owner": 1, "search": 1}
_CURSOR = "status-repair"


class StatusRepair:
    """A job of the scheduler. Every update matches only what differs, so a run over sound records writes nothing."""

    def __init__(self, database: Database[Document], paces: RateLimiter) -> None:
        self._tenants = database["tenants"]
        self._operations = database["operations"]
        self._cursors = database["counters"]
        self._paces = paces

    def push(self) -> int:
        """Repair the next few tenants when it is time; how many records were changed."""
        if not self._paces.take(_CURSOR, PAUSE_SECONDS):
            return 0
        with our_errors():
            cursor = self._cursors.find_one({"_id": _CURSOR}) or {}
            after = cursor.get("after")
            rows = list(
                self._tenants.find({"_id": {"$gt": after}} if after else {}, _READ).sort("_id", ASCENDING).limit(BATCH)
            )
            changed = self._repair(rows) if rows else 0
            last = rows[-1]["_id"] if len(rows) == BATCH else None
            self._cursors.update_one({"_id": _CURSOR}, [{"$set": {"after": last, "ranAt": "$$NOW"}}], upsert=True)
        return changed

    def seconds_since_run(self) -> float | None:
        """Return how long ago a scheduler ran this job, None when none ever did: it comes round every few seconds."""
        age = {"$divide": [{"$subtract": ["$$NOW", "$ranAt"]}, 1000]}
        with our_errors():
            rows = list(self._cursors.aggregate([{"$match": {"_id": _CURSOR}}, {"$project": {"age": age}}]))
        return float(rows[0]["age"]) if rows and rows[0].get("age") is not None else None

    def _repair(self, rows: list[Document]) -> int:
        latest = [row["operationId"] for row in rows if row.get("operationId")]
        ids = [row["_id"] for row in rows]
        derived = self._operations.update_many(
            {"_id": {"$in": latest}, "$expr": {"$ne": ["$problems", problems_expression()]}},
            [{"$set": {"problems": problems_expression()}}],
        )
        superseded = self._operations.update_many(
            {"tenantId": {"$in": [str(one) for one in ids]}, "_id": {"$nin": latest}, field_of(ANY): HAS_PROBLEM},
            {"$set": {"problems": {}}},
            hint=f"problems_{ANY}",
        )
        drifted = self._tenants.update_many(
            {"_id": {"$in": ids}, "$expr": {"$ne": [_drifted(), {"$ifNull": ["$drifted", []]}]}},
            [{"$set": {"drifted": {"$cond": [{"$eq": [_drifted(), []]}, "$$REMOVE", _drifted()]}}}],
        )
        changed = derived.modified_count + superseded.modified_count + drifted.modified_count
        return changed + self._fill_search(rows)

    def _fill_search(self, rows: list[Document]) -> int:
        writes: list[UpdateOne] = []
        for row in rows:
            owner = row["owner"]["email"] if row.get("owner") else None
            terms = search_terms(row["slug"], row["name"], row["domains"], owner)
            if row.get("search") != terms:
                # only if it is named as it was read: a change that was accepted since brings its own terms
                unchanged = {"_id": row["_id"], "name": row["name"], "domains": row["domains"]}
                writes.append(UpdateOne(unchanged, {"$set": {"search": terms}}))
        return self._tenants.bulk_write(writes, ordered=False).modified_count if writes else 0


def _drifted() -> Document:
    """An expression: the integrations of the steps for which the latest comparison found changes, in order."""
    steps = {"$objectToArray": {"$ifNull": ["$drift.changes", {}]}}
    others = [
        {"case": {"$eq": ["$$one.k", step]}, "then": integration}
        for step, integration in sorted(INTEGRATION_OF_STEP.items())
        if step != integration
    ]
    integration = {"$switch": {"branches": others, "default": "$$one.k"}}
    names = {"$map": {"input": steps, "as": "one", "in": integration}}
    return {"$setUnion": [names, []]}
