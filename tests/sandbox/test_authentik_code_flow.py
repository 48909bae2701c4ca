"""Test the Authentik simulator as a web application uses it: code flow with PKCE, renewal and revocation."""

from __future__ import annotations

import html

import pytest

from sandbox.simulators.authentik.server import AuthentikSimulator
from tests.sandbox.web_application import SCOPE, SIGNED_OUT, Browser, sent_back


def test_discovery_names_every_endpoint_of_a_web_application(browser: Browser) -> None:
    base = f"{browser.simulator.url}/application/o/"
    assert browser.found["issuer"] == f"{base}console/"
    assert browser.found["authorization_endpoint"] == f"{base}authorize/"
    assert browser.found["end_session_endpoint"] == f"{base}console/end-session/"
    assert {"revocation_endpoint", "userinfo_endpoint", "token_endpoint", "jwks_uri"} <= set(browser.found)
    assert "S256" in browser.found["code_challenge_methods_supported"]
    assert "authorization_code" in browser.found["grant_types_supported"]


def test_a_person_signs_in_agrees_and_the_application_gets_tokens_of_that_person(browser: Browser) -> None:
    page = browser.authorize()
    assert "<script" not in page.text
    consent = browser.sign_in(page)
    assert "offline_access" in consent.text
    answer = sent_back(browser.submit(consent))
    assert answer["state"] == "a state&more"
    tokens = browser.redeem(answer["code"]).json()
    identity, access = browser.claims(tokens["id_token"]), browser.claims(tokens["access_token"])
    assert (identity["aud"], identity["iss"], identity["nonce"]) == ("console", browser.found["issuer"], "n-1")
    assert identity["sub"] == browser.simulator.directory.users_by_name["ann"].uid
    assert identity["sid"] == access["sid"]
    assert (access["azp"], access["scope"], access["groups"]) == ("console", SCOPE, ["tenant-acme"])
    assert not {"azp", "uid", "scope"} & set(identity)
    assert browser.userinfo(tokens["access_token"]).json()["email"] == "Ann@People.test"


def test_a_second_sign_in_of_the_same_browser_asks_for_no_password(browser: Browser) -> None:
    first = browser.claims(browser.tokens()["id_token"])
    answer = browser.authorize(scope="openid")
    second = browser.claims(browser.redeem(sent_back(answer)["code"]).json()["id_token"])
    assert first["sid"] == second["sid"]
    assert "uid_field" in browser.authorize(scope="openid", prompt="login").text


def test_a_request_for_a_refresh_token_asks_for_consent_each_time(browser: Browser) -> None:
    browser.tokens()
    assert "offline_access" in browser.authorize().text


def test_without_offline_access_there_is_no_refresh_token(browser: Browser) -> None:
    assert "refresh_token" not in browser.redeem(browser.code(scope="openid")).json()


@pytest.mark.parametrize("name", ["ann", "ANN", "ann@people.test"])
def test_a_person_is_known_by_name_or_address_whatever_the_case(browser: Browser, name: str) -> None:
    assert browser.sign_in(browser.authorize(), name).status_code == 200


def test_of_two_people_with_one_address_only_the_older_can_sign_in(browser: Browser) -> None:
    browser.simulator.ensure_person("twin", "app", "Twin", "ann@people.test", password="twin's password")
    page = browser.authorize(scope="openid")
    refused = browser.submit(page, uid_field="ann@people.test", password="twin's password")
    assert "Invalid password" in html.unescape(refused.text)
    assert sent_back(browser.sign_in(refused, "ann@people.test"))["code"]


@pytest.mark.parametrize(("name", "password"), [("ann", "wrong"), ("nobody", "ann's password"), ("", "")])
def test_wrong_credentials_return_to_the_sign_in_page(browser: Browser, name: str, password: str) -> None:
    refused = browser.submit(browser.authorize(), uid_field=name, password=password)
    assert "uid_field" in refused.text
    assert browser.simulator.snapshot()["sessions"] == {}


def test_an_address_to_sign_in_is_shown_as_text_only(browser: Browser) -> None:
    refused = browser.submit(browser.authorize(), uid_field='"><script>x</script>', password="x")
    assert "<script" not in refused.text


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "another-verifier"},
        {"code_verifier": ""},
        {"redirect_uri": SIGNED_OUT},
        {"code": "unknown"},
        {"secret": "wrong"},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_a_code_is_refused_without_its_verifier_redirect_uri_and_client(
    browser: Browser, changes: dict[str, str]
) -> None:
    code = browser.code()
    answer = browser.redeem(**{"code": code, **changes})
    error = "invalid_client" if {"secret", "redirect_uri"} & set(changes) else "invalid_grant"
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_a_code_is_good_for_one_use_of_one_client_and_one_minute(
    browser: Browser, web_authentik: AuthentikSimulator
) -> None:
    code = browser.code()
    portal = Browser(web_authentik, "portal")
    assert portal.redeem(code).json()["error"] == "invalid_grant"
    assert browser.redeem(code).status_code == 200
    assert browser.redeem(code).json()["error"] == "invalid_grant"
    late = browser.code()
    web_authentik.state.clock.advance(61)
    assert browser.redeem(late).json()["error"] == "invalid_grant"


def test_a_verifier_for_a_code_without_challenge_is_refused(browser: Browser) -> None:
    code = browser.code(code_challenge="", code_challenge_method="")
    assert browser.redeem(code).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "changes", [{"client_id": "unknown"}, {"redirect_uri": "http://127.0.0.1:9999/elsewhere"}, {"redirect_uri": ""}]
)
def test_an_unknown_client_or_redirect_uri_is_shown_without_a_redirect(
    browser: Browser, changes: dict[str, str]
) -> None:
    answer = browser.authorize(**changes)
    assert (answer.status_code, "Bad Request" in answer.text) == (400, True)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge_method": "S512"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
        ({"client_id": "tool"}, "invalid_request"),
    ],
)
def test_other_faults_are_returned_to_the_application_with_its_state(
    browser: Browser, changes: dict[str, str], error: str
) -> None:
    answer = sent_back(browser.authorize(**changes))
    assert (answer["error"], answer["state"]) == (error, "a state&more")


def test_a_person_whom_the_application_does_not_admit_sees_permission_denied(browser: Browser) -> None:
    access, directory = browser.simulator.state.access, browser.simulator.directory
    group = directory.add_group({"name": "operators"})
    access.add_binding({"target": access.applications["console"].pk, "group": group.pk, "order": 0})
    denied = browser.sign_in(browser.authorize())
    assert "Permission denied" in denied.text


def test_a_refresh_token_brings_new_tokens_of_the_same_session_and_is_good_for_one_use(browser: Browser) -> None:
    first = browser.tokens()
    second = browser.refresh(first["refresh_token"]).json()
    assert browser.claims(second["id_token"])["sid"] == browser.claims(first["id_token"])["sid"]
    assert browser.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert browser.refresh(second["refresh_token"]).status_code == 200


def test_revoking_ends_each_token_and_a_wrong_client_revokes_nothing(browser: Browser) -> None:
    tokens = browser.tokens()
    assert browser.revoke(tokens["access_token"], "wrong").status_code == 401
    assert browser.userinfo(tokens["access_token"]).status_code == 200
    for name in ("access_token", "refresh_token"):
        assert browser.revoke(tokens[name]).status_code == 200
    assert browser.userinfo(tokens["access_token"]).status_code == 401
    assert browser.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert browser.revoke("unknown").status_code == 200
