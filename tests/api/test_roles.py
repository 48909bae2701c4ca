"""Roles belong to tenants: granting and reading them, and support, which reads and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from shared.application.store import Repositories
from tests.api.conftest import Client
from tests.api.rights_fixture import RightsFixture, finish
from tests.api.test_rights import MAY, TABLE, path_of


@pytest.fixture
def both(rights: RightsFixture) -> str:
    """Create a member of acme and of beta; return the path of their record."""
    tenant_ids = [rights.ids["acme"], rights.ids["beta"]]
    return "/users/" + rights.made(
        "both", "/users", authentikSubjectId="b", email="b@acme.test", name="B", tenantIds=tenant_ids
    )


def test_an_owner_gives_a_role_in_their_tenant_to_a_member_of_two_tenants(rights: RightsFixture, both: str) -> None:
    acme, beta = rights.ids["acme"], rights.ids["beta"]
    owner, stranger, root = (rights.people[name] for name in ("owner", "stranger", "admin"))
    assert owner("PATCH", both, json={"roles": {acme: "admin"}}).json()["roles"] == {acme: "admin"}
    seen = root("GET", both).json()
    assert (seen["roles"], seen["role"]) == ({acme: "admin", beta: "member"}, "admin")
    assert stranger("GET", both).json()["role"] == "member"
    assert stranger("PATCH", both, json={"roles": {acme: "owner"}}).status_code == 409
    assert owner("PATCH", both, json={"roles": {acme: None}}).json()["role"] == "member"
    assert owner("PATCH", both, json={"role": "admin"}).json()["roles"] == {acme: "admin"}
    assert root("GET", both).json()["roles"] == {acme: "admin", beta: "member"}


def test_a_tenants_admin_cannot_grant_a_role_above_their_own(rights: RightsFixture, both: str) -> None:
    acme, admin = rights.ids["acme"], rights.people["owner"]
    rights.people["admin"]("PATCH", f"/users/{rights.ids['owner']}", json={"roles": {acme: "admin"}})
    assert admin("PATCH", both, json={"roles": {acme: "owner"}}).status_code == 403
    assert admin("PATCH", both, json={"roles": {acme: "admin"}}).status_code == 200
    rights.people["admin"]("PATCH", both, json={"roles": {acme: "owner"}})
    assert admin("PATCH", both, json={"roles": {acme: "member"}}).status_code == 403


def test_a_person_of_two_tenants_shows_neither_owner_the_other_tenant(rights: RightsFixture, both: str) -> None:
    beta = rights.ids["beta"]
    owner = rights.people["owner"]
    shown = [
        owner("GET", both),
        owner("GET", "/users"),
        owner("GET", "/users?tenant=acme"),
        owner("PATCH", both, json={"roles": {rights.ids["acme"]: "admin"}}),
        owner("GET", "/tenants/acme/export"),
        owner("GET", "/events"),
    ]
    assert [answer.status_code for answer in shown] == [200] * len(shown)
    assert not [answer.url for answer in shown if beta in answer.text]
    assert beta in rights.people["admin"]("GET", both).text


def test_an_owner_removes_a_member_of_two_tenants_from_their_own_only(rights: RightsFixture, both: str) -> None:
    owner, root = rights.people["owner"], rights.people["admin"]
    assert owner("PATCH", both, json={"name": "Renamed"}).status_code == 403
    assert owner("DELETE", both).status_code == 403
    assert owner("PATCH", both, json={"tenantIds": []}).json()["tenantIds"] == []
    assert root("GET", both).json()["tenantIds"] == [rights.ids["beta"]]
    assert owner("GET", both).status_code == 404


def test_a_role_in_a_tenant_that_the_person_does_not_belong_to_is_refused(rights: RightsFixture) -> None:
    colleague, beta = f"/users/{rights.ids['colleague']}", rights.ids["beta"]
    answer = rights.people["admin"]("PATCH", colleague, json={"roles": {beta: "admin"}})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (409, f"/roles/{beta}")
    assert rights.people["admin"]("PATCH", colleague, json={"roles": {"x": "admin"}}).status_code == 400


def test_a_role_in_a_tenant_that_the_caller_does_not_see_gets_the_same_error_for_members_and_others(
    rights: RightsFixture, both: str
) -> None:
    change = {"roles": {rights.ids["beta"]: "admin"}}
    answers = []
    for address in (both, f"/users/{rights.ids['colleague']}"):
        answer = rights.people["owner"]("PATCH", address, json=change)
        answers.append((answer.status_code, answer.json()["code"], answer.json()["detail"]))
    assert answers[0] == answers[1]
    assert answers[0][1] == "unknown_reference"


def test_contradictory_platform_roles_are_refused(root: Client, rights: RightsFixture) -> None:
    address = f"/users/{rights.ids['colleague']}"
    for role, is_admin in ((None, True), ("support", True), ("admin", False)):
        sent = {"platformRole": role, "platformAdmin": is_admin}
        assert root("PATCH", address, json=sent).status_code == 400
        new = {"authentikSubjectId": "s1", "email": "s@acme.test", "name": "S", **sent}
        assert root("POST", "/users", json=new).status_code == 400
    for role, is_admin in (("admin", True), ("support", False), (None, False)):
        sent = {"platformRole": role, "platformAdmin": is_admin}
        assert root("PATCH", address, json=sent).json().get("platformRole") == role


def test_a_record_of_an_earlier_version_keeps_its_role_in_its_tenants(rights: RightsFixture) -> None:
    acme, beta = rights.ids["acme"], rights.ids["beta"]
    earlier: dict[str, Any] = {
        "authentikSubjectId": "old",
        "email": "old@acme.test",
        "name": "Old",
        "tenantIds": [acme, beta],
        "role": "owner",
        "partnerId": None,
        "platformAdmin": False,
    }
    now = rights.rows["users"].find_one()["createdAt"]  # type: ignore[index]
    for reach, roles in (([acme], {acme: "owner", beta: "member"}), (None, {acme: "owner", beta: "owner"})):
        row = earlier | {"roleTenantIds": reach, "createdAt": now, "updatedAt": now}
        rights.rows["users"].replace_one({"authentikSubjectId": "old"}, row, upsert=True)
        user_id = rights.rows["users"].find_one({"authentikSubjectId": "old"})["_id"]  # type: ignore[index]
        assert rights.people["admin"]("GET", f"/users/{user_id}").json()["roles"] == roles


@pytest.fixture
def support(rights: RightsFixture) -> Client:
    helper = rights.sign_in("helper", "operator", "staff")
    user_id = helper("GET", "/users/me").json()["_id"]
    given = rights.people["admin"]("PATCH", f"/users/{user_id}", json={"platformRole": "support"})
    assert (given.json()["platformRole"], given.json()["platformAdmin"]) == ("support", False)
    return helper


def test_support_reads_what_an_administrator_reads_and_changes_nothing(rights: RightsFixture, support: Client) -> None:
    expected = {name: MAY if name.startswith("GET ") else 403 for name in TABLE}
    expected["GET /tenants/<slug>/receipt"] = 404  # as for every caller: nothing was purged
    expected["POST /bulk-operations"] = MAY  # a dry run, which finds no tenant that support may change
    seen: dict[str, str | int] = {}
    before = rights.people["admin"]("GET", "/events?limit=1").text
    for name, (body, _) in TABLE.items():
        method, route = name.split(" ")[:2]
        sent = {key: [rights.ids["acme"]] if key == "tenantIds" else value for key, value in (body or {}).items()}
        sent |= {"tenantId": rights.ids["acme"]} if "tenantId" in sent else {}
        answer = support(method, path_of(route, rights), **({"json": sent} if body is not None else {}))
        seen[name] = MAY if answer.ok else answer.status_code
    assert seen == expected
    assert rights.people["admin"]("GET", "/events?limit=1").text == before
    lists = ("/tenants", "/users", "/subscriptions", "/partners", "/events", "/webhooks", "/orphans")
    for path in lists:
        assert support("GET", path).json() == rights.people["admin"]("GET", path).json(), path


def test_support_at_the_portal_reads_nothing_of_others(rights: RightsFixture, support: Client) -> None:
    portal = rights.sign_in("helper", "portal", "staff")
    assert portal("GET", "/tenants").json() == []
    # a token does not contain a role that administrators grant
    assert portal("GET", "/users/me").json()["platformRole"] == "support"


def test_revoking_the_administrator_role_keeps_the_support_role(rights: RightsFixture, support: Client) -> None:
    address = f"/users/{support('GET', '/users/me').json()['_id']}"
    root = rights.people["admin"]
    assert root("PATCH", address, json={"platformAdmin": False}).json()["platformRole"] == "support"
    assert root("PATCH", address, json={"platformAdmin": True}).json()["platformRole"] == "admin"
    assert "platformRole" not in root("PATCH", address, json={"platformAdmin": False}).json()


def test_an_owner_who_signs_in_before_their_tenant_is_complete_becomes_its_owner(
    rights: RightsFixture, store: Repositories
) -> None:
    root = rights.people["admin"]
    made = root(
        "POST", "/tenants", json={"slug": "gamma", "name": "G", "owner": {"email": "olga@home.test", "name": "Olga"}}
    ).json()
    early = {"authentikSubjectId": "olga", "email": "olga@home.test", "name": "Olga", "tenantIds": [made["_id"]]}
    address = "/users/" + rights.made("olga", "/users", **early)
    rights.rows["tenants"].update_one({"slug": "gamma"}, {"$set": {"ownerSubject": "olga"}})
    finish(store, made["operation"]["id"], "authentik", "stalwart", "ocis", "access")
    assert root("GET", address).json()["roles"] == {made["_id"]: "owner"}
    # a later change stays
    assert root("PATCH", address, json={"roles": {made["_id"]: "member"}}).status_code == 200
    again = root("POST", "/tenants/gamma/reconcile").json()["operation"]
    finish(store, again["id"], *(step["name"] for step in again["steps"]))
    assert root("GET", address).json()["roles"] == {made["_id"]: "member"}
