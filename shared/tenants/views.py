"""Read models of tenants: tenant with latest operation, list query, purge receipt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared.operations.model import Operation
from shared.tenants.model import Tenant


@dataclass(frozen=True, eq=False)
class TenantView:
    """A tenant with its latest operation. Compared by identity, so that caches can use it as a key."""

    tenant: Tenant
    operation: Operation | None

    @property
    def is_degraded(self) -> bool:
        """Return whether a step failed or is being retried. A paused step does not count."""
        return self.tenant.is_degraded or (self.operation is not None and self.operation.is_retrying)


@dataclass(frozen=True)
class TenantQuery:
    """A list query; all filters must match. `after`: cursor, the `next` of the previous page.

    `search` matches the start of the slug, of a word of the name, of a domain or of the owner's address, and tenants of
    `search_partners`: partners whose slug starts with it. `partner`: a partner's id or slug. `drifted`: the integration
    in which the latest drift check found drift, or `any`. `sort`: newest, oldest or slug.
    """

    limit: int = 50
    after: str | None = None
    status: str | None = None
    plan: str | None = None
    partner: str | None = None
    steps: Mapping[str, str] = field(default_factory=dict)
    search: str | None = None
    search_partners: tuple[str, ...] = ()
    paused: bool = False
    drifted: str | None = None
    slugs: tuple[str, ...] | None = None
    ids: tuple[str, ...] | None = None
    sort: str = "newest"


@dataclass(frozen=True)
class Removal:
    """Objects that one step of one purge removed. `verified`: how their absence was verified, or None."""

    operation: str
    step: str
    status: str
    removed: tuple[str, ...]
    verified: str | None
    at: datetime | None


@dataclass(frozen=True)
class Receipt:
    """The record of a purged tenant."""

    slug: str
    domains: tuple[str, ...]
    purged_at: datetime
    users_removed: int
    removals: tuple[Removal, ...]
