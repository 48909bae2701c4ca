"""What is shown of tenants: one with its latest operation, list requests, and receipts of purges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared.operations.model import Operation
from shared.tenants.model import Tenant


@dataclass(frozen=True, eq=False)
class TenantView:
    """A tenant with its latest operation. Compared by identity, so that what is made of one can be remembered."""

    tenant: Tenant
    operation: Operation | None

    @property
    def is_degraded(self) -> bool:
        """Whether a step failed or is being retried. One that waits for an operator is as it should be."""
        return self.tenant.is_degraded or (self.operation is not None and self.operation.is_retrying)


@dataclass(frozen=True)
class TenantQuery:
    """A list request. `after` is a page's `next`; all filters must hold.

    `search` matches the start of the slug, of a word of the name, of a domain, or of the owner's address, and the
    tenants of a partner whose slug begins so (`search_partners`). `partner`: a partner's id or slug. `drifted`: the
    latest comparison found changes, for this integration or, as `any`, for some. `sort`: newest, oldest or slug.
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
    sort: str = "newest"


@dataclass(frozen=True)
class Removal:
    """What one step of one purge removed. `verified`: how its absence was seen, None when it was not."""

    operation: str
    step: str
    status: str
    removed: tuple[str, ...]
    verified: str | None
    at: datetime | None


@dataclass(frozen=True)
class Receipt:
    """What is left to show of a tenant that was removed for good."""

    slug: str
    domains: tuple[str, ...]
    purged_at: datetime
    users_removed: int
    removals: tuple[Removal, ...]
