"""A domain as the API shows it, with the records that its owner must publish."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domains.dns_records import Record
from shared.domains.model import Sighting, TenantDomain


@dataclass(frozen=True)
class DomainRecord:
    """One record that a domain's owner must publish. `sighting` is None until DNS was asked for it."""

    record: Record
    is_proof: bool
    sighting: Sighting | None


@dataclass(frozen=True)
class DomainView:
    """A tenant's domain with all records to publish, the proof first."""

    domain: TenantDomain
    records: tuple[DomainRecord, ...]
