"""Outbox relay: create a delivery for each new event and each webhook whose owner may see it.

A webhook's cursor is the number of the last event that was relayed to it. The transaction that creates the deliveries
moves the cursor, and only from the value that was read. So no event is lost or relayed twice, even by several relays.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.db.connection import MongoConnection
from shared.db.documents import Transaction
from shared.db.fault_containment import contain_faults
from shared.events.model import Event
from shared.events.repository import EventRepository, number_events
from shared.tenants.repository import TenantRepository
from shared.webhooks import policy as webhook_access
from shared.webhooks.delivery_repository import DAY, DeliveryRepository
from shared.webhooks.model import Webhook
from shared.webhooks.repository import WebhookRepository

#: webhooks that one run serves, those furthest behind first, and events for one webhook in one transaction
WEBHOOKS, EVENTS = 200, 200


@dataclass(frozen=True, kw_only=True)
class OutboxRelay:
    """Relays new events.

    `keep_days`: older events are not relayed, such as after a webhook was disabled for long. `batch`: how many events
    of one webhook one transaction relays.
    """

    connection: MongoConnection
    deliveries: DeliveryRepository
    events: EventRepository
    tenants: TenantRepository
    webhooks: WebhookRepository
    keep_days: float
    batch: int = EVENTS

    def relay(self) -> int:
        """Number new events and create their deliveries; return how many."""
        number_events(self.connection, self.events)
        last = self.events.last_number()
        made = 0
        for webhook in self.webhooks.behind(last, WEBHOOKS):
            with contain_faults(self.connection, "webhook_delivery", webhook.id):
                made += self._relay(webhook, last)
        return made

    def _relay(self, webhook: Webhook, last: int) -> int:
        span = (webhook.cursor, last)
        events = self.events.matching(
            self._tenant_ids(webhook), webhook.actions, span, self.keep_days * DAY, self.batch
        )
        # after a full batch there may be more events
        cursor = events[-1].number if len(events) == self.batch else last
        if not events:
            self.webhooks.advance(webhook, cursor)
            return 0
        return self.connection.transaction(lambda session: self._record(webhook, events, cursor, session))

    def _record(self, webhook: Webhook, events: list[Event], cursor: int, session: Transaction) -> int:
        if not self.webhooks.advance(webhook, cursor, session):
            return 0
        self.deliveries.insert(webhook.id, events, session)
        return len(events)

    def _tenant_ids(self, webhook: Webhook) -> tuple[str, ...] | None:
        """Return the ids of the tenants that the webhook may see now: a tenant may have changed its partner."""
        found = self.tenants.ids_in(webhook_access.event_scope(webhook.owner))
        only = webhook.owner.tenant_id
        if only is None or found is None:
            return found
        return tuple(one for one in found if one == only)
