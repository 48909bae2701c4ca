"""The event log, as far as the actor may see it."""

from __future__ import annotations

from shared.application.store import Repositories
from shared.events.model import EVERY_EVENT, EventFilter, Feed
from shared.provisioning.tenants import TenantService
from shared.rights import policy as access
from shared.rights.policy import Actor

#: batches of events one request numbers at most; what is left waits for the next request
BATCHES = 20


class EventService:
    def __init__(self, store: Repositories, tenants: TenantService) -> None:
        self._store = store
        self._tenants = tenants

    def newest(
        self, actor: Actor, tenant_slug: str | None, before: int | None, limit: int, only: EventFilter = EVERY_EVENT
    ) -> Feed:
        """The newest events, or those older than the one numbered `before`. Raises NotFound for an unknown tenant."""
        tenant_ids = self._scope(actor, tenant_slug)
        number_events(self._store)
        return self._store.events.newest(tenant_ids, before, limit, only)

    def following(
        self,
        actor: Actor,
        tenant_slug: str | None,
        after: int,
        before: int | None,
        limit: int,
        only: EventFilter = EVERY_EVENT,
    ) -> Feed:
        """The oldest events after the one numbered `after`, and before another. Raises NotFound for unknown tenants."""
        tenant_ids = self._scope(actor, tenant_slug)
        number_events(self._store)
        return self._store.events.following(tenant_ids, after, before, limit, only)

    def _scope(self, actor: Actor, tenant_slug: str | None) -> tuple[str, ...] | None:
        if tenant_slug is not None:
            return (self._tenants.visible(tenant_slug, actor).id,)
        return self._store.tenants.ids_in(access.visible_tenants(actor))


def number_events(store: Repositories) -> None:
    """Give what was committed its place in the log. Many may ask at once."""
    for _ in range(BATCHES):
        if not store.events.any_unnumbered():
            return
        store.transaction(store.events.number)
