"""What the control plane hands to a door: records put together for one answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.domain.event import Event
from shared.domain.operation import Operation
from shared.domain.subscription import Subscription
from shared.domain.tenant import Tenant
from shared.domain.user import User

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class TenantView:
    """A tenant with its latest operation."""

    tenant: Tenant
    operation: Operation | None


@dataclass(frozen=True)
class Page(Generic[T]):
    """Part of a list, newest first. `next`: where the following page starts, None at the end."""

    items: tuple[T, ...]
    next: str | None

    def map(self, change: Callable[[T], U]) -> Page[U]:
        return Page(tuple(change(item) for item in self.items), self.next)


@dataclass(frozen=True)
class TenantQuery:
    """A list request. `after` is a page's `next`; `prefix` matches the start of the slug; all others are exact."""

    limit: int = 50
    after: str | None = None
    status: str | None = None
    plan: str | None = None
    partner_id: str | None = None
    failed_steps: tuple[str, ...] = ()
    prefix: str | None = None


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
class Profile:
    """A caller with what is theirs: what a portal's first page needs."""

    user: User
    tenants: tuple[TenantView, ...]
    subscriptions: tuple[Subscription, ...]


@dataclass(frozen=True)
class Feed:
    """A stretch of the event log. `older` and `newer`: the numbers to go on from, None where there is no more."""

    items: tuple[Event, ...]
    older: int | None
    newer: int
