"""Idempotent responses are replayed only within the caller's current rights."""

from __future__ import annotations

from typing import Any

import requests

from tests.api.rights_fixture import RightsFixture


def post(rights: RightsFixture, caller: str, path: str, **body: Any) -> requests.Response:
    sent = {"json": body} if body else {}
    return rights.people[caller]("POST", path, headers={"Idempotency-Key": "key-1"}, **sent)


def test_an_answer_is_shown_again_while_the_rights_are_the_same(rights: RightsFixture) -> None:
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


def test_a_response_is_not_replayed_to_a_former_administrator(rights: RightsFixture) -> None:
    assert post(rights, "admin", "/partners", slug="second", name="S").status_code == 201
    rights.rows["users"].update_many({"email": "admin@people.test"}, {"$set": {"platformAdmin": False}})
    assert post(rights, "admin", "/partners", slug="second", name="S").status_code == 403


def test_a_response_is_not_replayed_after_the_callers_record_was_removed(rights: RightsFixture) -> None:
    assert post(rights, "owner", "/tenants/acme/reconcile").status_code == 202
    rights.people["admin"]("DELETE", f"/users/{rights.ids['owner']}")
    assert post(rights, "owner", "/tenants/acme/reconcile").json()["code"] == "unknown_user"
