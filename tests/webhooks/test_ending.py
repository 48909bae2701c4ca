"""Webhooks of a purged tenant get the event of the purge, and are deleted a day later."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

from shared.application.parts import open_settlement
from shared.config.settings import Settings
from shared.core.errors import NotFound
from shared.integrations.outcomes import ok
from shared.tenants.model import NewTenant
from shared.tenants.views import TenantView
from shared.webhooks.model import NewWebhook, Webhook
from tests.waiting import until
from tests.webhooks.conftest import Post, Run
from worker.composition import open_ended_webhooks


def grown(post: Post, partner_id: str | None = None, slug: str = "acme") -> TenantView:
    new = NewTenant(slug, slug.title(), "starter", (), None, partner_id)
    return finished(post, post.services.tenants.create(new, post.admin))


def finished(post: Post, view: TenantView) -> TenantView:
    """End every step of the operation as ok and settle it."""
    operation = view.operation
    while operation is not None and operation.is_open:
        for step in operation.steps_of_dispatch():
            claim = post.store.operations.claim(operation.id, step.name, operation.dispatch, 60)
            assert claim is not None
            operation = post.store.operations.record(claim, ok())
            assert operation is not None
    assert operation is not None
    open_settlement(post.store).settle(operation.id)
    return post.services.tenants.get(view.tenant.slug, post.admin)


def purge(post: Post, slug: str = "acme") -> None:
    finished(post, post.services.lifecycle.delete(slug, post.admin))
    finished(post, post.services.lifecycle.purge(slug, post.admin))


def time_is_up(post: Post, settings: Settings) -> None:
    rows = post.store.connection.client[settings.mongodb_database]["webhooks"]
    rows.update_many({"removeAt": {"$exists": True}}, [{"$set": {"removeAt": "$$NOW"}}])


def test_a_purged_tenants_webhook_still_gets_the_purge_event(post: Post, delivery_loop: Run) -> None:
    partner = post.services.partners.create("reseller", "Reseller", post.admin)
    tenant = grown(post, partner.id).tenant
    new = NewWebhook(f"{post.receiver.url}/take", ("operation.*",))
    post.services.webhooks.create(new, tenant.id, partner.id, post.admin)
    purge(post)
    with delivery_loop():
        until(lambda: len(post.receiver.journal) == 2)
    actions = [json.loads(entry["body"])["after"]["action"] for entry in post.receiver.journal]
    assert sorted(actions) == ["delete", "purge"]


def test_a_purged_tenants_webhook_is_deleted_after_a_day_with_its_deliveries_and_an_event(
    post: Post, delivery_loop: Run, settings: Settings
) -> None:
    ours, _ = post.subscribe("user.*", tenant_id=grown(post).tenant.id)
    others, _ = post.subscribe("user.*", tenant_id=grown(post, slug="beta").tenant.id)
    purge(post)
    assert open_ended_webhooks(post.store).remove() == 0
    assert not gone(post, ours)
    time_is_up(post, settings)
    with delivery_loop():
        until(lambda: gone(post, ours))
    assert post.now(others).id == others.id
    assert gone_tenants(post) == [ours.id]


def test_two_delivery_loops_at_once_delete_the_webhook_once(post: Post, settings: Settings) -> None:
    webhook, _ = post.subscribe(tenant_id=grown(post).tenant.id)
    purge(post)
    time_is_up(post, settings)
    with ThreadPoolExecutor(4) as pool:
        removed = list(pool.map(lambda _: open_ended_webhooks(post.store).remove(), range(4)))
    assert sum(removed) == 1
    assert gone_tenants(post) == [webhook.id]


def gone_tenants(post: Post) -> list[str]:
    events = post.services.events.newest(post.admin, None, None, 50).items
    return [(event.before or {})["_id"] for event in events if event.action == "webhook.deleted"]


def gone(post: Post, webhook: Webhook) -> bool:
    try:
        post.now(webhook)
    except NotFound:
        return True
    return False
