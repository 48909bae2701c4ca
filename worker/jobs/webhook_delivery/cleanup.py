"""Delete the webhooks of purged tenants, a day after the purge, so that they still receive its event."""

from __future__ import annotations

from shared.application.store import Repositories
from shared.db.documents import Transaction
from shared.events.model import Author, facts
from shared.webhooks.model import SHOWN, Webhook

#: webhooks that one run deletes; the next run takes the rest
BATCH = 50


def remove_ended(store: Repositories) -> int:
    """Delete ended webhooks with their deliveries; return how many."""
    return sum(_remove(store, webhook) for webhook in store.webhooks.ended(BATCH))


def _remove(store: Repositories, webhook: Webhook) -> bool:
    def work(session: Transaction) -> bool:
        removed = store.webhooks.delete(webhook.id, session)
        if removed:
            before = {"_id": webhook.id} | facts(webhook, SHOWN)
            event = webhook.event("deleted", Author(None, f"ended-{webhook.id}"), before=before)
            store.events.append(event, session)
        return removed

    removed = store.transaction(work)
    store.deliveries.drop(webhook.id)
    return removed
