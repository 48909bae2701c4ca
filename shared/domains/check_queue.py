"""The queue of domain checks, over the collection `domains`: the domains that are due, and the results of checks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId
from pymongo.database import Database

from shared.db.documents import Document, Transaction, literals, seconds_from_now, update_value
from shared.db.lease_queue import LeaseQueue
from shared.domains.documents import check_fields, domain_of
from shared.domains.model import TenantDomain
from shared.domains.repository import REQUESTED_CHECK_PRIORITY
from shared.domains.verification import DomainState

#: a check was requested after this one had begun, so this one may have missed what the requester published
_REQUESTED_SINCE: Document = {"$and": [{"$ne": ["$requestedAt", None]}, {"$gte": ["$requestedAt", "$claimedAt"]}]}


@dataclass(frozen=True)
class DomainClaim:
    """A domain claimed for one check. `at`: when, on the database's clock. `request_id`: for events and logs."""

    domain: TenantDomain
    at: datetime
    token: str
    request_id: str


class DomainCheckQueue:
    """Claims due domains for one check each, under a lease."""

    def __init__(self, database: Database[Document]) -> None:
        self._domains = database["domains"]
        self._queue = LeaseQueue(self._domains)

    def claim(self, lease_seconds: float) -> DomainClaim | None:
        """Claim the domain that has been due longest; requested checks come first (see REQUESTED_CHECK_PRIORITY)."""
        changes = {"leaseUntil": seconds_from_now(lease_seconds), "claimedAt": "$$NOW"}
        # a state of a newer release is left to it: the result here would replace it
        known = {"state": {"$in": [*DomainState, None]}}
        lease = self._queue.claim(lease_seconds, known, changes)
        if lease is None:
            return None
        document = lease.document
        return DomainClaim(
            domain_of(document), document["claimedAt"], lease.token, document["requestId"] or f"domain-{lease.token}"
        )

    def record(
        self, claim: DomainClaim, domain: TenantDomain, wait: float, reconcile: bool, session: Transaction
    ) -> TenantDomain | None:
        """Record a check's result. None when the claim no longer holds or the domain has left its tenant.

        `wait`: seconds until the next check. `reconcile`: the tenant must be reconciled because of the result.
        """
        fields = literals(check_fields(domain)) | {
            "leaseToken": None,
            "leaseUntil": None,
            "requestedAt": {"$cond": [_REQUESTED_SINCE, "$requestedAt", None]},
            "requestId": {"$cond": [_REQUESTED_SINCE, "$requestId", None]},
            "dueAt": {"$cond": [_REQUESTED_SINCE, seconds_from_now(-REQUESTED_CHECK_PRIORITY), seconds_from_now(wait)]},
        }
        if reconcile:
            fields["reconcileDueAt"] = "$$NOW"
        # the new state is needed, so this is a find and update instead of the queue's release
        return update_value(
            self._domains,
            {"_id": ObjectId(claim.domain.id), "leaseToken": claim.token},
            [{"$set": fields}],
            domain_of,
            session,
        )
