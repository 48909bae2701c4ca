"""Mapping between documents of the `domains` collection and domain values."""

from __future__ import annotations

from shared.core.naming import registrable_domain
from shared.db.documents import Document
from shared.db.mapping import each, mapper
from shared.domains.dns_records import Check, Record
from shared.domains.model import Sighting, TenantDomain
from shared.domains.verification import DomainState, Ownership

#: limits of stored foreign values: others may publish anything, and a document must stay small
SEEN_VALUES = 5
SEEN_LENGTH = 500


def new_document(tenant_id: str, slug: str, name: str, is_proof_required: bool) -> Document:
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
        "checks": [_sighting_document(one) for one in domain.sightings],
        "checkedAt": domain.checked_at,
        "fault": domain.fault,
        "faults": domain.faults,
    }


def _sighting_document(sighting: Sighting) -> Document:
    check = sighting.check
    return {
        "name": check.record.name,
        "type": check.record.type,
        "value": check.record.value,
        "presence": check.presence,
        "seen": [value[:SEEN_LENGTH] for value in check.seen[:SEEN_VALUES]],
        "lastSeen": sighting.last_seen_at,
    }


_sighting = mapper(Sighting, check=mapper(Check, record=mapper(Record)), last_seen_at="lastSeen")
domain_of = mapper(
    TenantDomain,
    name="domain",
    # nobody has asked for the proof of a domain that is not watched, so its time does not run
    ownership=mapper(Ownership, asked_at=lambda document: document["askedAt"] or document["createdAt"]),
    since=lambda document: document["since"] or document["createdAt"],
    sightings=each("checks", _sighting),
    is_watched=lambda document: document["askedAt"] is not None,
    # absent in documents of earlier versions: domains that were there before the rule need no proof
    is_proof_required="proofRequired",
)
