"""Users, partners and subscriptions over HTTP, and patches of a tenant."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from shared.accounts.user import NewUser
from shared.administration.users import UserService
from shared.application.parts import open_settlement
from shared.application.services import Services
from shared.application.store import Repositories
from shared.core.errors import StoreUnavailable
from shared.db.documents import Transaction
from shared.events.model import NewEvent
from shared.events.repository import EventRepository
from shared.integrations.outcomes import ok
from shared.rights.policy import Actor
from tests.api.conftest import Client, Issuer
from tests.api.rights_fixture import RightsFixture, finish
from tests.records import EVERY_SURFACE


def new_user(**more: Any) -> dict[str, Any]:
    return {"authentikSubjectId": "s1", "email": "A@acme.test", "name": "A", **more}


def test_a_user_is_created_read_changed_and_erased(root: Client) -> None:
    made = root("POST", "/users", json=new_user())
    assert made.status_code == 201
    user, address = made.json(), made.headers["Location"]
    assert address == f"/users/{user['_id']}"
    assert (user["role"], user["platformAdmin"], user["tenantIds"], user["email"]) == (
        "member",
        False,
        [],
        "A@acme.test",
    )
    assert root("GET", address).json() == user
    changed = root("PATCH", address, json={"name": "B", "role": "admin"})
    assert (changed.json()["name"], changed.json()["role"], changed.json()["email"]) == ("B", "admin", "A@acme.test")
    gone = root("DELETE", address)
    assert (gone.status_code, gone.content) == (204, b"")
    assert root("GET", address).status_code == 404


def test_concurrent_creates_of_one_subject_make_one_record(root: Client) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: root("POST", "/users", json=new_user()).status_code, range(4)))
    assert sorted(answers) == [201, 409, 409, 409]


def test_concurrent_first_calls_create_one_record_and_change_nothing_of_it(root: Client, issuer: Issuer) -> None:
    issuer.person("fresh", "dezky-platform-admins")
    clients = [Client(root.url, issuer.token("fresh", jti=str(number))) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda client: client("GET", "/users/me"), clients))
    assert {(answer.status_code, answer.headers["ETag"]) for answer in answers} == {(200, '"1"')}
    user = answers[0].json()["_id"]
    reported = [event["action"] for event in root("GET", "/events").json() if event.get("actor") == user]
    assert reported == ["user.created"]


def test_a_token_without_name_and_address_keeps_the_recorded_ones(root: Client, issuer: Issuer) -> None:
    before = root("GET", "/users/me").json()
    sparse = issuer.token("admin", email=None, name=None, preferred_username=None)
    after = Client(root.url, sparse)("GET", "/users/me").json()
    assert (after["email"], after["name"]) == (before["email"], before["name"]) == ("admin@people.test", "Admin")


@pytest.mark.parametrize(
    ("path", "body", "pointers"),
    [
        (
            "/users",
            {"role": "king", "tenantIds": ["x"], "extra": 1},
            {"/authentikSubjectId", "/email", "/name", "/role", "/tenantIds/0", "/extra"},
        ),
        ("/partners", {"slug": "api", "name": " "}, {"/slug", "/name"}),
        (
            "/subscriptions",
            {"tenantId": "x", "plan": 1, "currentPeriodEnd": "soon"},
            {"/tenantId", "/plan", "/currentPeriodEnd"},
        ),
        ("/subscriptions", {"tenantId": "0" * 24, "plan": "gold"}, {"/plan"}),
    ],
)
def test_every_fault_of_a_new_record_is_reported_at_once(
    root: Client, path: str, body: dict[str, Any], pointers: set[str]
) -> None:
    answer = root("POST", path, json=body)
    assert (answer.status_code, {error["pointer"] for error in answer.json()["errors"]}) == (400, pointers)


@pytest.mark.parametrize(
    ("method", "path", "body", "pointer"),
    [
        ("POST", "/partners", {"slug": "north", "name": "North\u009b2J"}, "/name"),
        ("POST", "/partners", {"slug": "north", "name": "North\u0085wind"}, "/name"),
        ("POST", "/partners", {"slug": "north", "name": "North\u2028wind"}, "/name"),
        ("PATCH", "/tenants/acme", {"billingInfo": {"company": "A\u2029B"}}, "/billingInfo/company"),
        ("PATCH", "/tenants/acme", {"billingInfo": {"address": {"country": "de"}}}, "/billingInfo/address/country"),
        ("PATCH", "/subscriptions/{acme_subscription}", {"currentPeriodEnd": "1900000000"}, "/currentPeriodEnd"),
    ],
)
def test_invalid_lines_countries_and_times_are_refused(
    rights: RightsFixture, method: str, path: str, body: dict[str, Any], pointer: str
) -> None:
    answer = rights.people["admin"](method, path.format(**rights.ids), json=body)
    assert answer.status_code == 400, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_a_required_field_cannot_be_removed_by_null(root: Client) -> None:
    address = root("POST", "/users", json=new_user()).headers["Location"]
    answer = root("PATCH", address, json={"name": None, "email": None, "partnerId": None})
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/name", "/email"}


def test_a_reference_to_an_unknown_record_is_a_conflict_that_names_the_field(root: Client) -> None:
    for path, body, pointer in (
        ("/users", new_user(tenantIds=["0" * 24]), "/tenantIds/0"),
        ("/users", new_user(partnerId="0" * 24), "/partnerId"),
        ("/tenants", {"slug": "acme", "name": "A", "partnerId": "0" * 24}, "/partnerId"),
        ("/subscriptions", {"tenantId": "0" * 24, "plan": "starter"}, "/tenantId"),
    ):
        answer = root("POST", path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "unknown_reference"), path
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert root("GET", "/tenants/acme").status_code == 404


def test_a_renamed_partner_keeps_its_slug_and_is_removed_only_without_tenants_and_users(rights: RightsFixture) -> None:
    root, address = rights.people["admin"], f"/partners/{rights.ids['partner']}"
    assert root("PATCH", address, json={"name": "Second"}).json()["name"] == "Second"
    assert root("PATCH", address, json={"slug": "other"}).status_code == 400
    in_use = root("DELETE", address)
    assert (in_use.status_code, in_use.json()["code"]) == (409, "partner_in_use")
    root("PATCH", "/tenants/acme", json={"partnerId": None})
    root("PATCH", f"/users/{rights.ids['reseller']}", json={"partnerId": None})
    assert root("DELETE", address).status_code == 204


def test_an_erasure_names_an_address_that_somebody_else_has_now(root: Client) -> None:
    first = root("POST", "/users", json=new_user()).json()
    root("POST", "/users", json=new_user(authentikSubjectId="s2"))
    kept = root("DELETE", f"/users/{first['_id']}?erase=true").json()["kept"]
    assert kept[-1] == "The address a@acme.test outside events about this user: it is another user's now."


def test_a_partner_whose_tenants_are_all_purged_can_be_removed(rights: RightsFixture, store: Repositories) -> None:
    root, address = rights.people["admin"], f"/partners/{rights.ids['partner']}"
    root("PATCH", f"/users/{rights.ids['reseller']}", json={"partnerId": None})
    for method, path in (("DELETE", "/tenants/acme"), ("POST", "/tenants/acme/purge")):
        operation = root(method, path).json()["operation"]
        assert root("DELETE", address).json()["code"] == "partner_in_use"
        finish(store, operation["id"], *(step["name"] for step in operation["steps"]))
    assert root("DELETE", address).status_code == 204
    assert root("GET", "/tenants/acme").json()["partnerId"] == rights.ids["partner"]


def test_a_purged_tenant_gets_no_user_and_no_webhook(rights: RightsFixture, store: Repositories) -> None:
    root, acme = rights.people["admin"], rights.ids["acme"]
    for method, path in (("DELETE", "/tenants/acme"), ("POST", "/tenants/acme/purge")):
        operation = root(method, path).json()["operation"]
        finish(store, operation["id"], *(step["name"] for step in operation["steps"]))
    late = new_user(authentikSubjectId="late", tenantIds=[acme])
    for caller in (root, rights.people["reseller"]):
        assert caller("POST", "/users", json=late).json()["code"] == "action_not_possible"
    joined = root("PATCH", f"/users/{rights.ids['stranger']}", json={"tenantIds": [rights.ids["beta"], acme]})
    assert joined.json()["code"] == "action_not_possible"
    hook = {"url": "https://hooks.acme.test/", "tenantId": acme}
    assert root("POST", "/webhooks", json=hook).json()["code"] == "action_not_possible"


class SettlingEvents(EventRepository):
    """Settles an operation between the writes of another transaction, once."""

    def __init__(self, store: Repositories, operation_id: str) -> None:
        super().__init__(store.connection.database)
        self._store, self._open = store, [operation_id]

    def append(self, event: NewEvent, session: Transaction) -> None:
        super().append(event, session)
        if self._open:
            with suppress(StoreUnavailable):
                open_settlement(self._store).settle(self._open.pop(), 1)


def test_no_user_joins_a_tenant_while_its_purge_is_settled(
    rights: RightsFixture, store: Repositories, services: Services
) -> None:
    root, acme = rights.people["admin"], rights.ids["acme"]
    for method, path in (("DELETE", "/tenants/acme"), ("POST", "/tenants/acme/purge")):
        operation = root(method, path).json()["operation"]
        for step in operation["steps"]:
            claim = store.operations.claim(operation["id"], step["name"], 99, 60)
            assert claim is not None
            store.operations.record(claim, ok())
        if method == "DELETE":
            open_settlement(store).settle(operation["id"])
    users = UserService(
        connection=store.connection,
        events=SettlingEvents(store, operation["id"]),
        partners=store.partners,
        erasure=store.erasure,
        tenants=store.tenants,
        users=store.users,
        tenant_service=services.tenants,
    )
    admin = store.users.find(root("GET", "/users/me").json()["_id"])
    assert admin is not None
    users.create(NewUser("late", "late@acme.test", "L"), {"tenant_ids": (acme,)}, Actor(admin, EVERY_SURFACE))
    open_settlement(store).settle(operation["id"])
    assert root("GET", "/tenants/acme").json()["purgedAt"]
    assert rights.rows["users"].count_documents({"tenantIds": acme}) == 0


def test_a_taken_subject_says_who_can_help(rights: RightsFixture) -> None:
    refused = rights.people["stranger"](
        "POST", "/users", json=new_user(authentikSubjectId="c1", tenantIds=[rights.ids["beta"]])
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "subject_taken")
    assert "platform administrator can add the tenant" in refused.json()["detail"]


def test_a_partner_is_not_removed_while_its_tenant_is_created(root: Client) -> None:
    for attempt in range(6):
        slug = f"reseller{attempt}"
        partner = root("POST", "/partners", json={"slug": slug, "name": "R"}).json()["_id"]
        with ThreadPoolExecutor(2) as pool:
            body = {"slug": f"acme{attempt}", "name": "A", "partnerId": partner}
            made = pool.submit(root, "POST", "/tenants", json=body)
            gone = pool.submit(root, "DELETE", f"/partners/{partner}")
        assert {made.result().status_code, gone.result().status_code} in ({201, 409}, {409, 204}), attempt


def test_a_tenant_has_one_live_subscription(rights: RightsFixture) -> None:
    root, tenant = rights.people["admin"], rights.ids["acme"]
    body = {"tenantId": tenant, "plan": "business", "status": "trialing"}
    second = root("POST", "/subscriptions", json=body)
    assert (second.status_code, second.json()["code"]) == (409, "subscription_exists")
    first = f"/subscriptions/{rights.ids['acme_subscription']}"
    assert root("PATCH", first, json={"status": "canceled"}).json()["status"] == "canceled"
    assert root("POST", "/subscriptions", json=body).status_code == 201
    revived = root("PATCH", first, json={"status": "active"})
    assert (revived.status_code, revived.json()["code"]) == (409, "subscription_exists")
    listed = root("GET", "/subscriptions?tenant=acme&status=canceled").json()
    assert [one["_id"] for one in listed] == [rights.ids["acme_subscription"]]


def test_a_subscription_follows_its_tenants_plan_and_the_change_is_an_event(rights: RightsFixture) -> None:
    root, address = rights.people["admin"], f"/subscriptions/{rights.ids['acme_subscription']}"
    assert root("PATCH", "/tenants/acme", json={"plan": "business"}).status_code == 202
    assert root("GET", address).json()["plan"] == "business"
    (event,) = [one for one in root("GET", "/events?tenant=acme").json() if one["action"] == "subscription.changed"]
    assert (event["before"], event["after"]["plan"]) == ({"plan": "starter"}, "business")


def test_a_subscriptions_times_and_stripe_ids_are_kept_and_removed(rights: RightsFixture) -> None:
    root, address = rights.people["admin"], f"/subscriptions/{rights.ids['acme_subscription']}"
    sent = {"stripeCustomerId": "cus_1", "currentPeriodEnd": "2030-01-31T12:00:00+02:00"}
    changed = root("PATCH", address, json=sent).json()
    assert (changed["stripeCustomerId"], changed["currentPeriodEnd"]) == ("cus_1", "2030-01-31T10:00:00Z")
    assert "stripeCustomerId" not in root("PATCH", address, json={"stripeCustomerId": None}).json()


def test_the_portals_first_page_has_profile_tenants_and_subscriptions(rights: RightsFixture) -> None:
    page = rights.people["owner"]("GET", "/me").json()
    assert page["profile"]["_id"] == rights.ids["owner"]
    assert [tenant["slug"] for tenant in page["tenants"]] == ["acme"]
    assert [one["_id"] for one in page["subscriptions"]] == [rights.ids["acme_subscription"]]


def test_an_address_for_invoices_with_a_non_ascii_local_part_is_refused(rights: RightsFixture) -> None:
    root, billing = rights.people["admin"], {"billingInfo": {"email": "jürgen@acme.test"}}
    for refused in (
        root("PATCH", "/tenants/acme", json=billing),
        root("POST", "/tenants", json={"slug": "umlaut", "name": "Umlaut"} | billing),
    ):
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/billingInfo/email")
        assert "ASCII" in refused.json()["errors"][0]["detail"]
    assert root("PATCH", "/tenants/acme", json={"billingInfo": {"email": "j@müller.test"}}).status_code == 200


def test_a_patch_merges_and_starts_an_operation_only_for_fields_that_products_have(
    rights: RightsFixture, store: Repositories
) -> None:
    root = rights.people["admin"]
    billing = {"company": "Acme", "vatId": "DE1", "address": {"city": "Berlin", "country": "DE"}}
    quiet = root("PATCH", "/tenants/acme", json={"billingInfo": billing})
    assert (quiet.status_code, "Operation-Location" in quiet.headers) == (200, False)
    merged = root("PATCH", "/tenants/acme", json={"billingInfo": {"vatId": None, "address": {"city": "Bonn"}}}).json()
    assert merged["billingInfo"] == {"company": "Acme", "address": {"city": "Bonn", "country": "DE"}}
    assert "billingInfo" not in root("PATCH", "/tenants/acme", json={"billingInfo": None}).json()
    loud = root("PATCH", "/tenants/acme", json={"name": "Acme AG", "plan": "business", "domains": ["new.test"]})
    assert (loud.status_code, loud.json()["operation"]["action"]) == (202, "reconcile")
    assert (loud.json()["name"], loud.json()["plan"], loud.json()["domains"]) == ("Acme AG", "business", ["new.test"])
    blocked = root("PATCH", "/tenants/acme", json={"name": "Later"})
    assert (blocked.status_code, blocked.json()["operation"]) == (409, loud.json()["operation"]["id"])
    assert root("GET", "/tenants/acme").json()["name"] == "Acme AG"
    finish(store, loud.json()["operation"]["id"])
    same = root("PATCH", "/tenants/acme", json={"name": "Acme AG"})
    assert (same.status_code, same.json()["version"]) == (200, root("GET", "/tenants/acme").json()["version"])


def test_one_of_two_concurrent_tenants_gets_a_domain(rights: RightsFixture) -> None:
    root = rights.people["admin"]
    with ThreadPoolExecutor(2) as pool:
        answers = list(
            pool.map(lambda s: root("PATCH", f"/tenants/{s}", json={"domains": ["x.test"]}), ("acme", "beta"))
        )
    assert sorted(answer.status_code for answer in answers) == [202, 409]
    assert {answer.json().get("code") for answer in answers} == {None, "domain_taken"}
