"""Outbox relay: create a delivery for each new event and each webhook whose owner may see it.

A webhook's cursor is the number of the last event that was relayed to it. The transaction that creates the deliveries
moves the cursor, and only from the value that was read. So no event is lost or relayed twice, even by several relays.
"""

from __future__ import annotations

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


class OutboxRelay:
    def __init__(
        self,
        *,
        connection: MongoConnection,
        deliveries: DeliveryRepository,
        events: EventRepository,
        tenants: TenantRepository,
        webhooks: WebhookRepository,
        keep_days: float,
        batch: int = EVENTS,
    ) -> None:
        """`keep_days`: older events are not relayed, such as after a webhook was disabled for long.

        `batch`: how many events of one webhook one transaction relays.
        """
        self._connection = connection
        self._deliveries = deliveries
        self._events = events
        self._tenants = tenants
        self._webhooks = webhooks
        self._batch = batch
        self._oldest = keep_days * DAY

    def relay(self) -> int:
        """Number new events and create their deliveries; return how many."""
        number_events(self._connection, self._events)
        last = self._events.last_number()
        made = 0
        for webhook in self._webhooks.behind(last, WEBHOOKS):
            with contain_faults(self._connection, "webhook_delivery", webhook.id):
                made += self._relay(webhook, last)
        return made

    def _relay(self, webhook: Webhook, last: int) -> int:
        span = (webhook.cursor, last)
        events = self._events.matching(self._tenant_ids(webhook), webhook.actions, span, self._oldest, self._batch)
        # after a full batch there may be more events
        cursor = events[-1].number if len(events) == self._batch else last
        if not events:
            self._webhooks.advance(webhook, cursor)
            return 0
        return self._connection.transaction(lambda session: self._record(webhook, events, cursor, session))

    def _record(self, webhook: Webhook, events: list[Event], cursor: int, session: Transaction) -> int:
        if not self._webhooks.advance(webhook, cursor, session):
            return 0
        self._deliveries.insert(webhook.id, events, session)
        return len(events)

    def _tenant_ids(self, webhook: Webhook) -> tuple[str, ...] | None:
        """Return the ids of the tenants that the webhook may see now: a tenant may have changed its partner."""
        found = self._tenants.ids_in(webhook_access.event_scope(webhook.owner))
        only = webhook.owner.tenant_id
        if only is None or found is None:
            return found
        return tuple(one for one in found if one == only)
