"""The tenants that a query may read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scope:
    """The tenants that an actor may see, as criteria of a query. `everything` overrides the others."""

    everything: bool = False
    tenant_ids: tuple[str, ...] = ()
    partner_id: str | None = None
