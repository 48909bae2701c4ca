"""Test the Authentik simulator beyond its API: sign in, enrol, let time pass, limit permissions, be down."""

from __future__ import annotations

import time
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.sandbox.authentik_caller import (
    APPLICATIONS,
    BINDINGS,
    GROUPS,
    INVITATIONS,
    ME,
    SETTINGS,
    TOKENS,
    USERS,
    Caller,
)
from tests.simulators import fault


def test_deactivating_a_user_ends_sessions_and_issued_tokens(call: Caller) -> None:
    pk, tokens = call.person("anna", "tenant-acme"), call.sign_in("anna")
    assert call.simulator.snapshot()["sessions"] == {"anna": 1}
    assert call.userinfo(tokens["access_token"]).json()["groups"] == ["tenant-acme"]
    call("PATCH", f"{USERS}{pk}/", json={"is_active": False})
    assert call.simulator.snapshot()["sessions"] == {}
    assert (call.userinfo(tokens["access_token"]).status_code, call.sign_in("anna")) == (401, None)
    refused = call.oidc("token", grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert call.oidc("introspect", token=tokens["access_token"]).json() == {"active": False}
    bought = call.oidc("token", grant_type="client_credentials", username="anna", password="of-anna")
    assert (bought.status_code, bought.json()["error"]) == (400, "invalid_grant")
    assert call.simulator.oidc.read(tokens["access_token"]) is None
    call("PATCH", f"{USERS}{pk}/", json={"is_active": True})
    assert call.sign_in("anna")["access_token"]


def test_a_refresh_token_is_good_for_one_use_and_brings_new_groups(call: Caller) -> None:
    pk, tokens = call.person("anna"), call.sign_in("anna")
    group = call("POST", GROUPS, json={"name": "tenant-acme"}).json()["pk"]
    call("POST", f"{GROUPS}{group}/add_user/", json={"pk": pk})
    fresh = call.oidc("token", grant_type="refresh_token", refresh_token=tokens["refresh_token"]).json()
    assert call.oidc("introspect", token=fresh["access_token"]).json()["groups"] == ["tenant-acme"]
    replayed = call.oidc("token", grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert replayed.json()["error"] == "invalid_grant"
    stranger = call.oidc("token", grant_type="refresh_token", client_secret="wrong", refresh_token="x")
    assert stranger.json()["error"] == "invalid_client"


def test_a_bound_application_lets_only_its_group_sign_in_and_stops_its_own_machine_account(call: Caller) -> None:
    call.person("anna", "tenant-acme"), call.person("bert")
    application = call("GET", f"{APPLICATIONS}portal/").json()["pk"]
    group = call("GET", GROUPS, params={"name": "tenant-acme"}).json()["results"][0]["pk"]
    assert call.oidc("token", grant_type="client_credentials").status_code == 200
    call("POST", BINDINGS, json={"target": application, "order": 0, "group": group})
    assert call.sign_in("anna")["access_token"]
    assert call.sign_in("bert") is None
    assert call.oidc("token", grant_type="client_credentials").json()["error"] == "invalid_grant"
    call("DELETE", f"{GROUPS}{group}/")
    assert call.sign_in("bert")["access_token"]


def test_the_default_access_flag_closes_an_application_that_lost_its_bindings(call: Caller) -> None:
    call.person("bert")
    flags = call("GET", f"/api/v3{SETTINGS}").json()["flags"]
    call("PATCH", f"/api/v3{SETTINGS}", json={"flags": {**flags, "core_default_app_access": False}})
    assert call.sign_in("bert") is None


def test_an_owner_uses_an_invitation_once_and_joins_no_group(call: Caller) -> None:
    flow = call.control("add_flow", slug="enrolment")
    data = {"email": "owner@acme.test", "attributes.dezky.tenantId": "x", "groups": ["tenant-acme"]}
    body = {"name": "owner-acme", "flow": flow, "single_use": True, "fixed_data": data}
    invitation = call("POST", INVITATIONS, json=body).json()["pk"]
    call("POST", f"{INVITATIONS}{invitation}/send_email/", json={"email_addresses": ["owner@acme.test"]})
    (mail,) = call.simulator.snapshot()["mails"]
    itoken = parse_qs(urlsplit(mail["link"]).query)["itoken"][0]
    pk = call.control("accept_invitation", itoken=itoken, username="owner", email="other@acme.test")
    user = call("GET", f"{USERS}{pk}/").json()
    assert (user["attributes"], user["email"], user["groups"]) == (
        {"dezky": {"tenantId": "x"}},
        "other@acme.test",
        [],
    )
    assert call("GET", f"{INVITATIONS}{invitation}/").status_code == 404
    assert call.control("accept_invitation", itoken=itoken, username="again") is None


def test_an_invitation_ends_with_its_time(call: Caller) -> None:
    flow = call.control("add_flow", slug="enrolment")
    invitation = call("POST", INVITATIONS, json={"name": "owner", "flow": flow}).json()["pk"]
    call.control("advance", seconds=31 * 60)
    assert call.control("accept_invitation", itoken=invitation, username="owner") is None


def test_a_recovery_mail_goes_to_the_address_with_the_link_of_the_user(call: Caller) -> None:
    call.control("set_recovery_flow", slug="recovery")
    stage = call.control("add_email_stage")
    user = call("POST", USERS, json={"username": "owner", "name": "", "email": "owner@acme.test"}).json()["pk"]
    link = call("POST", f"{USERS}{user}/recovery/", json={}).json()["link"]
    call("POST", f"{USERS}{user}/recovery_email/", json={"email_stage": stage})
    assert call.simulator.snapshot()["mails"] == [{"to": "owner@acme.test", "kind": "recovery", "link": link}]
    call.control("set_recovery_flow", slug=None)
    refused = call("POST", f"{USERS}{user}/recovery_email/", json={"email_stage": stage})
    assert (refused.status_code, refused.json()) == (400, {"non_field_errors": "No recovery flow set."})


def test_an_expiring_api_token_is_changed_at_its_end_and_an_app_password_deleted(call: Caller) -> None:
    for identifier, intent in (("api", "api"), ("password", "app_password")):
        body = {"identifier": identifier, "intent": intent}
        assert call("POST", TOKENS, json=body).json()["expiring"] is True
    key = call("GET", f"{TOKENS}api/view_key/").json()["key"]
    call.control("advance", seconds=31 * 60)
    assert call("GET", f"{TOKENS}api/view_key/").json()["key"] == key
    call.control("expire_tokens")
    assert call("GET", f"{TOKENS}api/view_key/").json()["key"] != key
    assert call("GET", f"{TOKENS}password/").status_code == 404
    call.key = key
    assert call("GET", ME).json() == {"detail": "Token invalid/expired"}


def test_a_request_without_permission_is_a_403_and_hidden_users_are_not_found(call: Caller) -> None:
    person = call.person("anna")
    group = call("POST", GROUPS, json={"name": "tenant-acme"}).json()["pk"]
    call.control("limit_token", permissions=["view_group", "add_group", "add_user_to_group", "reset_user_password"])
    assert call("POST", f"{GROUPS}{group}/add_user/", json={"pk": person}).status_code == 404
    assert call("GET", USERS).status_code == 403
    assert call("GET", BINDINGS).status_code == 403
    power = call("POST", GROUPS, json={"name": "mighty", "is_superuser": True})
    assert (power.status_code, list(power.json())) == (400, ["is_superuser"])
    call.control("set_recovery_flow")
    stage = call.control("add_email_stage")
    call.simulator.directory.users[person].email = "anna@acme.test"
    hidden = call("POST", f"{USERS}{person}/recovery_email/", json={"email_stage": stage})
    assert hidden.json() == {"non_field_errors": "Email stage not found."}


def test_a_lost_race_for_a_username_is_answered_405(call: Caller) -> None:
    fault(call.simulator, kind="race_lost", path="/users/", count=1)
    answer = call("POST", USERS, json={"username": "anna", "name": ""})
    assert (answer.status_code, answer.content) == (405, b"")
    assert len(call("GET", USERS, params={"username": "anna"}).json()["results"]) == 1


def test_tokens_end_by_the_clock_of_the_simulator_and_new_ones_are_not_from_the_future(call: Caller) -> None:
    call.person("anna")
    tokens = call.sign_in("anna")
    call.control("advance", seconds=3601)
    assert call.userinfo(tokens["access_token"]).status_code == 401
    fresh = call.oidc("token", grant_type="refresh_token", refresh_token=tokens["refresh_token"]).json()
    claims = call.oidc("introspect", token=fresh["access_token"]).json()
    assert (claims["active"], claims["iat"] <= time.time()) == (True, True)
    call.control("advance", seconds=30 * 86400)
    late = call.oidc("token", grant_type="refresh_token", refresh_token=fresh["refresh_token"])
    assert late.json()["error"] == "invalid_grant"


def test_a_device_is_a_session_like_any_other_and_ends_with_the_person(call: Caller) -> None:
    pk = call.person("anna")
    approved, redeemed = call.device("anna"), call.device("anna")
    tokens = call.poll(redeemed).json()
    assert call.simulator.snapshot()["sessions"] == {"anna": 2}
    call("PATCH", f"{USERS}{pk}/", json={"is_active": False})
    call("PATCH", f"{USERS}{pk}/", json={"is_active": True})
    refused = call.oidc("token", grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert [answer.json()["error"] for answer in (refused, call.poll(approved))] == ["invalid_grant"] * 2


def test_a_person_without_access_to_an_application_cannot_approve_its_device(call: Caller) -> None:
    call.person("bert")
    application = call("GET", f"{APPLICATIONS}portal/").json()["pk"]
    group = call("POST", GROUPS, json={"name": "tenant-acme"}).json()["pk"]
    call("POST", BINDINGS, json={"target": application, "order": 0, "group": group})
    with pytest.raises(ValueError, match="denied access"):
        call.device("bert")
    assert call.simulator.snapshot()["sessions"] == {}


def test_a_device_code_ends_by_the_clock_of_the_simulator(call: Caller) -> None:
    call.person("anna")
    started = call.device("anna")
    call.control("advance", seconds=61)
    assert call.poll(started).json()["error"] == "invalid_grant"


def test_a_list_without_the_permission_for_all_shows_what_the_account_may_view(call: Caller) -> None:
    first, second = (call("POST", GROUPS, json={"name": name}).json()["pk"] for name in ("one", "two"))
    call.control("limit_token", permissions=[], visible=[first])
    assert [one["name"] for one in call("GET", GROUPS).json()["results"]] == ["one"]
    assert call("GET", f"{GROUPS}{first}/").status_code == 200
    assert call("GET", f"{GROUPS}{second}/").status_code == 404
    assert call("GET", USERS).status_code == 403
    call.control("limit_token", permissions=[], visible=[])
    assert call("GET", GROUPS).status_code == 403
