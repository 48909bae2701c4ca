"""The `orphan_looks` collection: one document for each scanned integration, with its latest scan and the next due time.

`number`: raised by each request for a scan, so that a scan which began before the request does not answer it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from pymongo import ASCENDING, IndexModel
from pymongo.database import Database

from shared.db.documents import Document, Transaction, literals, seconds_from_now, translate_errors
from shared.db.lease_queue import LeaseQueue
from shared.db.mapping import mapper
from shared.integrations.catalog import SCANNED
from shared.orphans.model import OrphanScan

INDEXES = [IndexModel([("dueAt", ASCENDING)], name="due", sparse=True)]


@dataclass(frozen=True)
class OrphanScanClaim:
    """An integration claimed for one scan. `attempts`: attempts in a row without success, this one included."""

    integration: str
    number: int
    attempts: int
    began_at: datetime
    token: str


class OrphanScanRepository:
    """Reads and writes scans; claims due ones under a lease."""

    def __init__(self, database: Database[Document]) -> None:
        self._scans = database["orphan_looks"]
        self._queue = LeaseQueue(self._scans, claim_field="token")

    def begin(self) -> None:
        """Make integrations that were never scanned due now. Idempotent."""
        for name in SCANNED:
            with translate_errors():
                self._scans.update_one(
                    {"_id": name}, [{"$replaceWith": {"$mergeObjects": [{"dueAt": "$$NOW"}, "$$ROOT"]}}], upsert=True
                )

    def request(self, session: Transaction) -> None:
        """Make a scan of every integration due now."""
        number = {"$add": [{"$ifNull": ["$number", 0]}, 1]}
        requested = {"dueAt": "$$NOW", "number": number, "attempts": 0, "token": None}
        for name in SCANNED:
            self._scans.update_one({"_id": name}, [{"$set": requested}], upsert=True, session=session)

    def all(self, session: Transaction | None = None) -> list[OrphanScan]:
        """Return the latest scan of each integration, also of those never scanned."""
        with translate_errors():
            documents = {document["_id"]: document for document in self._scans.find(session=session)}
        return [_scan(documents.get(name, {"_id": name})) for name in SCANNED]

    def claim(self, integrations: Collection[str], lease_seconds: float) -> OrphanScanClaim | None:
        """Claim the one of these integrations that has been due longest."""
        changes = {
            "beganAt": "$$NOW",
            "number": {"$ifNull": ["$number", 0]},
            "attempts": {"$add": [{"$ifNull": ["$attempts", 0]}, 1]},
        }
        lease = self._queue.claim(lease_seconds, {"_id": {"$in": list(integrations)}}, changes)
        if lease is None:
            return None
        document = lease.document
        return OrphanScanClaim(
            document["_id"], document["number"], document["attempts"], document["beganAt"], lease.token
        )

    def end(self, claim: OrphanScanClaim, interval: float, seen: OrphanScan, session: Transaction) -> bool:
        """Record a finished scan. False when another process took over, or a scan was requested since.

        `interval`: seconds until the next scan, 0: on request only.
        """
        fields = {
            "dueAt": seconds_from_now(interval) if interval else "$$REMOVE",
            "doneAt": "$$NOW",
            "stamped": seen.marked,
            "orphans": seen.orphans,
            "attempts": 0,
            **_failure(None, None, None),
        }
        return self._queue.release(_claimed_by(claim), claim.token, fields, session)

    def postpone(self, claim: OrphanScanClaim, seconds: float, failed: OrphanScan) -> None:
        """Record why a scan failed; make it due again after so many seconds."""
        fields = {"dueAt": seconds_from_now(seconds), **_failure(failed.reason, failed.message, failed.remedy)}
        self._queue.release(_claimed_by(claim), claim.token, fields)


def _claimed_by(claim: OrphanScanClaim) -> Document:
    return {"_id": claim.integration, "number": claim.number}


def _failure(reason: str | None, message: str | None, remedy: str | None) -> Document:
    return literals({"reason": reason, "message": message, "remedy": remedy})


_scan = mapper(OrphanScan, integration="_id", marked="stamped")
