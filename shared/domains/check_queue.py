"""The queue of domain checks, over the collection `domains`: which domain is due, who checks it, what it found."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING, ReturnDocument
from pymongo.database import Database

from shared.db.documents import Document, Transaction, literals, our_errors, seconds_from_now
from shared.domains.documents import domain_of, standing
from shared.domains.model import TenantDomain
from shared.domains.repository import HEAD_START

#: somebody asked after this check had begun, so it may have missed what they published
_ASKED_SINCE: Document = {"$and": [{"$ne": ["$requestedAt", None]}, {"$gte": ["$requestedAt", "$claimedAt"]}]}


@dataclass(frozen=True)
class DomainClaim:
    """A domain claimed for one check. `at`: when, on the database's clock. `trace`: id for its consequences."""

    domain: TenantDomain
    at: datetime
    token: str
    trace: str


class DomainCheckQueue:
    """Claims due domains for one check each, under a lease."""

    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["domains"]

    def due(self, limit: int) -> Iterator[str]:
        """Yield ids of domains that are due for a check, requested ones first."""
        return self._ids({"$expr": {"$lte": ["$dueAt", "$$NOW"]}, "dueAt": {"$type": "date"}}, limit)

    def claim(self, domain_id: str, lease_seconds: float) -> DomainClaim | None:
        """Claim a due domain for one check. None when another scheduler was faster."""
        token = secrets.token_hex(8)
        # if this process dies, the domain is due again when the lease ends
        lease_end = seconds_from_now(lease_seconds)
        fields = {"leaseToken": token, "leaseUntil": lease_end, "dueAt": lease_end, "claimedAt": "$$NOW"}
        condition = {"_id": ObjectId(domain_id), "dueAt": {"$type": "date"}, "$expr": {"$lte": ["$dueAt", "$$NOW"]}}
        with our_errors():
            row = self._rows.find_one_and_update(condition, [{"$set": fields}], return_document=ReturnDocument.AFTER)
        if row is None:
            return None
        return DomainClaim(domain_of(row), row["claimedAt"], token, row["requestId"] or f"domain-{token}")

    def record(
        self, claim: DomainClaim, domain: TenantDomain, wait: float, reconcile: bool, session: Transaction
    ) -> TenantDomain | None:
        """Record a check's outcome. None when the lease was lost or the domain left its tenant: it does not count.

        `wait`: seconds until the next check. `reconcile`: the tenant is to be reconciled because of it.
        """
        fields = literals(standing(domain)) | {
            "leaseToken": None,
            "leaseUntil": None,
            "requestedAt": {"$cond": [_ASKED_SINCE, "$requestedAt", None]},
            "requestId": {"$cond": [_ASKED_SINCE, "$requestId", None]},
            "dueAt": {"$cond": [_ASKED_SINCE, seconds_from_now(-HEAD_START), seconds_from_now(wait)]},
        }
        if reconcile:
            fields["reconcileDueAt"] = "$$NOW"
        condition = {"_id": ObjectId(claim.domain.id), "leaseToken": claim.token}
        row = self._rows.find_one_and_update(
            condition, [{"$set": fields}], return_document=ReturnDocument.AFTER, session=session
        )
        return domain_of(row) if row else None

    def _ids(self, condition: Document, limit: int) -> Iterator[str]:
        with our_errors():
            for row in self._rows.find(condition, {"_id": 1}).sort("dueAt", ASCENDING).limit(limit):
                yield str(row["_id"])
