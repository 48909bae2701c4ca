"""The `diagnostics` collection: requested runs, which schedulers claim, and their results."""

from __future__ import annotations

from collections.abc import Sequence

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.database import Database

from shared.db.documents import (
    Document,
    find_by_id,
    find_value,
    required,
    seconds_from_now,
    translate_errors,
    update_value,
    upsert_pipeline,
)
from shared.db.lease_queue import LeaseQueue
from shared.db.mapping import mapper
from shared.diagnostics.model import Check, Diagnosis, RunStatus

#: how long a run is kept, and how long a claim holds, in seconds
RETENTION_SECONDS, LEASE = 30 * 86400.0, 180.0

INDEXES = [
    IndexModel([("dueAt", ASCENDING)], name="due", partialFilterExpression={"dueAt": {"$type": "date"}}),
    IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0),
]


class DiagnosticsRepository:
    """Reads and writes runs; claims waiting ones under a lease."""

    def __init__(self, database: Database[Document]) -> None:
        self._runs = database["diagnostics"]
        self._queue = LeaseQueue(self._runs)

    def insert(self, requested_by: str | None) -> Diagnosis:
        """Record a requested run."""
        document = {"_id": ObjectId(), "status": RunStatus.WAITING, "requestedBy": requested_by, "checks": []}
        times = {"createdAt": "$$NOW", "dueAt": "$$NOW", "expiresAt": seconds_from_now(RETENTION_SECONDS)}
        update = upsert_pipeline(document, **times)
        return required(update_value(self._runs, {"_id": document["_id"]}, update, _diagnosis, upsert=True))

    def find(self, run_id: str) -> Diagnosis | None:
        return find_by_id(self._runs, run_id, _diagnosis)

    def latest(self) -> Diagnosis | None:
        """Return the newest run that has finished."""
        return find_value(self._runs, {"status": RunStatus.FINISHED}, _diagnosis, sort=[("_id", DESCENDING)])

    def claim(self) -> str | None:
        """Claim the run that has been waiting longest; return its id."""
        lease = self._queue.claim(LEASE, changes={"status": RunStatus.RUNNING})
        return str(lease.document["_id"]) if lease else None

    def finish(self, run_id: str, checks: Sequence[Check]) -> None:
        """Record the checks of a run, whichever scheduler made them: two of one run say the same."""
        fields = {"status": RunStatus.FINISHED, "dueAt": None, "finishedAt": "$$NOW"}
        documents = [vars(check) for check in checks]
        with translate_errors():
            self._runs.update_one({"_id": ObjectId(run_id)}, [{"$set": {**fields, "checks": {"$literal": documents}}}])


_diagnosis = mapper(Diagnosis)
