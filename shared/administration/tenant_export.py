"""Read all that is held about one tenant, page by page: an export takes no more memory than a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from shared.accounts.user import User, UserQuery
from shared.administration.event_feed import number_events
from shared.application.store import Repositories
from shared.db.paging import Page
from shared.events.model import Event
from shared.operations.model import Operation
from shared.subscriptions.model import Subscription
from shared.tenants.model import Tenant

T = TypeVar("T")

PAGE = 200


@dataclass(frozen=True)
class Export:
    """All that is held about a tenant. Each kind's records are read page by page, as they are taken."""

    tenant: Tenant
    users: Iterator[tuple[User, ...]]
    subscriptions: Iterator[tuple[Subscription, ...]]
    operations: Iterator[tuple[Operation, ...]]
    events: Iterator[tuple[Event, ...]]


class TenantExporter:
    def __init__(self, store: Repositories) -> None:
        self._store = store

    def read(self, tenant: Tenant) -> Export:
        """The export; its records are read when they are taken. Raises StoreUnavailable then, too."""
        return Export(
            tenant=tenant,
            users=self._users(tenant.id),
            subscriptions=iter((self._store.subscriptions.of_tenants((tenant.id,)),)),
            operations=_pages(lambda after: self._store.operations.page(tenant.id, PAGE, after)),
            events=self._events(tenant.id),
        )

    def _users(self, tenant_id: str) -> Iterator[tuple[User, ...]]:
        """The tenant's people; an export is one tenant's, so it names no other tenant of theirs."""
        query = UserQuery(limit=PAGE, tenant_id=tenant_id)
        for page in _pages(lambda after: self._store.users.page(None, replace(query, after=after))):
            yield tuple(user.within((tenant_id,)) for user in page)

    def _events(self, tenant_id: str) -> Iterator[tuple[Event, ...]]:
        """The tenant's events, oldest first."""
        number_events(self._store)
        after = 0
        while (feed := self._store.events.following((tenant_id,), after, None, PAGE)).items:
            yield feed.items
            after = feed.newer


def _pages(read: Callable[[str | None], Page[T]]) -> Iterator[tuple[T, ...]]:
    """All pages of a list, newest first."""
    page = read(None)
    yield page.items
    while page.next is not None:
        page = read(page.next)
        yield page.items
