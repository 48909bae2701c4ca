"""A partner: a reseller, whose administrators look after its tenants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Partner:
    """`slug` is immutable; `version` is raised by each accepted change."""

    id: str
    slug: str
    name: str
    version: int
    created_at: datetime
    updated_at: datetime
