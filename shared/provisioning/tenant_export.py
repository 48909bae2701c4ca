"""Export all stored data of one tenant, page by page, so that memory use stays at one page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from shared.accounts.user import User, UserQuery
from shared.accounts.user_repository import UserRepository
from shared.db.connection import MongoConnection
from shared.db.documents import Page
from shared.events.model import Event
from shared.events.repository import EventRepository, number_events
from shared.operations.model import Operation
from shared.operations.repository import OperationRepository
from shared.subscriptions.model import Subscription
from shared.subscriptions.repository import SubscriptionRepository
from shared.tenants.model import Tenant

T = TypeVar("T")

PAGE = 200


@dataclass(frozen=True)
class Export:
    """All stored data of a tenant. The iterators read their pages lazily."""

    tenant: Tenant
    users: Iterator[tuple[User, ...]]
    subscriptions: Iterator[tuple[Subscription, ...]]
    operations: Iterator[tuple[Operation, ...]]
    events: Iterator[tuple[Event, ...]]


@dataclass(frozen=True, kw_only=True)
class TenantExporter:
    connection: MongoConnection
    events: EventRepository
    operations: OperationRepository
    subscriptions: SubscriptionRepository
    users: UserRepository

    def read(self, tenant: Tenant) -> Export:
        """Return the export. Its iterators may raise StoreUnavailable later."""
        return Export(
            tenant=tenant,
            users=self._user_pages(tenant.id),
            subscriptions=iter((self.subscriptions.of_tenants((tenant.id,)),)),
            operations=_pages(lambda after: self.operations.page(tenant.id, PAGE, after)),
            events=self._event_pages(tenant.id),
        )

    def _user_pages(self, tenant_id: str) -> Iterator[tuple[User, ...]]:
        """Yield the tenant's users, without their roles in other tenants."""
        query = UserQuery(limit=PAGE, tenant_id=tenant_id)
        for page in _pages(lambda after: self.users.page(None, replace(query, after=after))):
            yield tuple(user.limited_to((tenant_id,)) for user in page)

    def _event_pages(self, tenant_id: str) -> Iterator[tuple[Event, ...]]:
        """Yield the tenant's events, oldest first."""
        number_events(self.connection, self.events)
        after = 0
        while (feed := self.events.following((tenant_id,), after, None, PAGE)).items:
            yield feed.items
            after = feed.newer


def _pages(read: Callable[[str | None], Page[T]]) -> Iterator[tuple[T, ...]]:
    """Yield all pages of a list, newest first."""
    page = read(None)
    yield page.items
    while page.next is not None:
        page = read(page.next)
        yield page.items
