"""The `orphans` collection: what was seen outside that belongs to nobody, and its removals, each row its own queue.

`dueAt`: a removal that was asked for is due from then on; a claim moves it to the lease's end. `untold`: no event has
told of it yet.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.database import Database

from shared.db.documents import Document, Transaction, newest_first, object_id, our_errors, seconds_from_now
from shared.db.paging import Page
from shared.orphans.model import Cause, MarkedObject, Orphan, OrphanKind, OrphanQuery, OrphanStatus, Removal

INDEXES = [
    IndexModel([("integration", ASCENDING), ("kind", ASCENDING), ("objectId", ASCENDING)], name="object", unique=True),
    IndexModel([("integration", ASCENDING), ("_id", DESCENDING)], name="integration"),
    IndexModel([("status", ASCENDING), ("_id", DESCENDING)], name="status"),
    IndexModel([("dueAt", ASCENDING)], name="due", sparse=True),
    IndexModel([("untold", ASCENDING)], name="untold", sparse=True),
]
WATCHED = [OrphanStatus.QUARANTINED, OrphanStatus.REMOVABLE]
_ENDED = [OrphanStatus.GONE, OrphanStatus.KEPT, OrphanStatus.REMOVED, None]


@dataclass(frozen=True)
class RemovalClaim:
    """An orphan taken for one attempt to remove it, at `began_at` on the database's clock."""

    orphan: Orphan
    began_at: datetime
    token: str

    @property
    def attempts(self) -> int:
        """This one included."""
        return self.orphan.removal.attempts if self.orphan.removal else 1


class OrphanRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["orphans"]

    def make_indexes(self) -> None:
        with our_errors():
            self._rows.create_indexes(INDEXES)

    def find(self, orphan_id: str, session: Transaction | None = None) -> Orphan | None:
        key = object_id(orphan_id)
        with our_errors():
            row = self._rows.find_one({"_id": key}, session=session) if key else None
        return _orphan(row) if row else None

    def page(self, query: OrphanQuery) -> Page[Orphan]:
        """Newest first."""
        wanted = {"integration": query.integration, "status": query.status}
        conditions = [{name: value} for name, value in wanted.items() if value is not None]
        rows, following = newest_first(self._rows, conditions, query.limit, query.after)
        return Page(tuple(map(_orphan, rows)), following)

    # -- what looks see

    def see(self, integration: str, one: MarkedObject, cause: Cause, quarantine: float) -> None:
        """Note a sighting. Seen again once its quarantine (seconds) is over, it is removable."""
        key = {"integration": integration, "kind": one.kind, "objectId": one.id}
        with our_errors():
            self._rows.update_one(key, _sighting(one, cause, quarantine), upsert=True)

    def miss(
        self,
        integration: str,
        began_at: datetime,
        still_there: Collection[tuple[OrphanKind, str]],
        session: Transaction,
    ) -> None:
        """Whatever was watched and not seen as an orphan by a look: it is gone, or kept if it is among those still
        there, by kind and id."""
        missed: Document = {
            "integration": integration,
            "status": {"$in": WATCHED},
            "lastSeenAt": {"$lt": began_at},
        }
        is_there = {"$in": [["$kind", "$objectId"], {"$literal": [list(one) for one in still_there]}]}
        found = {"$cond": [is_there, OrphanStatus.KEPT, OrphanStatus.GONE]}
        self._rows.update_many(missed, [{"$set": {"status": found, "endedAt": "$$NOW"}}], session=session)

    def take_untold(self, integration: str, session: Transaction) -> list[Orphan]:
        """Those that no event has told of yet, which one does now; what has ended by then is told of by none."""
        untold: Document = {"untold": True, "integration": integration}
        rows = list(self._rows.find(untold, session=session).sort("_id", ASCENDING))
        self._rows.update_many(untold, {"$unset": {"untold": ""}}, session=session)
        return [_orphan(row) for row in rows if row["status"] in WATCHED]

    # -- removals

    def ask_removal(self, orphan_id: str, by: str | None, session: Transaction) -> Orphan | None:
        """Have a removable one removed. None when it is not removable."""
        asked = {"askedBy": by, "askedAt": "$$NOW", "attempts": 0}
        row = self._rows.find_one_and_update(
            {"_id": ObjectId(orphan_id), "status": OrphanStatus.REMOVABLE},
            [{"$set": {"status": OrphanStatus.REMOVING, "dueAt": "$$NOW", "removal": asked}}],
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return _orphan(row) if row else None

    def claim_removal(self, integrations: Collection[str], lease_seconds: float) -> RemovalClaim | None:
        """Take the removal that is longest due in one of these integrations."""
        token = secrets.token_hex(8)
        due: Document = {
            "dueAt": {"$exists": True},
            "integration": {"$in": list(integrations)},
            "$expr": {"$lte": ["$dueAt", "$$NOW"]},
        }
        taken = {
            "dueAt": seconds_from_now(lease_seconds),
            "token": token,
            "claimedAt": "$$NOW",
            "removal.attempts": {"$add": ["$removal.attempts", 1]},
        }
        with our_errors():
            row = self._rows.find_one_and_update(
                due, [{"$set": taken}], sort=[("dueAt", ASCENDING)], return_document=ReturnDocument.AFTER
            )
        return RemovalClaim(_orphan(row), row["claimedAt"], token) if row else None

    def end_removal(self, claim: RemovalClaim, status: OrphanStatus, ended: Removal, session: Transaction) -> bool:
        """Put a removal's end on record. False when another attempt took over."""
        fields = {
            "status": status,
            "endedAt": "$$NOW",
            "removal.endedAt": "$$NOW",
            "removal.changes": {"$literal": list(ended.changes)},
            "removal.verified": {"$literal": ended.verified},
            **_stopped(None, None, None),
        }
        pipeline: list[Document] = [{"$set": fields}, {"$unset": ["dueAt", "token"]}]
        return self._rows.update_one(_still_claimed(claim), pipeline, session=session).matched_count == 1

    def put_off_removal(self, claim: RemovalClaim, seconds: float, stopped: Removal) -> None:
        """Try again after so many seconds; what stopped it, and what was removed before, is shown meanwhile."""
        fields = {
            "dueAt": seconds_from_now(seconds),
            "token": None,
            "removal.changes": {"$literal": list(stopped.changes)},
            **_stopped(stopped.reason, stopped.message, stopped.remedy),
        }
        with our_errors():
            self._rows.update_one(_still_claimed(claim), [{"$set": fields}])


def _still_claimed(claim: RemovalClaim) -> Document:
    return {"_id": ObjectId(claim.orphan.id), "token": claim.token, "status": OrphanStatus.REMOVING}


def _stopped(reason: str | None, message: str | None, remedy: str | None) -> Document:
    given = {"reason": reason, "message": message, "remedy": remedy}
    return {f"removal.{name}": {"$literal": value} for name, value in given.items()}


def _sighting(one: MarkedObject, cause: Cause, quarantine: float) -> list[Document]:
    """The first of an object begins its quarantine, also if it came back or is an orphan for another cause."""
    status = {"$ifNull": ["$status", None]}
    is_removing = {"$eq": [status, OrphanStatus.REMOVING]}
    is_other = {"$and": [{"$ne": [{"$ifNull": ["$cause", None]}, cause]}, {"$not": is_removing}]}
    is_first = {"$or": [{"$in": [status, _ENDED]}, is_other]}
    watched = {"$cond": [{"$lte": ["$removableAt", "$$NOW"]}, OrphanStatus.REMOVABLE, OrphanStatus.QUARANTINED]}

    def at_first(value: Any, later: Any) -> Document:
        return {"$cond": ["$first", value, later]}

    fields = {
        "name": {"$literal": one.name},
        "tenantId": {"$literal": one.tenant_id},
        "cause": at_first(cause, "$cause"),
        "lastSeenAt": "$$NOW",
        "firstSeenAt": at_first("$$NOW", "$firstSeenAt"),
        "sightings": at_first(1, {"$add": ["$sightings", 1]}),
        "untold": at_first(True, "$untold"),
        "removableAt": at_first(seconds_from_now(quarantine), "$removableAt"),
        "removal": at_first("$$REMOVE", "$removal"),
        "endedAt": "$$REMOVE",
        "status": at_first(OrphanStatus.QUARANTINED, {"$cond": [is_removing, OrphanStatus.REMOVING, watched]}),
    }
    return [{"$set": {"first": is_first}}, {"$set": fields}, {"$unset": ["first"]}]


def _orphan(row: Document) -> Orphan:
    return Orphan(
        id=str(row["_id"]),
        integration=row["integration"],
        kind=OrphanKind(row["kind"]),
        object_id=row["objectId"],
        name=row["name"],
        tenant_id=row["tenantId"],
        cause=Cause(row["cause"]),
        status=OrphanStatus(row["status"]),
        first_seen_at=row["firstSeenAt"],
        last_seen_at=row["lastSeenAt"],
        sightings=row["sightings"],
        removable_at=row["removableAt"],
        removal=_removal(row["removal"], row.get("dueAt")) if row.get("removal") else None,
    )


def _removal(document: Document, due_at: datetime | None) -> Removal:
    return Removal(
        asked_by=document["askedBy"],
        asked_at=document["askedAt"],
        attempts=document["attempts"],
        due_at=due_at,
        reason=document.get("reason"),
        message=document.get("message"),
        remedy=document.get("remedy"),
        changes=tuple(document.get("changes") or ()),
        verified=document.get("verified"),
        ended_at=document.get("endedAt"),
    )
