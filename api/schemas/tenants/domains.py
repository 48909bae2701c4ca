"""Response schemas of a tenant's domains and their DNS records."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from api.schemas.models import OMIT_EMPTY, ResponseModel
from shared.domains.dns_records import SUGGESTED_TTL, Presence
from shared.domains.model import DomainRecord, DomainView
from shared.domains.verification import DomainState, is_essential


class DomainRecordResponse(ResponseModel):
    """A DNS record to publish, and its state at the last check."""

    purpose: Literal["ownership", "mail"] = Field(description="ownership: proves that the domain is the tenant's")
    name: str = Field(description="absolute, without a final dot")
    type: str
    value: str = Field(description="a TXT record's text in one piece; other types as in a zone file")
    ttl: int = Field(description="seconds; a suggestion")
    essential: bool = Field(description="without it the domain cannot be verified, or counts as degraded")
    presence: Presence | None = Field(None, description="at the last check; absent when it was never checked")
    seen: Annotated[list[str] | None, OMIT_EMPTY] = Field(None, description="conflicting data in DNS")
    last_seen_at: datetime | None = Field(None, description="the last check that found it as required")

    @model_validator(mode="before")
    @classmethod
    def _read(cls, wanted: DomainRecord) -> dict[str, Any]:
        record, sighting = wanted.record, wanted.sighting
        return {
            **vars(record),
            "purpose": "ownership" if wanted.is_proof else "mail",
            "ttl": SUGGESTED_TTL,
            "essential": wanted.is_proof or is_essential(record),
            **(vars(sighting.check) | vars(sighting) if sighting else {}),
        }


class DomainResponse(ResponseModel):
    """A tenant's domain."""

    domain: str = Field(validation_alias="name")
    proof_required: bool = Field(
        validation_alias="is_proof_required", description="whether mail waits for the proof of ownership in DNS"
    )
    state: DomainState = Field(
        description="degraded: proven, but the proof or a record that mail needs is wrong or missing; "
        "failed: not proven in time, or the proof was lost for too long"
    )
    verified_at: datetime | None = Field(None, description="when it was first proven")
    proof_lost_at: datetime | None = Field(None, description="since when a former proof is missing")
    checked_at: datetime | None = Field(None, description="when DNS last answered for the proof")
    check_requested_at: datetime | None = Field(
        None, validation_alias="requested_at", description="present while a requested check is due"
    )
    next_check_at: datetime | None = Field(None, description="absent: no check until one is requested")
    fault: str | None = Field(None, description="why the last check got no answer for some record: timeout, ...")
    records: list[DomainRecordResponse] = Field(description="records that the owner must publish, the proof first")

    @model_validator(mode="before")
    @classmethod
    def _read(cls, view: DomainView) -> dict[str, Any]:
        domain = view.domain
        # a requested check runs at the next scheduler run; the stored time only puts it first in the queue
        planned = domain.due_at if domain.requested_at is None else None
        return {**vars(domain), **vars(domain.ownership), "next_check_at": planned, "records": view.records}
