"""Idempotent responses are replayed only within the caller's current rights."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.api.rights_fixture import RightsFixture


def post(rights: RightsFixture, caller: str, path: str, key: str = "key-1", **body: Any) -> requests.Response:
    sent = {"json": body} if body else {}
    return rights.people[caller]("POST", path, headers={"Idempotency-Key": key}, **sent)


def test_a_response_is_replayed_while_the_rights_are_the_same(rights: RightsFixture) -> None:
    first = post(rights, "reseller", "/tenants", slug="gamma", name="G")
    again = post(rights, "reseller", "/tenants", slug="gamma", name="G")
    assert (first.status_code, again.status_code) == (201, 201)
    assert (again.headers["Idempotency-Replayed"], again.content) == ("true", first.content)


def test_a_response_is_not_replayed_after_the_callers_role_was_revoked(rights: RightsFixture) -> None:
    assert post(rights, "owner", "/tenants/acme/reconcile").status_code == 202
    root = rights.people["admin"]
    root("PATCH", f"/users/{rights.ids['owner']}", json={"roles": {rights.ids["acme"]: "member"}})
    again = post(rights, "owner", "/tenants/acme/reconcile")
    assert (again.status_code, again.json()["code"]) == (403, "forbidden")
    # more rights than before are no obstacle
    root("PATCH", f"/users/{rights.ids['owner']}", json={"platformRole": "support"})
    root("PATCH", f"/users/{rights.ids['owner']}", json={"roles": {rights.ids["acme"]: "owner"}})
    assert post(rights, "owner", "/tenants/acme/reconcile").headers["Idempotency-Replayed"] == "true"


def test_a_response_is_not_replayed_after_its_tenant_moved_to_another_partner(rights: RightsFixture) -> None:
    assert post(rights, "reseller", "/tenants/acme/reconcile").status_code == 202
    other = rights.made("other", "/partners", slug="other", name="Other")
    rights.people["admin"]("PATCH", "/tenants/acme", json={"partnerId": other})
    assert post(rights, "reseller", "/tenants/acme/reconcile").status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/users", {"authentikSubjectId": "s9", "email": "s9@acme.test", "name": "S"}, 403),
        ("/bulk-operations", {"action": "reconcile", "selector": {"tenants": ["acme"]}}, 404),
    ],
)
def test_a_response_about_a_tenants_object_is_not_replayed_after_the_tenant_moved(
    rights: RightsFixture, path: str, body: dict[str, Any], status: int
) -> None:
    in_acme = {"tenantIds": [rights.ids["acme"]]} if path == "/users" else {}
    first, again = (post(rights, "reseller", path, **body, **in_acme) for _ in range(2))
    assert first.status_code == 201, first.text
    assert again.headers["Idempotency-Replayed"] == "true"
    other = rights.made("other", "/partners", slug="other", name="Other")
    rights.people["admin"]("PATCH", "/tenants/acme", json={"partnerId": other})
    assert post(rights, "reseller", path, **body, **in_acme).status_code == status


def test_a_stopped_bulk_operation_is_not_replayed_after_its_tenant_moved(rights: RightsFixture) -> None:
    dry_run = {"action": "reconcile", "selector": {"tenants": ["acme"]}}
    path = f"/bulk-operations/{post(rights, 'reseller', '/bulk-operations', 'key-0', **dry_run).json()['id']}/stop"
    assert post(rights, "reseller", path).json()["status"] == "stopped"
    assert post(rights, "reseller", path).headers["Idempotency-Replayed"] == "true"
    rights.rows["tenants"].update_one({"slug": "acme"}, {"$unset": {"partnerId": ""}})
    assert post(rights, "reseller", path).status_code == 404


def test_a_webhooks_secret_is_not_replayed_after_its_tenant_was_deleted(rights: RightsFixture) -> None:
    made = {"url": "https://hooks.acme.test/", "tenantId": rights.ids["acme"]}
    both = (("/webhooks", made), (f"/webhooks/{rights.ids['webhook']}/rotate-secret", {}))
    for number, (path, body) in enumerate(both):
        assert post(rights, "owner", path, f"key-{number}", **body).ok
        assert post(rights, "owner", path, f"key-{number}", **body).headers["Idempotency-Replayed"] == "true"
    rights.rows["tenants"].update_one({"slug": "acme"}, {"$set": {"status": "deleted"}})
    for number, (path, body) in enumerate(both):
        assert post(rights, "owner", path, f"key-{number}", **body).status_code == 404


def test_a_user_is_not_replayed_with_tenants_that_the_caller_no_longer_manages(rights: RightsFixture) -> None:
    gamma = rights.made("gamma", "/tenants", slug="gamma", name="G", partnerId=rights.ids["partner"])
    new = {"authentikSubjectId": "s9", "email": "s9@acme.test", "name": "S", "tenantIds": [rights.ids["acme"], gamma]}
    assert post(rights, "reseller", "/users", **new).status_code == 201
    rights.people["admin"]("PATCH", "/tenants/gamma", json={"partnerId": None})
    assert post(rights, "reseller", "/users", **new).status_code == 403


@pytest.mark.parametrize("caller", ["admin", "reseller"])
def test_a_user_is_replayed_after_they_were_moved_or_deleted(rights: RightsFixture, caller: str) -> None:
    new = {"authentikSubjectId": "s9", "email": "s9@acme.test", "name": "S", "tenantIds": [rights.ids["acme"]]}
    first = post(rights, caller, "/users", **new)
    user = f"/users/{first.json()['_id']}"
    root = rights.people["admin"]
    assert root("PATCH", user, json={"tenantIds": [rights.ids["beta"]]}).status_code == 200
    assert post(rights, caller, "/users", **new).content == first.content
    assert root("DELETE", user).status_code == 204
    assert post(rights, caller, "/users", **new).content == first.content


@pytest.mark.parametrize("caller", ["admin", "owner"])
def test_a_webhook_is_replayed_after_it_was_deleted(rights: RightsFixture, caller: str) -> None:
    made = {"url": "https://hooks.acme.test/", "tenantId": rights.ids["acme"]}
    webhook = f"/webhooks/{post(rights, caller, '/webhooks', **made).json()['_id']}"
    assert post(rights, "admin", f"{webhook}/rotate-secret", "key-2").status_code == 200
    assert rights.people["admin"]("DELETE", webhook).status_code == 204
    assert post(rights, caller, "/webhooks", **made).status_code == 201
    assert post(rights, "admin", f"{webhook}/rotate-secret", "key-2").status_code == 200


@pytest.mark.parametrize("caller", ["admin", "reseller"])
def test_a_bulk_dry_run_is_replayed_after_it_expired(rights: RightsFixture, caller: str) -> None:
    sent = {"action": "reconcile", "selector": {"tenants": ["acme"]}}
    first = post(rights, caller, "/bulk-operations", **sent)
    assert first.json()["tenants"]
    for name in rights.rows.list_collection_names(filter={"name": {"$regex": "^bulk"}}):
        rights.rows[name].delete_many({})
    assert post(rights, caller, "/bulk-operations", **sent).content == first.content


def test_a_response_is_not_replayed_to_a_former_administrator(rights: RightsFixture) -> None:
    assert post(rights, "admin", "/partners", slug="second", name="S").status_code == 201
    rights.rows["users"].update_many({"email": "admin@people.test"}, {"$set": {"platformAdmin": False}})
    assert post(rights, "admin", "/partners", slug="second", name="S").status_code == 403


def test_a_response_is_not_replayed_after_the_callers_record_was_removed(rights: RightsFixture) -> None:
    assert post(rights, "owner", "/tenants/acme/reconcile").status_code == 202
    rights.people["admin"]("DELETE", f"/users/{rights.ids['owner']}")
    assert post(rights, "owner", "/tenants/acme/reconcile").json()["code"] == "unknown_user"
