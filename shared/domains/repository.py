"""The `domains` collection: one document for each domain of a tenant, with the result and due time of its checks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, IndexModel
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from shared.core.errors import DomainOverlaps, DomainTaken
from shared.core.naming import family, overlaps, registrable_domain
from shared.db.documents import (
    Document,
    Transaction,
    find_value,
    insert,
    literals,
    seconds_from_now,
    translate_errors,
    update_value,
)
from shared.domains.documents import check_fields, domain_of, new_document
from shared.domains.model import TenantDomain, Terms
from shared.domains.verification import DomainState
from shared.tenants.model import Tenant

PROVEN = (DomainState.VERIFIED, DomainState.DEGRADED)
#: seconds; a requested check is due so much earlier, so that it comes before all regular ones
REQUESTED_CHECK_PRIORITY = 24 * 3600

#: states that somebody has to correct
PROBLEM_STATES = (DomainState.DEGRADED, DomainState.FAILED)

INDEXES = [
    # the rule that no two tenants share a domain
    IndexModel([("domain", ASCENDING)], name="domain", unique=True),
    IndexModel([("tenantId", ASCENDING)], name="tenant"),
    IndexModel([("registrable", ASCENDING)], name="family"),
    IndexModel([("dueAt", ASCENDING)], name="due", partialFilterExpression={"dueAt": {"$type": "date"}}),
    IndexModel(
        [("reconcileDueAt", ASCENDING)],
        name="reconcile",
        partialFilterExpression={"reconcileDueAt": {"$type": "date"}},
    ),
    IndexModel(
        [("state", ASCENDING), ("since", ASCENDING), ("tenantId", ASCENDING)],
        name="unwell",
        partialFilterExpression={"state": {"$in": list(PROBLEM_STATES)}},
    ),
]

#: also creates the collection: two transactions at once cannot
FAMILY_INDEXES = [IndexModel([("additions", ASCENDING)], name="additions")]

#: a check is running: its lease has not run out
_IS_LEASED: Document = {"$gt": [{"$ifNull": ["$leaseUntil", "$$NOW"]}, "$$NOW"]}


class DomainRepository:
    """Reads and writes domains."""

    def __init__(self, database: Database[Document]) -> None:
        self._domains = database["domains"]
        self._tenants = database["tenants"]
        self._families = database["domainFamilies"]

    def prune(self, tenant: Tenant, session: Transaction) -> list[str]:
        """Delete domains that the tenant no longer has. Return the names of its domains that have no document yet."""
        names = list(tenant.domains)
        self._domains.delete_many({"tenantId": tenant.id, "domain": {"$nin": names}}, session=session)
        documents = self._domains.find({"tenantId": tenant.id}, {"domain": 1}, session=session)
        kept = {document["domain"] for document in documents}
        return [one for one in names if one not in kept]

    def add(self, tenant: Tenant, names: Sequence[str], terms: Terms, at: datetime, session: Transaction) -> None:
        """Insert domains. `at`: the time on the database's clock. Raises DomainTaken."""
        for one in names:
            if registrable_domain(one) not in (None, family(one)):  # else `_near` knows it
                change = {"$addToSet": {"registrable": registrable_domain(one)}}
                self._families.update_one({"_id": family(one)}, change, upsert=True, session=session)
        times, is_required = _times(at, terms.first_check), terms.is_proof_required
        new = [{"_id": ObjectId(), **new_document(tenant.id, tenant.slug, one, is_required), **times} for one in names]
        try:
            if new:
                insert(self._domains, new, session)
        except DuplicateKeyError:
            raise DomainTaken from None

    def require_apart(self, tenant_id: str, names: Sequence[str], session: Transaction) -> None:
        """Raise DomainOverlaps when one of these is a parent or a subdomain of another tenant's domain.

        Two transactions at once write to the same document of their family, so one of them is retried and then finds
        the other's domain.
        """
        near: set[str] = set()
        for name in sorted(names, key=family):
            change, key = {"$inc": {"additions": 1}}, {"_id": family(name)}
            document = self._families.find_one_and_update(key, change, upsert=True, session=session)
            near |= _near(name, document)
        others = self._domains.find(
            {"registrable": {"$in": sorted(near)}, "tenantId": {"$ne": tenant_id}}, {"domain": 1}, session=session
        )
        if any(overlaps(document["domain"], one) for document in others for one in names):
            raise DomainOverlaps

    def is_free(self, name: str, *, may_overlap: bool) -> bool:
        """Return whether no tenant has the domain, nor, unless it may overlap, a parent or subdomain of it."""
        with translate_errors():
            near = _near(name, self._families.find_one({"_id": family(name)}))
            documents = self._domains.find({"registrable": {"$in": sorted(near)}}, {"domain": 1})
            others = [document["domain"] for document in documents]
        return not any(other == name or (not may_overlap and overlaps(other, name)) for other in others)

    def complete_documents(self, *, is_always_required: bool) -> None:
        """Add `registrable` and `proofRequired` to documents of earlier versions.

        `is_always_required`: every domain needs a proof, so those for which a proof was requested still need one.
        Domains from before the rule need none.
        """
        with translate_errors():
            for document in self._domains.find({"registrable": {"$exists": False}}, {"domain": 1, "askedAt": 1}):
                fields = {
                    "registrable": registrable_domain(document["domain"]) or document["domain"],
                    "proofRequired": is_always_required and document.get("askedAt") is not None,
                }
                self._domains.update_one({"_id": document["_id"], "registrable": {"$exists": False}}, {"$set": fields})

    def of_tenant(self, tenant_id: str) -> dict[str, TenantDomain]:
        """Return a tenant's domains by name."""
        with translate_errors():
            return {document["domain"]: domain_of(document) for document in self._domains.find({"tenantId": tenant_id})}

    def find(self, tenant_id: str, name: str, session: Transaction | None = None) -> TenantDomain | None:
        return find_value(self._domains, {"tenantId": tenant_id, "domain": name}, domain_of, session)

    def unproven_of(self, tenant_id: str, *, is_always_required: bool) -> frozenset[str]:
        """Return the names of a tenant's domains that need a proof and have none: their mail waits.

        `is_always_required`: see `complete_documents`.
        """
        must: list[Document] = [{"proofRequired": True}]
        if is_always_required:
            must.append({"proofRequired": {"$exists": False}, "askedAt": {"$type": "date"}})
        condition = {"tenantId": tenant_id, "$or": must, "state": {"$nin": list(PROVEN)}}
        with translate_errors():
            return frozenset(document["domain"] for document in self._domains.find(condition, {"domain": 1}))

    # -- requested checks

    def request_check(
        self, tenant_id: str, name: str, pause: float, request_id: str, session: Transaction
    ) -> TenantDomain | None:
        """Make a check due now. None when one is requested already, or began less than `pause` seconds ago."""
        # null comes before every time
        rested = {"$lte": ["$claimedAt", seconds_from_now(-pause)]}
        condition = {"tenantId": tenant_id, "domain": name, "requestedAt": None, "$expr": rested}
        fields = {
            "requestedAt": "$$NOW",
            "requestId": {"$literal": request_id},
            "askedAt": {"$ifNull": ["$askedAt", "$$NOW"]},
            "since": {"$cond": [{"$eq": ["$askedAt", None]}, "$$NOW", "$since"]},
            "dueAt": {"$cond": [_IS_LEASED, "$leaseUntil", seconds_from_now(-REQUESTED_CHECK_PRIORITY)]},
        }
        return self._advance(condition, [{"$set": fields}], session)

    def restart(self, domain: TenantDomain, session: Transaction) -> None:
        """Write the state of a domain after a request."""
        fields = literals(check_fields(domain))
        self._domains.update_one({"_id": ObjectId(domain.id)}, [{"$set": fields}], session=session)

    def seconds_to_wait(self, domain_id: str, pause: float) -> float:
        """Return the seconds until `pause` has passed since the latest check began; 0 or less when it has."""
        waiting = {"$subtract": [{"$add": ["$claimedAt", round(pause * 1000)]}, "$$NOW"]}
        with translate_errors():
            found = self._domains.aggregate([{"$match": {"_id": ObjectId(domain_id)}}, {"$project": {"wait": waiting}}])
            return next(((one["wait"] or 0) / 1000 for one in found), 0.0)

    # -- reconciles after a proof

    def tenants_to_reconcile(self, limit: int) -> list[str]:
        """Return ids of tenants whose reconcile is due because a domain was proven."""
        condition = {"reconcileDueAt": {"$type": "date"}, "$expr": {"$lte": ["$reconcileDueAt", "$$NOW"]}}
        with translate_errors():
            documents = self._domains.find(condition, {"tenantId": 1}).sort("reconcileDueAt", ASCENDING).limit(limit)
            return list(dict.fromkeys(document["tenantId"] for document in documents))

    def take_reconcile(self, tenant_id: str, session: Transaction) -> bool:
        """Claim the due reconcile of a tenant. False when another process did."""
        return self._set_waiting(tenant_id, None, session) > 0

    def postpone_reconcile(self, tenant_id: str, seconds: float) -> None:
        """Make a tenant's reconcile due again after so many seconds."""
        with translate_errors():
            self._set_waiting(tenant_id, seconds_from_now(seconds), None)

    def _set_waiting(self, tenant_id: str, until: Any, session: Transaction | None) -> int:
        condition = {"tenantId": tenant_id, "reconcileDueAt": {"$type": "date"}}
        done = self._domains.update_many(condition, [{"$set": {"reconcileDueAt": until}}], session=session)
        return done.modified_count

    # -- at the start

    def tenants_without_documents(self) -> list[str]:
        """Return ids of tenants from a version without documents for domains."""
        found = {"from": "domains", "localField": "domains", "foreignField": "domain", "as": "documents"}
        pipeline: list[Document] = [
            {"$match": {"domains.0": {"$exists": True}, "purgedAt": {"$exists": False}}},
            {"$lookup": found},
            {"$match": {"$expr": {"$lt": [{"$size": "$documents"}, {"$size": "$domains"}]}}},
            {"$project": {"_id": 1}},
        ]
        with translate_errors():
            return [str(document["_id"]) for document in self._tenants.aggregate(pipeline)]

    def watch_all(self, within: float) -> None:
        """Begin regular checks of all domains, the first ones spread over `within` seconds."""
        spread = {"$add": ["$$NOW", {"$multiply": [{"$rand": {}}, round(within * 1000)]}]}
        with translate_errors():
            fields = {"askedAt": "$$NOW", "since": "$$NOW", "dueAt": spread}
            self._domains.update_many({"askedAt": None}, [{"$set": fields}])

    # -- at the end

    def stop_checks(self, tenant_id: str, session: Transaction) -> None:
        """Stop the checks of a purged tenant's domains; the domains stay reserved."""
        fields = {"dueAt": None, "requestedAt": None, "reconcileDueAt": None, "leaseToken": None, "leaseUntil": None}
        self._domains.update_many({"tenantId": tenant_id}, {"$set": fields}, session=session)

    def _advance(self, condition: Document, pipeline: list[Document], session: Transaction) -> TenantDomain | None:
        return update_value(self._domains, condition, pipeline, domain_of, session)


def _near(name: str, document: Document | None) -> set[str]:
    """Return the family's registrable domains that overlap the name: several, if a suffix lies below one of them."""
    known = document.get("registrable", ()) if document else ()
    return {family(name), registrable_domain(name) or name} | {one for one in known if overlaps(one, name)}


def _times(at: datetime, seconds_to_first_check: float | None) -> Document:
    """Return the times of a new domain. `seconds_to_first_check` None: it is not watched."""
    due = at + timedelta(seconds=seconds_to_first_check) if seconds_to_first_check is not None else None
    return {"askedAt": at if due is not None else None, "since": at, "dueAt": due, "createdAt": at}
