"""A rate-limited job that repairs projections: stored fields for queries that are derived from other fields.

Records older than the fields need it, and records that a process of an older build writes during a deployment. The job
goes through all tenants again and again, in batches, with a stored cursor.
"""

from __future__ import annotations

from pymongo import ASCENDING, UpdateOne
from pymongo.database import Database

from shared.db.documents import Document, translate_errors
from shared.db.rate_limiter import RateLimiter
from shared.operations.problems import ANY, HAS_PROBLEM, field_of, problems_expression
from shared.tenants.filters import search_terms
from shared.workflows.model import INTEGRATION_OF_STEP

#: tenants in one run, and seconds between two runs of all schedulers together: 20,000 tenants take five minutes
BATCH, PAUSE_SECONDS = 500, 8.0
_READ = {"operationId": 1, "slug": 1, "name": 1, "domains": 1, "owner": 1, "search": 1}
_CURSOR = "status-repair"


class StatusRepair:
    """A job of the scheduler. Each update matches only records that differ, so a run without faults writes nothing."""

    def __init__(self, database: Database[Document], rate_limiter: RateLimiter) -> None:
        self._tenants = database["tenants"]
        self._operations = database["operations"]
        self._cursors = database["counters"]
        self._rate_limiter = rate_limiter

    def run_once(self) -> int:
        """Repair the next batch if the rate limit allows it; return how many records were changed."""
        if not self._rate_limiter.take(_CURSOR, PAUSE_SECONDS):
            return 0
        with translate_errors():
            cursor = self._cursors.find_one({"_id": _CURSOR}) or {}
            after = cursor.get("after")
            documents = list(
                self._tenants.find({"_id": {"$gt": after}} if after else {}, _READ).sort("_id", ASCENDING).limit(BATCH)
            )
            changed = self._repair(documents) if documents else 0
            last = documents[-1]["_id"] if len(documents) == BATCH else None
            self._cursors.update_one({"_id": _CURSOR}, [{"$set": {"after": last, "ranAt": "$$NOW"}}], upsert=True)
        return changed

    def seconds_since_run(self) -> float | None:
        """Return the seconds since a scheduler last ran this job, or None if never. Shows that a scheduler is alive."""
        age = {"$divide": [{"$subtract": ["$$NOW", "$ranAt"]}, 1000]}
        with translate_errors():
            documents = list(self._cursors.aggregate([{"$match": {"_id": _CURSOR}}, {"$project": {"age": age}}]))
        return float(documents[0]["age"]) if documents and documents[0].get("age") is not None else None

    def _repair(self, documents: list[Document]) -> int:
        latest = [document["operationId"] for document in documents if document.get("operationId")]
        ids = [document["_id"] for document in documents]
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
            {"_id": {"$in": ids}, "$expr": {"$ne": [_drifted_integrations(), {"$ifNull": ["$drifted", []]}]}},
            [
                {
                    "$set": {
                        "drifted": {
                            "$cond": [{"$eq": [_drifted_integrations(), []]}, "$$REMOVE", _drifted_integrations()]
                        }
                    }
                }
            ],
        )
        changed = derived.modified_count + superseded.modified_count + drifted.modified_count
        return changed + self._fill_search(documents)

    def _fill_search(self, documents: list[Document]) -> int:
        writes: list[UpdateOne] = []
        for document in documents:
            owner = document["owner"]["email"] if document.get("owner") else None
            terms = search_terms(document["slug"], document["name"], document["domains"], owner)
            if document.get("search") != terms:
                # conditional: a change that was accepted since the read has written its own terms
                unchanged = {"_id": document["_id"], "name": document["name"], "domains": document["domains"]}
                writes.append(UpdateOne(unchanged, {"$set": {"search": terms}}))
        return self._tenants.bulk_write(writes, ordered=False).modified_count if writes else 0


def _drifted_integrations() -> Document:
    """Return an expression for the sorted integrations in which the latest drift check found drift."""
    steps = {"$objectToArray": {"$ifNull": ["$drift.changes", {}]}}
    others = [
        {"case": {"$eq": ["$$one.k", step]}, "then": integration}
        for step, integration in sorted(INTEGRATION_OF_STEP.items())
        if step != integration
    ]
    integration = {"$switch": {"branches": others, "default": "$$one.k"}}
    names = {"$map": {"input": steps, "as": "one", "in": integration}}
    return {"$setUnion": [names, []]}
