"""Read the events that the actor may see."""

from __future__ import annotations

from shared.db.connection import MongoConnection
from shared.events.model import EVERY_EVENT, EventFilter, Feed
from shared.events.repository import EventRepository, number_events
from shared.provisioning.tenants import TenantService
from shared.rights import policy
from shared.rights.policy import Actor
from shared.tenants.repository import TenantRepository


class EventService:
    def __init__(
        self,
        *,
        connection: MongoConnection,
        events: EventRepository,
        tenants: TenantRepository,
        tenant_service: TenantService,
    ) -> None:
        self._connection = connection
        self._events = events
        self._tenants = tenants
        self._tenant_service = tenant_service

    def newest(
        self,
        actor: Actor,
        tenant_slug: str | None,
        before: int | None,
        limit: int,
        event_filter: EventFilter = EVERY_EVENT,
    ) -> Feed:
        """Return the newest events, or those before the number `before`. Raises NotFound for an unknown tenant."""
        tenant_ids = self._scope(actor, tenant_slug)
        number_events(self._connection, self._events)
        return self._events.newest(tenant_ids, before, limit, event_filter)

    def following(
        self,
        actor: Actor,
        tenant_slug: str | None,
        after: int,
        before: int | None,
        limit: int,
        event_filter: EventFilter = EVERY_EVENT,
    ) -> Feed:
        """Return the oldest events between the numbers `after` and `before`. Raises NotFound for an unknown tenant."""
        tenant_ids = self._scope(actor, tenant_slug)
        number_events(self._connection, self._events)
        return self._events.following(tenant_ids, after, before, limit, event_filter)

    def _scope(self, actor: Actor, tenant_slug: str | None) -> tuple[str, ...] | None:
        if tenant_slug is not None:
            return (self._tenant_service.visible(tenant_slug, actor).id,)
        return self._tenants.ids_in(policy.visible_tenants(actor))
