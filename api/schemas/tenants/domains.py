"""Domains of a tenant, as they are answered: how each stands and what must be published for it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.http.responses import ResponseModel
from shared.domains.dns_records import SUGGESTED_TTL, Presence
from shared.domains.verification import DomainState, is_essential
from shared.domains.views import DomainRecord, DomainView


class DomainRecordResponse(ResponseModel):
    """One record to publish, and what DNS answered for it at the last check."""

    purpose: Literal["ownership", "mail"] = Field(description="ownership: proves whose the domain is")
    name: str = Field(description="absolute, without a dot at its end")
    type: str
    value: str = Field(description="the text of a TXT record in one piece; other data as in a zone file")
    ttl: int = Field(description="seconds; a suggestion")
    essential: bool = Field(description="without it the domain cannot be verified, or counts as degraded")
    presence: Presence | None = Field(None, description="at the last check; absent when DNS was never asked for it")
    seen: list[str] | None = Field(None, description="what stands in its place or undoes it, when that is different")
    last_seen_at: datetime | None = Field(None, description="the last check that found it as wanted")

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
    """One domain of a tenant."""

    domain: str
    proof_required: bool = Field(description="whether mail is set up only once DNS proves whose the domain is")
    state: DomainState = Field(
        description="degraded: proven, but the proof or a record that mail depends on is not as it should be; "
        "failed: not proven in time, or the proof stayed away"
    )
    verified_at: datetime | None = Field(None, description="when it was first proven")
    proof_lost_at: datetime | None = Field(None, description="since when a proof that was there is gone")
    checked_at: datetime | None = Field(None, description="when DNS last answered for the proof")
    check_requested_at: datetime | None = Field(None, description="present while a check that was asked for is to come")
    next_check_at: datetime | None = Field(None, description="absent: none before somebody asks for it")
    fault: str | None = Field(None, description="why the last check got no answer for some record: timeout, ...")
    records: list[DomainRecordResponse] = Field(description="what its owner must publish, the proof first")

    @classmethod
    def of(cls, view: DomainView) -> DomainResponse:
        domain = view.domain
        # one that is asked for comes at the next sweep, whatever time the row carries to be first among those due
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
