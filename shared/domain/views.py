"""What the control plane hands to a door: records put together for one answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.domain.operation import Operation
from shared.domain.tenant import Tenant

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
    failed_step: str | None = None
    prefix: str | None = None
