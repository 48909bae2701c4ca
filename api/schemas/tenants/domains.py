"""Response schemas of a tenant's domains and their DNS records."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.http.responses import ResponseModel
from shared.domains.dns_records import SUGGESTED_TTL, Presence
from shared.domains.verification import DomainState, is_essential
from shared.domains.views import DomainRecord, DomainView


class DomainRecordResponse(ResponseModel):
    """A DNS record to publish, and its state at the last check."""

    purpose: Literal["ownership", "mail"] = Field(description="ownership: proves that the domain is the tenant's")
    name: str = Field(description="absolute, without a final dot")
    type: str
    value: str = Field(description="a TXT record's text in one piece; other types as in a zone file")
    ttl: int = Field(description="seconds; a suggestion")
    essential: bool = Field(description="without it the domain cannot be verified, or counts as degraded")
    presence: Presence | None = Field(None, description="at the last check; absent when it was never checked")
    seen: list[str] | None = Field(None, description="conflicting data in DNS")
    last_seen_at: datetime | None = Field(None, description="the last check that found it as required")

    @classmethod
    def of(cls, wanted: DomainRecord) -> DomainRecordResponse:
        record, sighting = wanted.record, wanted.sighting
        return cls(
            purpose="ownership" if wanted.is_proof else "mail",
            name=record.name,
            type=record.type,
            value=record.value,
            ttl=SUGGESTED_TTL,
            essential=wanted.is_proof or is_essential(record),
            presence=sighting.check.presence if sighting else None,
            seen=list(sighting.check.seen) or None if sighting else None,
            last_seen_at=sighting.last_seen_at if sighting else None,
        )


class DomainResponse(ResponseModel):
    """A tenant's domain."""

    domain: str
    proof_required: bool = Field(description="whether mail waits for the proof of ownership in DNS")
    state: DomainState = Field(
        description="degraded: proven, but the proof or a record that mail needs is wrong or missing; "
        "failed: not proven in time, or the proof was lost for too long"
    )
    verified_at: datetime | None = Field(None, description="when it was first proven")
    proof_lost_at: datetime | None = Field(None, description="since when a former proof is missing")
    checked_at: datetime | None = Field(None, description="when DNS last answered for the proof")
    check_requested_at: datetime | None = Field(None, description="present while a requested check is due")
    next_check_at: datetime | None = Field(None, description="absent: no check until one is requested")
    fault: str | None = Field(None, description="why the last check got no answer for some record: timeout, ...")
    records: list[DomainRecordResponse] = Field(description="records that the owner must publish, the proof first")

    @classmethod
    def of(cls, view: DomainView) -> DomainResponse:
        domain = view.domain
        # a requested check runs at the next scheduler run; the stored time only puts it first in the queue
        planned = domain.due_at if domain.requested_at is None else None
        return cls(
            domain=domain.name,
            proof_required=domain.is_proof_required,
            state=domain.ownership.state,
            verified_at=domain.ownership.verified_at,
            proof_lost_at=domain.ownership.proof_lost_at,
            checked_at=domain.checked_at,
            check_requested_at=domain.requested_at,
            next_check_at=planned,
            fault=domain.fault,
            records=[DomainRecordResponse.of(record) for record in view.records],
        )
