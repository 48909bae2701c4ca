"""A partner: a reseller whose administrators manage its tenants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Partner:
    """A partner on record. `slug` is immutable; each accepted change increments `version`."""

    id: str
    slug: str
    name: str
    version: int
    created_at: datetime
    updated_at: datetime
