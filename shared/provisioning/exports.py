"""What the control plane hands to a door: records put together for one answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from shared.accounts.user import User
from shared.domains.dns_records import Record
from shared.domains.model import Sighting, TenantDomain
from shared.events.model import Event
from shared.operations.model import Operation
from shared.subscriptions.model import Subscription
from shared.tenants.model import Tenant

T = TypeVar("T")


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
class DomainRecord:
    """One record that a domain's owner must publish. `sighting` is None until DNS was asked for it."""

    record: Record
    is_proof: bool
    sighting: Sighting | None


@dataclass(frozen=True)
class DomainView:
    """A tenant's domain with all that must be published for it, the proof first."""

    domain: TenantDomain
    records: tuple[DomainRecord, ...]


@dataclass(frozen=True)
class Page(Generic[T]):
    """Part of a list, newest first. `next`: where the following page starts, None at the end."""

    items: tuple[T, ...]
    next: str | None


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
class UserQuery:
    """A list request. `tenant_id` and `partner_id` are exact; `prefix` matches the start of the e-mail address."""

    limit: int = 50
    after: str | None = None
    tenant_id: str | None = None
    partner_id: str | None = None
    prefix: str | None = None


@dataclass(frozen=True)
class SubscriptionQuery:
    """A list request; both filters are exact."""

    limit: int = 50
    after: str | None = None
    tenant_id: str | None = None
    status: str | None = None


@dataclass(frozen=True)
class DeliveryQuery:
    """A list request; the filter is exact."""

    limit: int = 50
    after: str | None = None
    status: str | None = None


@dataclass(frozen=True)
class Profile:
    """A caller with what is theirs: what a portal's first page needs."""

    user: User
    tenants: tuple[TenantView, ...]
    subscriptions: tuple[Subscription, ...]


@dataclass(frozen=True)
class EventFilter:
    """`action`: exact, or a group of them as `tenant.*`; `actor`: a user's id; `since` and `until`: half-open."""

    action: str | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None


EVERY_EVENT = EventFilter()


@dataclass(frozen=True)
class Feed:
    """A stretch of the event log. `older` and `newer`: the numbers to go on from, None where there is no more."""

    items: tuple[Event, ...]
    older: int | None
    newer: int


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


@dataclass(frozen=True)
class Export:
    """All that is held about a tenant. Each kind's records are read page by page, as they are taken."""

    tenant: Tenant
    users: Iterator[tuple[User, ...]]
    subscriptions: Iterator[tuple[Subscription, ...]]
    operations: Iterator[tuple[Operation, ...]]
    events: Iterator[tuple[Event, ...]]
