"""Tenants are recorded completely or not at all, and unique values stay unique under concurrent requests."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, timedelta

import pytest

from shared.accounts.user import Role
from shared.application.services import Services, open_services
from shared.application.store import Repositories, open_repositories
from shared.config.settings import Settings
from shared.core.errors import DomainTaken, Forbidden, InvalidInput, NotFound, SlugTaken, StoreUnavailable
from shared.operations.dispatcher import Dispatcher
from shared.operations.model import Mode
from shared.rights.policy import Actor, Caller
from shared.tenants.model import NewTenant
from shared.tenants.views import TenantQuery, TenantView

Create = Callable[..., TenantView]


def test_a_tenant_its_operation_its_subscription_and_its_event_are_recorded_together(
    create: Create, store: Repositories, settings: Settings
) -> None:
    view = create("acme", "acme.test")
    database = store.connection.client[settings.mongodb_database]
    assert view.operation is not None
    assert view.tenant.operation_id == view.operation.id
    assert database["subscriptions"].count_documents({"tenantId": view.tenant.id}) == 1
    event = database["events"].find_one({"tenantId": view.tenant.id})
    assert event is not None
    assert (event["action"], event["after"]["domains"]) == ("tenant.created", ["acme.test"])


def test_all_that_is_recorded_for_a_request_has_the_time_that_its_callers_record_was_read_at(
    services: Services, admin: Actor, store: Repositories, settings: Settings
) -> None:
    caller = Caller(admin.user.subject, admin.user.email, admin.user.name, None, admin.surfaces)
    actor = services.sign_in.actor_for(caller, "request-2")
    assert actor.read_at is not None
    assert admin.user.updated_at <= actor.read_at <= store.connection.now()
    earlier = actor.read_at - timedelta(hours=1)
    view = services.tenants.create(NewTenant("acme", "Acme", "starter", ("a.test",)), replace(actor, read_at=earlier))
    assert view.operation is not None
    database = store.connection.client[settings.mongodb_database]
    times = {
        (name, field): row[field].replace(tzinfo=UTC)
        for name, fields in {
            "tenants": ("createdAt", "updatedAt"),
            "domains": ("createdAt", "since"),
            "operations": ("createdAt",),
            "subscriptions": ("createdAt", "updatedAt"),
            "events": ("time",),
        }.items()
        for row in database[name].find({"action": {"$ne": "user.created"}})
        for field in fields
    }
    assert set(times.values()) == {earlier}
    assert len(times) == 8
    assert view.tenant.created_at == view.operation.created_at == earlier


def test_a_refused_tenant_leaves_nothing_behind(create: Create, store: Repositories, settings: Settings) -> None:
    create("acme", "acme.test")
    database = store.connection.client[settings.mongodb_database]
    before = {name: database[name].count_documents({}) for name in ("tenants", "operations", "events", "subscriptions")}
    with pytest.raises(SlugTaken):
        create("acme")
    with pytest.raises(DomainTaken):
        create("other", "other.test", "acme.test")
    assert {name: database[name].count_documents({}) for name in before} == before


def test_two_creates_of_one_slug_or_one_domain_at_once_make_one_tenant(create: Create, store: Repositories) -> None:
    def attempt(slug: str, domain: str) -> str:
        try:
            create(slug, domain)
        except (SlugTaken, DomainTaken) as refusal:
            return refusal.code
        return "made"

    with ThreadPoolExecutor(8) as pool:
        by_slug = list(pool.map(lambda n: attempt("acme", f"acme{n}.test"), range(8)))
        by_domain = list(pool.map(lambda n: attempt(f"beta{n}", "beta.test"), range(8)))
    assert sorted(by_slug) == ["made"] + ["slug_taken"] * 7
    assert sorted(by_domain) == ["domain_taken"] * 7 + ["made"]


def test_many_tenants_may_have_no_domain_at_all(create: Create) -> None:
    assert create("acme").tenant.domains == create("beta").tenant.domains == ()


def test_a_name_that_looks_like_an_expression_is_kept_as_text(services: Services, admin: Actor) -> None:
    new = NewTenant("acme", "$$NOW", "starter")
    assert services.tenants.create(new, admin).tenant.name == "$$NOW"


def test_an_unknown_plan_is_refused_with_the_known_plans(services: Services, admin: Actor) -> None:
    with pytest.raises(InvalidInput) as refusal:
        services.tenants.create(NewTenant("acme", "Acme", "gold"), admin)
    assert "starter" in refusal.value.field_errors[0].detail


def test_ten_services_starting_at_once_make_one_default_tenant(settings: Settings, dispatcher: Dispatcher) -> None:
    stores = [open_repositories(settings) for _ in range(10)]
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda s: open_services(s, dispatcher, settings).readiness.prepare(), stores))
    database = stores[0].connection.client[settings.mongodb_database]
    assert database["tenants"].count_documents({"slug": "dezky"}) == 1
    assert database["subscriptions"].count_documents({}) == 1
    assert database["operations"].count_documents({}) == 1
    for opened in stores:
        opened.close()


def test_pages_neither_skip_nor_repeat_while_tenants_are_added(
    create: Create, services: Services, admin: Actor
) -> None:
    for number in range(7):
        create(f"acme{number}")
    seen: list[str] = []
    after = None
    while True:
        page = services.tenants.page(admin, TenantQuery(limit=3, after=after))
        seen += [view.tenant.slug for view in page.items]
        create(f"late{len(seen)}")
        after = page.next
        if after is None:
            break
    assert seen == [f"acme{number}" for number in reversed(range(7))]


def test_a_member_sees_only_their_own_tenants(services: Services, create: Create) -> None:
    create("acme")
    create("beta")
    portal = frozenset({"portal"})
    user = services.sign_in.record(
        Caller("s1", "member@acme.test", "Member", ("tenant-acme", "tenant-none"), portal), "request-1"
    )
    member = Actor(user, portal)
    assert [v.tenant.slug for v in services.tenants.page(member, TenantQuery()).items] == ["acme"]
    assert services.tenants.get("acme", member).tenant.slug == "acme"
    with pytest.raises(NotFound):
        services.tenants.get("beta", member)
    with pytest.raises(Forbidden):
        services.tenants.reconcile("acme", member, Mode.APPLY)
    with pytest.raises(Forbidden):
        services.tenants.create(NewTenant("mine", "Mine", "starter"), member)


def test_a_right_that_left_the_tokens_groups_leaves_the_record(services: Services, create: Create) -> None:
    create("acme")
    operator = frozenset({"operator"})
    with_groups = Caller("s1", "a@acme.test", "A", ("tenant-acme", "dezky-platform-admins"), operator, 1.0)
    first = services.sign_in.record(with_groups, "request-1")
    assert (first.platform_admin, len(first.tenant_ids)) == (True, 1)
    second = services.sign_in.record(Caller("s1", "a@acme.test", "A", None, operator, 2.0), "request-1")
    assert (second.id, second.platform_admin, second.tenant_ids) == (first.id, False, ())


def test_concurrent_first_calls_of_one_person_create_one_record(services: Services) -> None:
    caller = Caller("s1", "a@acme.test", "A", (), frozenset({"portal"}))
    with ThreadPoolExecutor(8) as pool:
        users = list(pool.map(lambda _: services.sign_in.record(caller, "request-1"), range(8)))
    assert len({user.id for user in users}) == 1


def test_platform_rights_need_a_token_of_the_operator_surface(services: Services, create: Create) -> None:
    create("acme")
    caller = Caller("s1", "a@platform.test", "A", ("dezky-platform-admins",), frozenset({"portal"}))
    user = services.sign_in.record(caller, "request-1")
    with pytest.raises(NotFound):
        services.tenants.get("acme", Actor(user, frozenset({"portal"})))


def test_an_unavailable_database_raises_our_own_error(make_settings: Callable[..., Settings]) -> None:
    away = open_repositories(
        make_settings(mongodb_uri="mongodb://127.0.0.1:9/?replicaSet=rs0&serverSelectionTimeoutMS=200")
    )
    with pytest.raises(StoreUnavailable):
        away.tenants.find("acme")
    assert away.connection.is_up(0.2) is False
    away.close()


def test_a_partners_administrator_creates_and_sees_the_partners_tenants_only(
    services: Services, store: Repositories, create: Create
) -> None:
    create("other")
    surfaces = frozenset({"partner"})
    user = services.sign_in.record(Caller("s1", "admin@partner.test", "Admin", (), surfaces), "request-1")
    partner = store.connection.transaction(lambda session: store.partners.insert("reseller", "Reseller", session)).id
    reseller = Actor(user.changed({"partner_id": partner, "role": Role.ADMIN}), surfaces)
    assert services.tenants.create(NewTenant("acme", "Acme", "starter"), reseller).tenant.partner_id == partner
    assert [v.tenant.slug for v in services.tenants.page(reseller, TenantQuery()).items] == ["acme"]
    with pytest.raises(NotFound):
        services.tenants.get("other", reseller)
    foreign = NewTenant("beta", "Beta", "starter", partner_id="6b058a725d1747cfeba27b98")
    with pytest.raises(Forbidden):
        services.tenants.create(foreign, reseller)
    member = Actor(user.changed({"partner_id": partner}), surfaces)
    with pytest.raises(Forbidden):
        services.tenants.create(NewTenant("beta", "Beta", "starter"), member)


def test_dns_records_are_put_on_record_with_the_time_of_the_database(
    store: Repositories, create: Callable[..., TenantView]
) -> None:
    tenant = create("acme", "acme.test").tenant
    assert store.tenants.save_remote(tenant.id, tenant.generation, {"dnsRecords": []})
    found = store.tenants.find("acme")
    assert found is not None
    assert found.remote["dnsRecordsAt"] == found.updated_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert store.tenants.save_remote(tenant.id, tenant.generation, {"ocisSpaceId": "a space"})
    later = store.tenants.find("acme")
    assert later is not None
    assert later.remote["dnsRecordsAt"] == found.remote["dnsRecordsAt"]
