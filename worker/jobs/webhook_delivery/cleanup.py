"""Webhooks of a tenant that was removed for good: told of the removal itself for a day, then removed as well."""

from __future__ import annotations

from shared.application.store import Repositories
from shared.db.documents import Transaction
from shared.events.model import Author, facts
from shared.webhooks.model import SHOWN, Webhook

#: how many one look removes; the next takes the rest
BATCH = 50


def remove_ended(store: Repositories) -> int:
    """Remove those whose time is up, with what was kept of their deliveries; how many."""
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
