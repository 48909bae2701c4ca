"""The `orphans` collection: orphans that scans found, and their removals.

`dueAt`: an approved removal is due from then on. `untold`: no event names the orphan yet.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from shared.db.documents import (
    Document,
    Page,
    Transaction,
    find_by_id,
    literals,
    newest_page,
    seconds_from_now,
    translate_errors,
    update_value,
)
from shared.db.lease_queue import LeaseQueue
from shared.db.mapping import mapper
from shared.orphans.model import Cause, MarkedObject, Orphan, OrphanKind, OrphanQuery, OrphanStatus, Removal

INDEXES = [
    IndexModel([("integration", ASCENDING), ("kind", ASCENDING), ("objectId", ASCENDING)], name="object", unique=True),
    IndexModel([("integration", ASCENDING), ("_id", DESCENDING)], name="integration"),
    IndexModel([("status", ASCENDING), ("_id", DESCENDING)], name="status"),
    IndexModel([("dueAt", ASCENDING)], name="due", sparse=True),
    IndexModel([("untold", ASCENDING)], name="untold", sparse=True),
]
#: a newer release may have added kinds, which this one neither finds nor removes
KNOWN_KINDS: Document = {"$in": list(OrphanKind)}
OPEN = [OrphanStatus.QUARANTINED, OrphanStatus.REMOVABLE]
_ENDED = [OrphanStatus.GONE, OrphanStatus.KEPT, OrphanStatus.REMOVED, None]


@dataclass(frozen=True)
class RemovalClaim:
    """An orphan claimed for one attempt to remove it, at `began_at` on the database's clock."""

    orphan: Orphan
    began_at: datetime
    token: str

    @property
    def attempts(self) -> int:
        """Return the number of attempts, this one included."""
        return self.orphan.removal.attempts if self.orphan.removal else 1


class OrphanRepository:
    """Reads and writes orphans; claims due removals under a lease."""

    def __init__(self, database: Database[Document]) -> None:
        self._orphans = database["orphans"]
        self._removals = LeaseQueue(self._orphans, claim_field="token")

    def find(self, orphan_id: str, session: Transaction | None = None) -> Orphan | None:
        return find_by_id(self._orphans, orphan_id, _orphan, session)

    def page(self, query: OrphanQuery) -> Page[Orphan]:
        """Return a page of orphans, newest first."""
        wanted = {"integration": query.integration, "status": query.status}
        conditions = [{name: value} for name, value in wanted.items() if value is not None]
        return newest_page(self._orphans, conditions, query.limit, query.after, _orphan)

    # -- scans

    def record_found(
        self, integration: str, one: MarkedObject, cause: Cause, quarantine: float, began_at: datetime
    ) -> None:
        """Record a sighting. An orphan seen again after its quarantine (seconds) is removable.

        `began_at`: when the scan began. An orphan that ended since, such as by a removal, stays as it is.
        """
        key = {"integration": integration, "kind": one.kind, "objectId": one.id}
        unless_ended = {"endedAt": {"$not": {"$gte": began_at}}}
        # the index of objects refuses a second document for an orphan that has ended
        with translate_errors(), suppress(DuplicateKeyError):
            self._orphans.update_one({**key, **unless_ended}, _sighting(one, cause, quarantine), upsert=True)

    def record_missing(
        self,
        integration: str,
        began_at: datetime,
        still_there: Collection[tuple[OrphanKind, str]],
        session: Transaction,
    ) -> None:
        """End the orphans that a scan did not find again: kept if the object still exists, else gone.

        `began_at`: when the scan began. `still_there`: objects that it found to be no orphans, by kind and id.
        """
        missed: Document = {
            "integration": integration,
            "kind": KNOWN_KINDS,
            "status": {"$in": OPEN},
            "lastSeenAt": {"$lt": began_at},
        }
        is_there = {"$in": [["$kind", "$objectId"], {"$literal": [list(one) for one in still_there]}]}
        found = {"$cond": [is_there, OrphanStatus.KEPT, OrphanStatus.GONE]}
        self._orphans.update_many(missed, [{"$set": {"status": found, "endedAt": "$$NOW"}}], session=session)

    def take_unpublished(self, integration: str, session: Transaction) -> list[Orphan]:
        """Return the orphans that no event names yet, and mark them as named. Ended ones are marked only."""
        untold: Document = {"untold": True, "integration": integration}
        documents = list(self._orphans.find(untold, session=session).sort("_id", ASCENDING))
        self._orphans.update_many(untold, {"$unset": {"untold": ""}}, session=session)
        return [_orphan(document) for document in documents if document["status"] in OPEN]

    # -- removals

    def request_removal(self, orphan_id: str, by: str | None, session: Transaction) -> Orphan | None:
        """Make the removal of an orphan due now. None when it is not removable."""
        removal = {"askedBy": by, "askedAt": "$$NOW", "attempts": 0}
        return update_value(
            self._orphans,
            {"_id": ObjectId(orphan_id), "status": OrphanStatus.REMOVABLE},
            [{"$set": {"status": OrphanStatus.REMOVING, "dueAt": "$$NOW", "removal": removal}}],
            _orphan,
            session,
        )

    def claim_removal(self, integrations: Collection[str], lease_seconds: float) -> RemovalClaim | None:
        """Claim the removal that has been due longest in one of these integrations."""
        changes = {"claimedAt": "$$NOW", "removal.attempts": {"$add": ["$removal.attempts", 1]}}
        wanted = {"integration": {"$in": list(integrations)}, "kind": KNOWN_KINDS}
        lease = self._removals.claim(lease_seconds, wanted, changes)
        return RemovalClaim(_orphan(lease.document), lease.document["claimedAt"], lease.token) if lease else None

    def end_removal(self, claim: RemovalClaim, status: OrphanStatus, ended: Removal, session: Transaction) -> bool:
        """Record how a removal ended. False when another process took over."""
        fields = {
            "status": status,
            "endedAt": "$$NOW",
            "removal.endedAt": "$$NOW",
            "removal.changes": {"$literal": list(ended.changes)},
            "removal.verified": {"$literal": ended.verified},
            "dueAt": "$$REMOVE",
            **_failure(None, None, None),
        }
        return self._removals.release(_claimed_by(claim), claim.token, fields, session)

    def postpone_removal(self, claim: RemovalClaim, seconds: float, failed: Removal) -> None:
        """Record why a removal failed and what it removed; make it due again after so many seconds."""
        fields = {
            "dueAt": seconds_from_now(seconds),
            "removal.changes": {"$literal": list(failed.changes)},
            **_failure(failed.reason, failed.message, failed.remedy),
        }
        self._removals.release(_claimed_by(claim), claim.token, fields)


def _claimed_by(claim: RemovalClaim) -> Document:
    return {"_id": ObjectId(claim.orphan.id), "status": OrphanStatus.REMOVING}


def _failure(reason: str | None, message: str | None, remedy: str | None) -> Document:
    return literals({"removal.reason": reason, "removal.message": message, "removal.remedy": remedy})


def _sighting(one: MarkedObject, cause: Cause, quarantine: float) -> list[Document]:
    """Build the update of a sighting. The first one begins the quarantine, also of an object that came back or is an
    orphan for another cause.
    """
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


_removal = mapper(Removal, requested_by="askedBy", requested_at="askedAt")
_orphan = mapper(
    Orphan,
    removal=lambda document: (
        _removal({**document["removal"], "dueAt": document.get("dueAt")}) if document.get("removal") else None
    ),
)
