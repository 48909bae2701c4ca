"""Outbox relay: create a delivery for each new event and each webhook whose owner may see it.

A webhook's cursor is the number of the last event that was relayed to it. The transaction that creates the deliveries
moves the cursor, and only from the value that was read. So no event is lost or relayed twice, even by several relays.
"""

from __future__ import annotations

from shared.administration.event_feed import number_events
from shared.application.store import Repositories
from shared.db.documents import Transaction
from shared.events.model import Event
from shared.webhooks import policy as webhook_access
from shared.webhooks.delivery_repository import DAY
from shared.webhooks.model import Webhook

#: webhooks that one run serves, those furthest behind first, and events for one webhook in one transaction
WEBHOOKS, EVENTS = 200, 200


class OutboxRelay:
    def __init__(self, store: Repositories, keep_days: float, *, events: int = EVENTS) -> None:
        """`keep_days`: older events are not relayed, such as after a webhook was disabled for long.

        `events`: how many events of one webhook one transaction relays.
        """
        self._store = store
        self._events = events
        self._oldest = keep_days * DAY

    def relay(self) -> int:
        """Number new events and create their deliveries; return how many."""
        number_events(self._store)
        last = self._store.events.last_number()
        return sum(self._relay(webhook, last) for webhook in self._store.webhooks.behind(last, WEBHOOKS))

    def _relay(self, webhook: Webhook, last: int) -> int:
        span = (webhook.cursor, last)
        events = self._store.events.wanted(self._tenant_ids(webhook), webhook.actions, span, self._oldest, self._events)
        # after a full batch there may be more events
        cursor = events[-1].number if len(events) == self._events else last
        if not events:
            self._store.webhooks.advance(webhook, cursor)
            return 0
        return self._store.transaction(lambda session: self._record(webhook, events, cursor, session))

    def _record(self, webhook: Webhook, events: list[Event], cursor: int, session: Transaction) -> int:
        if not self._store.webhooks.advance(webhook, cursor, session):
            return 0
        self._store.deliveries.insert(webhook.id, events, session)
        return len(events)

    def _tenant_ids(self, webhook: Webhook) -> tuple[str, ...] | None:
        """Return the ids of the tenants that the webhook may see now: a tenant may have changed its partner."""
        found = self._store.tenants.ids_in(webhook_access.told_to(webhook.owner))
        only = webhook.owner.tenant_id
        if only is None or found is None:
            return found
        return tuple(one for one in found if one == only)
