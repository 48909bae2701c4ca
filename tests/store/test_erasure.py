"""A person can be erased: their name and address are gone from every record, and the records stay."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from bson import ObjectId

from shared.accounts.user import NewUser, UserQuery
from shared.application.services import Services
from shared.application.store import Repositories
from shared.core.errors import NotFound, StoreUnavailable
from shared.events import erasure_repository
from shared.rights.policy import Actor, Caller
from shared.tenants.model import BillingInfo, NewTenant, Owner
from shared.tenants.views import TenantView
from tests.platform_fixture import PlatformFixture

Create = Callable[..., TenantView]
ADA = "ada@people.test"


def stored(store: Repositories, *collections: str) -> str:
    return str([list(store.connection.database[name].find()) for name in collections])


def name_in_operation(platform: PlatformFixture, slug: str, address: str) -> None:
    """Name the address in a sentence of the tenant's operation, as a step does for a member's account."""
    changed = platform.rows["operations"].update_one(
        {"tenantSlug": slug}, {"$set": {"steps.0.changes": [f"create an account for {address}"]}}
    )
    assert changed.modified_count == 1


def test_erasing_a_person_removes_their_name_and_keeps_the_events(
    store: Repositories, services: Services, admin: Actor, create: Create
) -> None:
    view = create()
    user = services.users.create(
        NewUser("subject-x", "ada@people.test", "Ada Lovelace"), {"tenant_ids": (view.tenant.id,)}, admin
    )
    services.users.change(user.id, {"name": "Ada King"}, admin, None)
    erasure = services.users.erase(user.id, admin, None)
    assert erasure.events == 2
    assert store.users.find(user.id) is None
    for name in ("events", "users"):
        text = str(list(store.connection.database[name].find()))
        assert "ada@people.test" not in text
        assert "Ada" not in text
        assert "subject-x" not in text
    actions = [one.action for one in services.events.newest(admin, None, None, 50).items]
    assert {"user.created", "user.changed", "user.erased"} <= set(actions)


def test_the_event_of_a_first_sign_in_is_erased_too(store: Repositories, services: Services, admin: Actor) -> None:
    user = services.sign_in.record(Caller("subject-x", ADA, "Ada", (), frozenset({"portal"}), 1.0), "request-2")
    # as earlier releases wrote it
    other = services.sign_in.record(Caller("subject-y", "y@people.test", "Y", (), frozenset(), 1.0), "request-3")
    store.connection.database["events"].update_one({"actor": other.id}, {"$unset": {"after._id": ""}})
    assert services.users.erase(user.id, admin, None).events == 1
    assert services.users.erase(other.id, admin, None).events == 1
    text = stored(store, "events", "users")
    assert ADA not in text
    assert "y@people.test" not in text


def test_a_deleted_user_can_still_be_erased_by_the_id(store: Repositories, services: Services, admin: Actor) -> None:
    user = services.users.create(NewUser("subject-x", ADA, "Ada"), {}, admin)
    services.users.delete(user.id, admin, None)
    assert ADA in stored(store, "events")
    assert services.users.erase(user.id, admin, None).events == 2
    assert ADA not in stored(store, "events")
    assert services.users.erase(user.id, admin, None).owned_tenants == ()
    with pytest.raises(NotFound):
        services.users.erase("0" * 24, admin, None)


def test_an_owners_address_is_erased_wherever_it_is_not_needed_and_the_rest_is_named(
    platform: PlatformFixture,
) -> None:
    services, admin, store = platform.services, platform.admin, platform.store
    new = NewTenant("acme", "Acme", "starter", ("acme.test",), owner=Owner(ADA, "Ada"))
    assert platform.finish(services.tenants.create(new, admin)).status == "succeeded"
    services.tenants.change("acme", {"billing_info": {"email": ADA.upper()}}, admin, None)
    (user,) = services.users.page(admin, UserQuery(prefix="ada@"), None).items
    assert ADA in stored(store, "operations")
    erased = services.users.erase(user.id, admin, None)
    assert (erased.owned_tenants, erased.billed_tenants) == (("acme",), ("acme",))
    assert ADA not in stored(store, "operations", "events", "users").lower()
    assert "create an account for the owner (erased)" in stored(store, "operations")


def test_the_operation_of_a_new_tenant_has_no_personal_data(platform: PlatformFixture) -> None:
    new = NewTenant("acme", "Acme", "starter", billing_info=BillingInfo(email=ADA), owner=Owner(ADA, "Ada"))
    view = platform.services.tenants.create(new, platform.admin)
    (row,) = platform.rows["operations"].find({}, {"newTenant": 1})
    assert row["newTenant"]["slug"] == "acme"
    assert "Ada" not in str(row)
    assert ADA not in str(row)
    assert view.tenant.owner == new.owner


def test_a_purge_removes_the_document_of_the_new_tenant_that_a_settlement_by_an_older_build_left(
    platform: PlatformFixture,
) -> None:
    services, admin, rows = platform.services, platform.admin, platform.rows["operations"]
    view = services.tenants.create(NewTenant("acme", "Acme", "starter"), admin)
    (recorded,) = rows.find({}, {"newTenant": 1})
    platform.finish(view)
    rows.update_one({"_id": recorded["_id"]}, {"$set": {"newTenant": recorded["newTenant"]}})
    platform.finish(services.lifecycle.delete("acme", admin))
    assert rows.count_documents({"newTenant.slug": "acme"}) == 1
    platform.finish(services.lifecycle.purge("acme", admin))
    assert rows.count_documents({"newTenant.slug": {"$exists": True}}) == 0


def test_a_purged_tenant_leaves_no_address(platform: PlatformFixture) -> None:
    services, admin, store = platform.services, platform.admin, platform.store
    new = NewTenant("acme", "Acme", "starter", ("acme.test",), owner=Owner(ADA, "Ada"))
    platform.finish(services.tenants.create(new, admin))
    (user,) = services.users.page(admin, UserQuery(prefix="ada@"), None).items
    services.tenants.change("acme", {"billing_info": {"email": ADA}}, admin, None)
    platform.finish(services.lifecycle.delete("acme", admin))
    platform.finish(services.lifecycle.purge("acme", admin))
    collections = ("operations", "tombstones", "events")
    assert {name for name in collections if ADA in stored(store, name)} == set(collections)
    # the purge removed the user's record
    erased = services.users.erase(user.id, admin, None)
    assert (erased.owned_tenants, erased.billed_tenants) == ((), ())
    assert ADA not in stored(store, *collections, "tenants")
    assert services.lifecycle.receipt("acme", admin).removals


def test_another_address_that_ends_alike_is_not_erased(platform: PlatformFixture) -> None:
    services, admin = platform.services, platform.admin
    new = NewTenant("acme", "Acme", "starter", (), owner=Owner(f"jo-{ADA}", "Jo"))
    platform.finish(services.tenants.create(new, admin))
    made = services.users.create(NewUser("subject-x", ADA, "Ada"), {"tenant_ids": (platform.tenant("acme").id,)}, admin)
    assert services.users.erase(made.id, admin, None).owned_tenants == ()
    assert f"jo-{ADA}" in stored(platform.store, "operations")


def test_the_event_log_shows_who_was_and_who_is_the_owner(services: Services, admin: Actor) -> None:
    new = NewTenant("acme", "Acme", "starter", (), owner=Owner(ADA, "Ada"))
    made = services.tenants.create(new, admin)
    services.operations.cancel(made.operation.id, admin)  # type: ignore[union-attr]
    services.tenants.change("acme", {"owner": {"email": "bo@people.test"}}, admin, None)
    changed = next(one for one in services.events.newest(admin, None, None, 9).items if one.action == "tenant.changed")
    assert (changed.before["owner"]["email"], changed.after["owner"]["email"]) == (ADA, "bo@people.test")  # type: ignore[index]


def test_a_former_member_of_a_tenant_is_erased_from_its_operations(platform: PlatformFixture) -> None:
    services, admin, store = platform.services, platform.admin, platform.store
    for slug in ("acme", "beta"):
        platform.grown(slug)
        name_in_operation(platform, slug, ADA)
    tenant_ids = tuple(platform.tenant(slug).id for slug in ("acme", "beta"))
    user = services.users.create(NewUser("subject-x", ADA, "Ada"), {"tenant_ids": tenant_ids}, admin)
    services.users.change(user.id, {"tenant_ids": tenant_ids[:1]}, admin, None)
    services.users.delete(user.id, admin, None)
    services.users.erase(user.id, admin, None)
    assert ADA not in stored(store, "operations")


def test_an_address_that_somebody_else_has_now_is_kept_and_named(platform: PlatformFixture) -> None:
    services, admin, store = platform.services, platform.admin, platform.store
    former, later = "info@people.test", "ada@new.test"
    ada = services.users.create(NewUser("subject-x", former.title(), "Ada"), {}, admin)
    services.users.change(ada.id, {"email": later}, admin, None)
    new = NewTenant("acme", "Acme", "starter", ("acme.test",), owner=Owner(former, "Bo"))
    platform.finish(services.tenants.create(new, admin))
    (bo,) = services.users.page(admin, UserQuery(prefix="info@"), None).items
    # their record may have another address than the tenant's
    for address in (former, "bo@people.test"):
        platform.rows["users"].update_one({"_id": ObjectId(bo.id)}, {"$set": {"email": address}})
        erased = services.users.erase(ada.id, admin, None)
        assert (erased.shared_addresses, erased.owned_tenants) == ((former,), ())
        assert former in stored(store, "operations")
        assert "'Bo'" in stored(store, "events")
        assert later not in stored(store, "events")
        ada = services.users.create(NewUser("subject-x", former, "Ada"), {}, admin)


def test_an_erasure_reads_the_event_log_in_parts_and_misses_no_event(
    services: Services, store: Repositories, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure_repository, "SPAN", 2)
    user = services.users.create(NewUser("subject-x", ADA, "Ada"), {}, admin)
    for number in range(4):
        services.tenants.create(NewTenant(f"acme{number}", "Acme", "starter", (), owner=Owner(ADA, "Ada")), admin)
        if number < 3:
            services.events.newest(admin, None, None, 1)  # numbers the events so far
    assert store.events.has_unnumbered()
    assert services.users.erase(user.id, admin, None).events == 5
    assert ADA not in stored(store, "events")


def test_an_interrupted_erasure_is_completed_by_the_next(services: Services, store: Repositories, admin: Actor) -> None:
    user = services.users.create(NewUser("subject-x", ADA, "Ada"), {}, admin)
    services.tenants.create(NewTenant("acme", "Acme", "starter", (), owner=Owner(ADA, "Ada")), admin)
    with store.connection.client.start_session() as other, other.start_transaction():
        # the record cannot be deleted while another transaction changes it
        store.users.save(user, other)
        with pytest.raises(StoreUnavailable):
            services.users.erase(user.id, admin, None)
        assert store.users.find(user.id) is not None
        other.abort_transaction()
    assert services.users.erase(user.id, admin, None).owned_tenants == ("acme",)
    assert ADA not in stored(store, "events", "users")
