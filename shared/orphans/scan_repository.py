"""The `orphan_looks` collection: when each integration is looked through for orphans, a row for each, its own queue.

`dueAt`: due from then on; a claim moves it to the lease's end; none: when somebody asks. `number`: raised whenever a
look is asked for, so that one which began before does not count for it.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.database import Database

from shared.db.documents import Document, Transaction, our_errors, seconds_from_now
from shared.orphans.model import LOOKED_THROUGH, OrphanLook

INDEXES = [IndexModel([("dueAt", ASCENDING)], name="due", sparse=True)]


@dataclass(frozen=True)
class OrphanLookClaim:
    """An integration taken for one look. `attempts`: in a row without success, this one included."""

    integration: str
    number: int
    attempts: int
    began_at: datetime
    token: str


class OrphanScanRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["orphan_looks"]

    def make_indexes(self) -> None:
        with our_errors():
            self._rows.create_indexes(INDEXES)

    def begin(self) -> None:
        """Integrations that were never looked through are due now. Idempotent."""
        for name in LOOKED_THROUGH:
            with our_errors():
                self._rows.update_one(
                    {"_id": name}, [{"$replaceWith": {"$mergeObjects": [{"dueAt": "$$NOW"}, "$$ROOT"]}}], upsert=True
                )

    def ask(self, session: Transaction) -> None:
        """Have every integration looked through now."""
        asked = {"dueAt": "$$NOW", "number": {"$add": [{"$ifNull": ["$number", 0]}, 1]}, "attempts": 0, "token": None}
        for name in LOOKED_THROUGH:
            self._rows.update_one({"_id": name}, [{"$set": asked}], upsert=True, session=session)

    def all(self, session: Transaction | None = None) -> list[OrphanLook]:
        """One for each integration, looked through or not."""
        with our_errors():
            rows = {row["_id"]: row for row in self._rows.find(session=session)}
        return [_look(name, rows.get(name, {})) for name in LOOKED_THROUGH]

    def claim(self, integrations: Collection[str], lease_seconds: float) -> OrphanLookClaim | None:
        """Take the one of these that is longest due."""
        token = secrets.token_hex(8)
        due: Document = {
            "dueAt": {"$exists": True},
            "_id": {"$in": list(integrations)},
            "$expr": {"$lte": ["$dueAt", "$$NOW"]},
        }
        taken = {
            "dueAt": seconds_from_now(lease_seconds),
            "token": token,
            "beganAt": "$$NOW",
            "number": {"$ifNull": ["$number", 0]},
            "attempts": {"$add": [{"$ifNull": ["$attempts", 0]}, 1]},
        }
        with our_errors():
            row = self._rows.find_one_and_update(
                due, [{"$set": taken}], sort=[("dueAt", ASCENDING)], return_document=ReturnDocument.AFTER
            )
        return OrphanLookClaim(row["_id"], row["number"], row["attempts"], row["beganAt"], token) if row else None

    def end(self, claim: OrphanLookClaim, interval: float, seen: OrphanLook, session: Transaction) -> bool:
        """The look is done; the next is due after `interval` seconds, 0: when asked for. False: it counts for nothing,
        as another took over or one was asked for since, which is due already."""
        fields = {
            "dueAt": seconds_from_now(interval) if interval else "$$REMOVE",
            "doneAt": "$$NOW",
            "stamped": seen.stamped,
            "orphans": seen.orphans,
            "attempts": 0,
            "token": None,
            **_stopped(None, None, None),
        }
        return self._rows.update_one(_still_claimed(claim), [{"$set": fields}], session=session).matched_count == 1

    def put_off(self, claim: OrphanLookClaim, seconds: float, stopped: OrphanLook) -> None:
        """Look again after so many seconds; what stopped this one is shown meanwhile."""
        fields = {"dueAt": seconds_from_now(seconds), "token": None}
        with our_errors():
            self._rows.update_one(
                _still_claimed(claim),
                [{"$set": fields | _stopped(stopped.reason, stopped.message, stopped.remedy)}],
            )


def _still_claimed(claim: OrphanLookClaim) -> Document:
    return {"_id": claim.integration, "token": claim.token, "number": claim.number}


def _stopped(reason: str | None, message: str | None, remedy: str | None) -> Document:
    given = {"reason": reason, "message": message, "remedy": remedy}
    return {name: {"$literal": value} for name, value in given.items()}


def _look(name: str, row: Document) -> OrphanLook:
    return OrphanLook(
        integration=name,
        done_at=row.get("doneAt"),
        due_at=row.get("dueAt"),
        began_at=row.get("beganAt"),
        stamped=row.get("stamped", 0),
        orphans=row.get("orphans", 0),
        reason=row.get("reason"),
        message=row.get("message"),
        remedy=row.get("remedy"),
    )
