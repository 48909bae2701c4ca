"""Which tenants a query may read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scope:
    """Which tenants an actor may know of, in a form a query can carry. `everything` overrides the others."""

    everything: bool = False
    tenant_ids: tuple[str, ...] = ()
    partner_id: str | None = None
