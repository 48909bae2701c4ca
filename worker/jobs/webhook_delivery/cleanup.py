"""Delete the webhooks of purged tenants, a day after the purge, so that they still receive its event."""

from __future__ import annotations

from dataclasses import dataclass

from shared.db.connection import MongoConnection
from shared.db.documents import Transaction
from shared.db.fault_containment import contain_faults
from shared.events.model import Author, event_values
from shared.events.repository import EventRepository
from shared.webhooks.delivery_repository import DeliveryRepository
from shared.webhooks.model import EVENT_FIELDS, Webhook
from shared.webhooks.repository import WebhookRepository

#: webhooks that one run deletes; the next run takes the rest
BATCH = 50


@dataclass(frozen=True, kw_only=True)
class EndedWebhooks:
    """Deletes ended webhooks."""

    connection: MongoConnection
    deliveries: DeliveryRepository
    events: EventRepository
    webhooks: WebhookRepository

    def remove(self) -> int:
        """Remove a batch of them with their deliveries; return how many."""
        removed = 0
        for webhook in self.webhooks.due_for_removal(BATCH):
            with contain_faults(self.connection, "webhook_delivery", webhook.id):
                removed += self._remove(webhook)
        return removed

    def _remove(self, webhook: Webhook) -> bool:
        def work(session: Transaction) -> bool:
            removed = self.webhooks.delete(webhook.id, session)
            if removed:
                before = {"_id": webhook.id} | event_values(webhook, EVENT_FIELDS)
                event = webhook.event("deleted", Author(None, f"ended-{webhook.id}"), before=before)
                self.events.append(event, session)
            return removed

        removed = self.connection.transaction(work)
        self.deliveries.delete_all(webhook.id)
        return removed
