"""Read the events that the actor may see."""

from __future__ import annotations

from dataclasses import dataclass

from shared.db.connection import MongoConnection
from shared.events.model import EVERY_EVENT, EventFilter, Feed
from shared.events.repository import EventRepository, number_events
from shared.provisioning.tenants import TenantService
from shared.rights.policy import Actor


@dataclass(frozen=True, kw_only=True)
class EventService:
    connection: MongoConnection
    events: EventRepository
    tenant_service: TenantService

    def newest(
        self,
        actor: Actor,
        tenant_slug: str | None,
        before: int | None,
        limit: int,
        event_filter: EventFilter = EVERY_EVENT,
    ) -> Feed:
        """Return the newest events, or those before the number `before`. Raises NotFound for an unknown tenant."""
        tenant_ids = self.tenant_service.ids_in_scope(actor, tenant_slug)
        number_events(self.connection, self.events)
        return self.events.newest(tenant_ids, before, limit, event_filter)

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
        tenant_ids = self.tenant_service.ids_in_scope(actor, tenant_slug)
        number_events(self.connection, self.events)
        return self.events.following(tenant_ids, after, before, limit, event_filter)
