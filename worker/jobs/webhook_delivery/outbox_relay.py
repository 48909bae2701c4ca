"""From the event log to deliveries: each webhook is told of each event that its owner may see, once.

A webhook's cursor is the number of the last event it was told of. It moves in the transaction that makes the
deliveries, and only from where it was read: so none is lost and none is doubled, however many look at once.
"""

from __future__ import annotations

from shared.db.connection import MongoConnection
from shared.db.documents import Transaction
from shared.events.model import Event
from shared.events.numbering import number_events
from shared.events.repository import EventRepository
from shared.tenants.repository import TenantRepository
from shared.webhooks import policy as webhook_access
from shared.webhooks.delivery_repository import DAY, DeliveryRepository
from shared.webhooks.model import Webhook
from shared.webhooks.repository import WebhookRepository

#: webhooks looked after in one look, those furthest behind first; and events for one of them in one transaction
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
        """`keep_days`: events older than that are not sent any more, such as after a webhook was off for long.

        `events`: how many of them one webhook is told of in one transaction.
        """
        self._connection = connection
        self._deliveries = deliveries
        self._events = events
        self._tenants = tenants
        self._webhooks = webhooks
        self._batch = batch
        self._oldest = keep_days * DAY

    def look(self) -> int:
        """Number what is new and make its deliveries; how many."""
        number_events(self._connection, self._events)
        last = self._events.last_number()
        return sum(self._tell(webhook, last) for webhook in self._webhooks.behind(last, WEBHOOKS))

    def _tell(self, webhook: Webhook, last: int) -> int:
        span = (webhook.cursor, last)
        events = self._events.wanted(self._tenant_ids(webhook), webhook.actions, span, self._oldest, self._batch)
        # a full batch may not be all there is
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
        """Asked anew each time: a tenant may have changed its partner."""
        found = self._tenants.ids_in(webhook_access.told_to(webhook.owner))
        only = webhook.owner.tenant_id
        if only is None or found is None:
            return found
        return tuple(one for one in found if one == only)
