"""Rights that a token adds to its person's record, and rights that it removes from a request."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.application.parts import open_settlement
from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.integrations.outcomes import ok
from tests.api.conftest import ADMINS, Client, Issuer, Serve
from tests.api.rights_fixture import STEPS, RightsFixture, finish

NOW = int(time.time())
OLDER, APPLIED, NEWER = NOW - 40, NOW - 20, NOW


@pytest.fixture
def with_token(issuer: Issuer, api_url: str) -> Callable[..., Client]:
    """Return a client with a token of this time and these groups; None: a token without the claim."""

    def make(username: str, slug: str, issued_at: int, *groups: str | None) -> Client:
        claim = None if groups == (None,) else list(groups)
        return Client(api_url, issuer.token(username, slug, iat=issued_at, groups=claim))

    return make


@pytest.fixture
def owner(rights: RightsFixture, with_token: Callable[..., Client]) -> Client:
    """The owner of acme, whose token of APPLIED was applied to the record."""
    client = with_token("owner", "portal", APPLIED, "tenant-acme")
    # the rights fixture signs people in with current tokens
    rights.rows["users"].update_one({"email": "owner@people.test"}, {"$set": {"tokenIssuedAt": APPLIED}})
    assert client("GET", "/users/me").json()["tenantIds"] == [rights.ids["acme"]]
    return client


def may_see_acme(client: Client) -> tuple[int, list[str], int]:
    """One tenant, the list, and a change of it."""
    listed = [one["slug"] for one in client("GET", "/tenants").json()]
    changed = client("PATCH", "/tenants/acme", json={"billingInfo": {"company": "A"}})
    return client("GET", "/tenants/acme").status_code, listed, changed.status_code


@pytest.mark.usefixtures("owner")
def test_a_newer_token_narrows_its_requests_to_the_tenants_it_lists(with_token: Callable[..., Client]) -> None:
    assert may_see_acme(with_token("owner", "portal", NEWER, "tenant-acme")) == (200, ["acme"], 200)
    assert may_see_acme(with_token("owner", "portal", NEWER, "tenant-none")) == (404, [], 404)
    assert may_see_acme(with_token("owner", "portal", NEWER)) == (404, [], 404)


@pytest.mark.usefixtures("owner")
def test_a_token_without_groups_or_from_before_the_applied_one_narrows_nothing(
    with_token: Callable[..., Client],
) -> None:
    assert may_see_acme(with_token("owner", "portal", NEWER, None)) == (200, ["acme"], 200)
    assert may_see_acme(with_token("owner", "portal", OLDER)) == (200, ["acme"], 200)


def test_a_newer_token_gives_nothing_outside_users_me(rights: RightsFixture, with_token: Callable[..., Client]) -> None:
    member = with_token("member", "portal", int(time.time()) + 20, "tenant-acme", "tenant-beta", ADMINS)
    assert member("GET", "/tenants/beta").status_code == 404
    assert member("POST", "/partners", json={"slug": "mine", "name": "M"}).status_code == 403


def test_a_newer_token_without_the_admin_group_has_no_platform_powers(
    root: Client, with_token: Callable[..., Client]
) -> None:
    assert root("POST", "/partners", json={"slug": "one", "name": "One"}).status_code == 201
    lesser = with_token("admin", "operator", int(time.time()) + 20, "other")
    assert lesser("POST", "/partners", json={"slug": "two", "name": "Two"}).status_code == 403


def test_an_older_token_changes_nothing_on_the_record(rights: RightsFixture, owner: Client, with_token: Any) -> None:
    for older in (with_token("owner", "portal", OLDER), with_token("owner", "portal", OLDER, ADMINS, "tenant-beta")):
        me = older("GET", "/users/me").json()
        assert (me["tenantIds"], me["platformAdmin"]) == ([rights.ids["acme"]], False)
    # a newer token with the same groups counts too: tokens from before it are older from then on
    assert with_token("owner", "portal", NEWER, "tenant-acme")("GET", "/users/me").status_code == 200
    assert with_token("owner", "portal", NEWER - 1)("GET", "/users/me").json()["tenantIds"] == [rights.ids["acme"]]


def test_an_older_token_does_not_restore_a_role_that_an_administrator_revoked(
    rights: RightsFixture, root: Client, owner: Client, with_token: Callable[..., Client]
) -> None:
    changed = root("PATCH", f"/users/{rights.ids['owner']}", json={"tenantIds": []})
    assert changed.json()["tenantIds"] == []
    # the token that granted it, and one from between
    for client in (owner, with_token("owner", "portal", APPLIED + 10, "tenant-acme")):
        assert client("GET", "/users/me").json()["tenantIds"] == []
        assert client("GET", "/tenants/acme").status_code == 404
    later = with_token("owner", "portal", int(time.time()) + 1, "tenant-acme")
    assert later("GET", "/users/me").json()["tenantIds"] == [rights.ids["acme"]]


@pytest.fixture
def stranger(rights: RightsFixture, with_token: Callable[..., Client]) -> Client:
    """The owner of beta, whose token of APPLIED was applied to the record."""
    rights.rows["users"].update_one({"email": "stranger@people.test"}, {"$set": {"tokenIssuedAt": APPLIED}})
    return with_token("stranger", "portal", APPLIED, "tenant-beta")


def test_a_token_from_before_a_tenant_was_granted_does_not_remove_it(
    rights: RightsFixture, root: Client, stranger: Client, with_token: Callable[..., Client]
) -> None:
    acme, beta = rights.ids["acme"], rights.ids["beta"]
    granted = {"tenantIds": [beta, acme], "roles": {acme: "owner"}}
    assert root("PATCH", f"/users/{rights.ids['stranger']}", json=granted).status_code == 200
    between = with_token("stranger", "portal", APPLIED + 5, "tenant-beta")
    assert between("GET", "/tenants/acme").status_code == 200
    for client in (stranger, between):
        assert client("GET", "/users/me").json()["roles"] == {acme: "owner", beta: "owner"}
    later = int(time.time()) + 2
    both = with_token("stranger", "portal", later, "tenant-beta", "tenant-acme")
    assert both("GET", "/users/me").json()["roles"] == {acme: "owner", beta: "owner"}
    # a token from after the grant has the last word
    assert with_token("stranger", "portal", later + 1, "tenant-beta")("GET", "/users/me").json()["roles"] == {
        beta: "owner"
    }


def test_a_token_from_before_a_tenant_was_granted_still_removes_the_others(
    rights: RightsFixture, root: Client, stranger: Client, with_token: Callable[..., Client]
) -> None:
    acme, beta = rights.ids["acme"], rights.ids["beta"]
    root("PATCH", f"/users/{rights.ids['stranger']}", json={"tenantIds": [beta, acme]})
    between = with_token("stranger", "portal", APPLIED + 5)
    assert between("GET", "/tenants/beta").status_code == 404
    assert between("GET", "/users/me").json()["tenantIds"] == [acme]


def test_a_token_from_before_a_record_was_created_removes_nothing_of_it(
    rights: RightsFixture, issuer: Issuer, with_token: Callable[..., Client]
) -> None:
    issuer.person("late")
    subject = issuer.claims("late", "portal")["sub"]
    new = {"authentikSubjectId": subject, "email": "late@people.test", "name": "Late"}
    rights.made("late", "/users", **new, tenantIds=[rights.ids["beta"]], role="admin")
    late = with_token("late", "portal", OLDER, "other")
    assert late("GET", "/users/me").json()["roles"] == {rights.ids["beta"]: "admin"}


def test_a_token_from_before_a_platform_role_was_granted_does_not_remove_it(
    root: Client, rights: RightsFixture, stranger: Client, with_token: Callable[..., Client]
) -> None:
    assert root("PATCH", f"/users/{rights.ids['stranger']}", json={"platformAdmin": True}).status_code == 200
    assert stranger("GET", "/users/me").json()["platformAdmin"] is True
    later = with_token("stranger", "portal", int(time.time()) + 2, "tenant-beta")
    assert later("GET", "/users/me").json()["platformAdmin"] is False


def test_an_owner_of_a_second_tenant_keeps_it_with_the_token_they_already_have(
    rights: RightsFixture, root: Client, store: Repositories, stranger: Client, with_token: Callable[..., Client]
) -> None:
    owner = {"email": "stranger@people.test", "name": "Stranger"}
    made = root("POST", "/tenants", json={"slug": "gamma", "name": "Gamma", "owner": owner}).json()
    subject = stranger("GET", "/users/me").json()["authentikSubjectId"]
    rights.rows["tenants"].update_one({"slug": "gamma"}, {"$set": {"ownerSubject": subject}})
    for step in (*STEPS, "access"):
        claim = store.operations.claim(made["operation"]["id"], step, 99, 60)
        assert claim is not None
        store.operations.record(claim, replace(ok(), found={"ownerGranted": 1}))
    open_settlement(store).settle(made["operation"]["id"])
    roles = {rights.ids["beta"]: "owner", made["_id"]: "owner"}
    assert stranger("GET", "/users/me").json()["roles"] == roles
    later = with_token("stranger", "portal", int(time.time()) + 2, "tenant-beta", "tenant-gamma")
    assert later("GET", "/users/me").json()["roles"] == roles


def _second_admin(issuer: Issuer, with_token: Callable[..., Client]) -> tuple[Client, dict[str, Any]]:
    """Sign in another platform administrator; return their client and their user record."""
    issuer.person("second", ADMINS)
    second = with_token("second", "operator", APPLIED, ADMINS)
    me = second("GET", "/users/me").json()
    assert me["platformAdmin"] is True
    return second, me


def test_an_older_token_does_not_restore_a_platform_administrator(
    root: Client, issuer: Issuer, with_token: Callable[..., Client]
) -> None:
    second, me = _second_admin(issuer, with_token)
    assert root("PATCH", f"/users/{me['_id']}", json={"platformAdmin": False}).status_code == 200
    assert second("GET", "/users/me").json()["platformAdmin"] is False
    assert second("POST", "/partners", json={"slug": "mine", "name": "M"}).status_code == 403


def test_a_token_of_the_second_in_which_a_right_was_revoked_does_not_restore_it(
    rights: RightsFixture, root: Client, owner: Client, store: Repositories, with_token: Callable[..., Client]
) -> None:
    root("PATCH", f"/users/{rights.ids['owner']}", json={"tenantIds": []})
    user = store.users.find(rights.ids["owner"])
    assert user is not None
    same_second = with_token("owner", "portal", int(user.updated_at.timestamp()), "tenant-acme")
    assert same_second("GET", "/users/me").json()["tenantIds"] == []


def test_a_token_from_before_its_record_was_deleted_does_not_create_the_record_again(
    rights: RightsFixture, root: Client, owner: Client, with_token: Callable[..., Client]
) -> None:
    assert root("DELETE", f"/users/{rights.ids['owner']}").status_code == 204
    for client in (owner, with_token("owner", "portal", int(time.time()), "tenant-acme")):
        answer = client("GET", "/users/me")
        assert (answer.status_code, answer.json()["code"]) == (403, "unknown_user")
        assert "sign in again" in answer.json()["detail"]
    later = with_token("owner", "portal", int(time.time()) + 2, "tenant-acme")
    assert later("GET", "/users/me").json()["roles"] == {rights.ids["acme"]: "member"}
    # an erasure keeps no more of the person than a hash
    assert root("DELETE", f"/users/{later('GET', '/users/me').json()['_id']}?erase=true").status_code == 200
    assert owner("GET", "/users/me").status_code == 403
    (kept,) = rights.rows["deleted_subjects"].find()
    assert set(kept) == {"_id", "deletedAt", "expiresAt"}


def test_a_token_from_before_a_deletion_grants_nothing_to_a_record_that_somebody_created_since(
    root: Client, issuer: Issuer, with_token: Callable[..., Client]
) -> None:
    second, me = _second_admin(issuer, with_token)
    assert root("DELETE", f"/users/{me['_id']}").status_code == 204
    body = {name: me[name] for name in ("authentikSubjectId", "email", "name")}
    assert root("POST", "/users", json=body).status_code == 201
    assert second("GET", "/users/me").json()["platformAdmin"] is False
    assert second("POST", "/partners", json={"slug": "mine", "name": "M"}).status_code == 403
    later = with_token("second", "operator", int(time.time()) + 2, ADMINS)
    assert later("GET", "/users/me").json()["platformAdmin"] is True


def test_a_purge_of_the_only_tenant_makes_earlier_tokens_of_its_members_invalid_for_a_new_record(
    rights: RightsFixture, root: Client, store: Repositories, owner: Client
) -> None:
    for method, path in (("DELETE", "/tenants/acme"), ("POST", "/tenants/acme/purge")):
        operation = root(method, path).json()["operation"]
        finish(store, operation["id"], *(step["name"] for step in operation["steps"]))
    assert rights.rows["users"].find_one({"email": "owner@people.test"}) is None
    assert owner("GET", "/users/me").status_code == 403


def test_a_token_without_a_time_changes_nothing_on_a_record(
    rights: RightsFixture, root: Client, issuer: Issuer, api_url: str
) -> None:
    made = root("GET", f"/users/{rights.ids['member']}").json()
    rights.rows["users"].update_one({"email": "member@people.test"}, {"$set": {"tokenIssuedAt": None}})
    timeless = Client(api_url, issuer.token("member", "portal", iat=None, groups=[]))
    assert timeless("GET", "/users/me").json() == made


def test_a_granted_role_does_not_block_a_role_from_an_older_token(
    rights: RightsFixture, root: Client, owner: Client, with_token: Callable[..., Client]
) -> None:
    root("PATCH", f"/users/{rights.ids['owner']}", json={"platformRole": "support"})
    both = with_token("owner", "portal", APPLIED + 1, "tenant-acme", "tenant-beta")
    assert set(both("GET", "/users/me").json()["tenantIds"]) == {rights.ids["acme"], rights.ids["beta"]}


def test_a_tenant_group_alone_gives_the_role_of_a_member(
    rights: RightsFixture, owner: Client, with_token: Callable[..., Client]
) -> None:
    acme, beta = rights.ids["acme"], rights.ids["beta"]
    both = with_token("owner", "portal", NEWER, "tenant-acme", "tenant-beta")
    me = both("GET", "/users/me").json()
    assert (me["roles"], me["role"]) == ({acme: "owner", beta: "member"}, "owner")
    assert both("PATCH", "/tenants/beta", json={"name": "Mine"}).status_code == 403
    assert both("PATCH", "/tenants/acme", json={"billingInfo": {"company": "A"}}).status_code == 200


def test_leaving_a_group_revokes_the_role_but_a_token_without_the_claim_does_not(
    rights: RightsFixture, owner: Client, with_token: Callable[..., Client]
) -> None:
    acme = rights.ids["acme"]
    silent = with_token("owner", "portal", NEWER - 3, None)("GET", "/users/me").json()
    assert (silent["tenantIds"], silent["role"]) == ([], "member")
    again = with_token("owner", "portal", NEWER - 2, "tenant-acme")("GET", "/users/me").json()
    assert again["roles"] == {acme: "owner"}
    assert with_token("owner", "portal", NEWER - 1)("GET", "/users/me").json()["roles"] == {}
    assert with_token("owner", "portal", NEWER, "tenant-acme")("GET", "/users/me").json()["roles"] == {acme: "member"}


@pytest.fixture
def connected(api_settings: Settings, issuer: Issuer, serve: Serve, store: Repositories) -> str:
    """An API beside an Authentik that is configured, so that tenants get groups of their own."""
    return serve(
        api_settings.model_copy(update={"authentik_api_url": issuer.simulator.url, "authentik_api_token": "secret"})
    )


def test_a_foreign_group_with_a_tenants_name_opens_nothing(
    connected: str, issuer: Issuer, store: Repositories, api_settings: Settings
) -> None:
    root = Client(connected, issuer.token("admin"))
    assert root("GET", "/users/me").status_code == 200
    acme = root("POST", "/tenants", json={"slug": "acme", "name": "Acme"}).json()["_id"]
    issuer.person("mallory", "tenant-acme")
    mallory = Client(connected, issuer.token("mallory", "portal"))
    assert mallory("GET", "/users/me").json()["tenantIds"] == []
    assert mallory("GET", "/tenants/acme").status_code == 404
    # once the tenant's own group is on record, the name belongs to it
    rows = store.connection.client[api_settings.mongodb_database]["tenants"]
    rows.update_one({"slug": "acme"}, {"$set": {"authentikGroupId": "0b4f"}})
    assert mallory("GET", "/users/me").json()["tenantIds"] == [acme]
