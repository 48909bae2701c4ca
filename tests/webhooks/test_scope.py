"""A webhook gets only events that its owner may see at that time, and owners see only their own webhooks."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from shared.accounts.user import NewUser, Role, UserChanges
from shared.core.errors import ActionNotPossible, Forbidden, NotFound, TooManyWebhooks, UnknownReference
from shared.rights.policy import Actor
from shared.tenants.model import NewTenant, Tenant
from shared.webhooks.model import MAX_PER_OWNER, NewWebhook, Owner, Webhook
from tests.records import EVERY_SURFACE
from tests.waiting import until
from tests.webhooks.conftest import Post, Run
from worker.composition import open_outbox_relay

ANYWHERE = NewWebhook("https://hooks.acme.test/take", ("tenant.*", "user.*"))


@pytest.fixture
def tenant(post: Post) -> Callable[..., Tenant]:
    def make(slug: str, partner_id: str | None = None) -> Tenant:
        new = NewTenant(slug, slug.title(), "starter", (), None, partner_id)
        return post.services.tenants.create(new, post.admin).tenant

    return make


@pytest.fixture
def person(post: Post) -> Callable[..., Actor]:
    def make(name: str, role: Role, *tenants: Tenant, partner_id: str | None = None) -> Actor:
        new = NewUser(name, f"{name}@people.test", name.title())
        tenant_ids = tuple(one.id for one in tenants)
        rights: UserChanges = {"role": role, "tenant_ids": tenant_ids, "partner_id": partner_id}
        return Actor(post.services.users.create(new, rights, post.admin), EVERY_SURFACE, "request-2")

    return make


def received_slugs(post: Post, path: str) -> list[str | None]:
    """Return the tenants of the events received at a path; None for an event without a tenant."""
    return [json.loads(entry["body"]).get("tenant") for entry in post.receiver.journal if entry["path"] == path]


def is_all_delivered(post: Post) -> bool:
    last = post.store.events.last_number()
    open_ones = [one for hook in webhooks_of(post) for one in post.deliveries(hook, "pending")]
    return not post.store.events.has_unnumbered() and not post.store.webhooks.behind(last, 99) and not open_ones


def webhooks_of(post: Post) -> tuple[Webhook, ...]:
    return post.services.webhooks.page(post.admin, None, 100, None).items


def test_each_owner_gets_only_their_own_events(
    post: Post, delivery_loop: Run, tenant: Callable[..., Tenant], person: Callable[..., Actor]
) -> None:
    partner = post.services.partners.create("reseller", "Reseller", post.admin)
    acme, beta, gamma = tenant("acme"), tenant("beta", partner.id), tenant("gamma", partner.id)
    owner = person("olga", Role.OWNER, acme)
    reseller = person("rita", Role.ADMIN, partner_id=partner.id)

    def subscribe(path: str, actor: Actor, tenant_id: str | None = None) -> Owner:
        new = NewWebhook(f"{post.receiver.url}/{path}", ("tenant.changed", "partner.*"))
        return post.services.webhooks.create(new, tenant_id, None, actor)[0].owner

    assert subscribe("platform", post.admin) == Owner()
    assert subscribe("acme", owner, acme.id) == Owner(acme.id)
    assert subscribe("partner", reseller) == Owner(None, partner.id)
    assert subscribe("narrow", reseller, beta.id) == Owner(beta.id, partner.id)
    for slug in ("acme", "beta", "gamma"):
        post.services.tenants.change(slug, {"billing_info": {"company": slug}}, post.admin, None)
    post.happen("another")
    with delivery_loop():
        until(lambda: is_all_delivered(post))
        assert sorted(received_slugs(post, "/platform"), key=str) == [None, "acme", "beta", "gamma"]
        assert received_slugs(post, "/acme") == ["acme"]
        assert sorted(received_slugs(post, "/partner"), key=str) == ["beta", "gamma"]
        assert received_slugs(post, "/narrow") == ["beta"]
        # after a tenant leaves its partner, the partner gets no more of its events, not even that one
        post.services.tenants.change("beta", {"partner_id": None}, post.admin, None)
        until(lambda: len(received_slugs(post, "/platform")) == 5)
        until(lambda: is_all_delivered(post))
    assert sorted(received_slugs(post, "/partner"), key=str) == ["beta", "gamma"]
    assert received_slugs(post, "/narrow") == ["beta"]
    assert gamma.partner_id == partner.id


def test_only_callers_who_manage_the_owner_create_its_webhooks(
    post: Post, tenant: Callable[..., Tenant], person: Callable[..., Actor]
) -> None:
    partner = post.services.partners.create("reseller", "Reseller", post.admin)
    acme, beta = tenant("acme"), tenant("beta", partner.id)
    member, owner = person("mia", Role.MEMBER, acme), person("olga", Role.OWNER, acme)
    reseller, clerk = (
        person("rita", Role.ADMIN, partner_id=partner.id),
        person("carl", Role.MEMBER, partner_id=partner.id),
    )
    create = post.services.webhooks.create
    refused: list[tuple[Actor, str | None, str | None, type[Exception]]] = [
        (member, acme.id, None, Forbidden),
        (owner, None, None, Forbidden),
        (owner, beta.id, None, UnknownReference),
        (owner, acme.id, partner.id, Forbidden),
        (owner, None, partner.id, Forbidden),
        (reseller, acme.id, None, UnknownReference),
        (clerk, None, None, Forbidden),
        (clerk, None, partner.id, Forbidden),
        (post.admin, acme.id, partner.id, UnknownReference),
        (post.admin, None, "0" * 24, UnknownReference),
        (post.admin, "0" * 24, None, UnknownReference),
    ]
    for actor, tenant_id, partner_id, error in refused:
        with pytest.raises(error):
            create(ANYWHERE, tenant_id, partner_id, actor)
    assert create(ANYWHERE, acme.id, None, owner)[0].owner == Owner(acme.id)
    assert create(ANYWHERE, acme.id, None, post.admin)[0].owner == Owner(acme.id)
    assert create(ANYWHERE, None, None, reseller)[0].owner == Owner(None, partner.id)


def test_only_callers_who_manage_the_owner_see_its_webhooks(
    post: Post, tenant: Callable[..., Tenant], person: Callable[..., Actor]
) -> None:
    partner = post.services.partners.create("reseller", "Reseller", post.admin)
    acme, beta = tenant("acme"), tenant("beta", partner.id)
    member, owner = person("mia", Role.MEMBER, acme), person("olga", Role.OWNER, acme)
    reseller = person("rita", Role.ADMIN, partner_id=partner.id)
    beta_owner = person("bert", Role.OWNER, beta)
    cases = post.services.webhooks
    made = {
        name: cases.create(ANYWHERE, tenant_id, None, actor)[0].id
        for name, tenant_id, actor in (
            ("platform", None, post.admin),
            ("acme", acme.id, owner),
            ("partner", None, reseller),
            ("narrow", beta.id, reseller),
            ("beta", beta.id, beta_owner),
        )
    }
    sees = {
        post.admin: set(made),
        owner: {"acme"},
        member: set[str](),
        reseller: {"partner", "narrow"},
        beta_owner: {"beta"},
    }
    for actor, names in sees.items():
        assert {one.id for one in cases.page(actor, None, 50, None).items} == {made[name] for name in names}
        for name, webhook_id in made.items():
            if name in names:
                assert cases.get(webhook_id, actor).id == webhook_id
            else:
                with pytest.raises(NotFound):
                    cases.get(webhook_id, actor)
                with pytest.raises(NotFound):
                    cases.rotate(webhook_id, 0, actor)
                with pytest.raises(NotFound):
                    cases.delete(webhook_id, actor, None)
    assert [one.id for one in cases.page(post.admin, "acme", 50, None).items] == [made["acme"]]


def test_an_owner_has_at_most_the_allowed_number_of_webhooks(post: Post, tenant: Callable[..., Tenant]) -> None:
    acme = tenant("acme")
    for _ in range(MAX_PER_OWNER):
        post.services.webhooks.create(ANYWHERE, acme.id, None, post.admin)
    with pytest.raises(TooManyWebhooks):
        post.services.webhooks.create(ANYWHERE, acme.id, None, post.admin)
    post.services.webhooks.create(ANYWHERE, None, None, post.admin)


def test_concurrent_creates_do_not_exceed_the_limit_of_webhooks(post: Post, tenant: Callable[..., Tenant]) -> None:
    acme = tenant("acme")
    for _ in range(MAX_PER_OWNER - 2):
        post.services.webhooks.create(ANYWHERE, acme.id, None, post.admin)

    def one_more(_: int) -> bool:
        with suppress(TooManyWebhooks):
            post.services.webhooks.create(ANYWHERE, acme.id, None, post.admin)
            return True
        return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one_more, range(8))) == 2


def test_a_webhook_that_is_switched_off_sends_nothing_on_demand(post: Post) -> None:
    webhook, _ = post.services.webhooks.create(
        NewWebhook("https://hooks.acme.test/", enabled=False), None, None, post.admin
    )
    with pytest.raises(ActionNotPossible):
        post.services.webhooks.test(webhook.id, post.admin, 0)


def test_events_of_a_tenant_that_left_its_partner_are_neither_sent_late_nor_replayed(
    post: Post, delivery_loop: Run, tenant: Callable[..., Tenant], person: Callable[..., Actor]
) -> None:
    partner = post.services.partners.create("reseller", "Reseller", post.admin)
    tenant("beta", partner.id)
    reseller = person("rita", Role.ADMIN, partner_id=partner.id)
    new = NewWebhook(f"{post.receiver.url}/partner", ("tenant.changed",))
    webhook, _ = post.services.webhooks.create(new, None, None, reseller)
    post.services.tenants.change("beta", {"billing_info": {"company": "first"}}, post.admin, None)
    with delivery_loop():
        until(lambda: post.deliveries(webhook, "delivered"))
    (delivered,) = post.deliveries(webhook)
    # the next event is being delivered when the tenant leaves
    post.services.tenants.change("beta", {"billing_info": {"company": "second"}}, post.admin, None)
    open_outbox_relay(post.store, 14).relay()
    post.services.tenants.change("beta", {"partner_id": None}, post.admin, None)
    with delivery_loop():
        until(lambda: post.deliveries(webhook, "failed"))
    assert [one.reason for one in post.deliveries(webhook, "failed")] == ["out_of_scope"]
    with pytest.raises(ActionNotPossible, match="no longer belongs"):
        post.services.webhooks.replay(webhook.id, delivered.id, reseller)
    assert received_slugs(post, "/partner") == ["beta"]
    post.services.tenants.change("beta", {"partner_id": partner.id}, post.admin, None)
    post.services.webhooks.replay(webhook.id, delivered.id, reseller)
    with delivery_loop():
        until(lambda: len(received_slugs(post, "/partner")) > 1)
