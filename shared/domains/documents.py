"""Mapping between documents of the `domains` collection and domain values."""

from __future__ import annotations

from typing import Any

from shared.core.naming import registrable_domain
from shared.db.documents import Document
from shared.domains.dns_records import Check, Presence, Record
from shared.domains.model import Sighting, TenantDomain
from shared.domains.verification import DomainState, Ownership

#: limits of stored foreign values: others may publish anything, and a document must stay small
SEEN_VALUES = 5
SEEN_LENGTH = 500


def new_row(tenant_id: str, slug: str, name: str, is_proof_required: bool) -> Document:
    """Return the document of a new domain, without its times."""
    return {
        "tenantId": tenant_id,
        "tenantSlug": slug,
        "domain": name,
        "registrable": registrable_domain(name),
        "proofRequired": is_proof_required,
        "state": DomainState.UNVERIFIED,
        "verifiedAt": None,
        "proofLostAt": None,
        "checks": [],
        "checkedAt": None,
        "fault": None,
        "faults": 0,
        "requestedAt": None,
        "requestId": None,
        "claimedAt": None,
        "leaseToken": None,
        "leaseUntil": None,
        "reconcileDueAt": None,
    }


def check_fields(domain: TenantDomain) -> Document:
    """Return the fields that a check, or a request for one, changes."""
    ownership = domain.ownership
    return {
        "state": ownership.state,
        "askedAt": ownership.asked_at,
        "verifiedAt": ownership.verified_at,
        "proofLostAt": ownership.proof_lost_at,
        "since": domain.since,
        "checks": [_sighting_row(one) for one in domain.sightings],
        "checkedAt": domain.checked_at,
        "fault": domain.fault,
        "faults": domain.faults,
    }


def domain_of(row: Document) -> TenantDomain:
    """Read a domain from its document."""
    ownership = Ownership(
        # the time limit of a domain that is not watched does not run
        asked_at=row["askedAt"] or row["createdAt"],
        state=DomainState(row["state"]),
        verified_at=row["verifiedAt"],
        proof_lost_at=row["proofLostAt"],
    )
    return TenantDomain(
        id=str(row["_id"]),
        tenant_id=row["tenantId"],
        tenant_slug=row["tenantSlug"],
        name=row["domain"],
        ownership=ownership,
        since=row["since"] or row["createdAt"],
        sightings=tuple(map(_sighting, row["checks"])),
        checked_at=row["checkedAt"],
        fault=row["fault"],
        faults=row["faults"],
        is_watched=row["askedAt"] is not None,
        due_at=row["dueAt"],
        requested_at=row["requestedAt"],
        # a document of an earlier version: domains from before the rule need no proof
        is_proof_required=row.get("proofRequired", False),
    )


def _sighting_row(sighting: Sighting) -> Document:
    check = sighting.check
    return {
        "name": check.record.name,
        "type": check.record.type,
        "value": check.record.value,
        "presence": check.presence,
        "seen": [value[:SEEN_LENGTH] for value in check.seen[:SEEN_VALUES]],
        "lastSeen": sighting.last_seen_at,
    }


def _sighting(row: dict[str, Any]) -> Sighting:
    record = Record(row["name"], row["type"], row["value"])
    return Sighting(Check(record, Presence(row["presence"]), tuple(row["seen"])), row["lastSeen"])
