"""Test signing out at the Authentik simulator: end of session, back-channel logout, and whom they must not affect."""

from __future__ import annotations

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import KeySet

from sandbox.simulators.authentik.server import AuthentikSimulator
from tests.sandbox.web_application import SIGNED_OUT, Browser, Receiver, sent_back


def test_signing_out_ends_the_session_notifies_the_application_and_keeps_the_refresh_token(
    browser: Browser, receiver: Receiver
) -> None:
    tokens = browser.tokens()
    answer = browser.end_session(tokens["id_token"])
    assert answer.headers["Location"] == f"{SIGNED_OUT}?state=bye"
    assert browser.simulator.snapshot()["sessions"] == {}
    assert browser.userinfo(tokens["access_token"]).status_code == 401
    [sent] = receiver.wait(1)
    reported, identity = browser.claims(sent), browser.claims(tokens["id_token"])
    assert [reported[name] for name in ("iss", "sub", "aud", "sid")] == [
        identity[name] for name in ("iss", "sub", "aud", "sid")
    ]
    assert "http://schemas.openid.net/event/backchannel-logout" in reported["events"]
    assert "nonce" not in reported
    assert jwt.decode(sent, KeySet([browser.simulator.oidc.key_of("console")])).header["typ"] == "logout+jwt"
    assert browser.refresh(tokens["refresh_token"]).status_code == 200
    assert "uid_field" in browser.authorize().text
    assert len(receiver.tokens) == 1


def test_a_session_that_sign_out_keeps_signs_in_again_without_a_prompt(
    web_authentik: AuthentikSimulator,
) -> None:
    browser = Browser(web_authentik, "portal")
    identity = browser.redeem(browser.code(scope="openid")).json()["id_token"]
    assert browser.end_session(identity).headers["Location"].startswith(SIGNED_OUT)
    assert sent_back(browser.authorize(scope="openid"))["code"]


def test_signing_out_twice_redirects_again_and_notifies_no_application(browser: Browser, receiver: Receiver) -> None:
    identity = browser.tokens()["id_token"]
    for _ in range(2):
        assert browser.end_session(identity).headers["Location"] == f"{SIGNED_OUT}?state=bye"
    assert len(receiver.wait(1)) == 1


def test_signing_out_while_another_flow_waits_in_the_browser_ends_nothing(browser: Browser) -> None:
    tokens = browser.tokens()
    browser.authorize()
    answer = browser.end_session(tokens["id_token"])
    assert (answer.status_code, "Logout successful" in answer.text) == (200, True)
    assert browser.simulator.snapshot()["sessions"] == {"ann": 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"id_token_hint": ""},
        {"id_token_hint": "nonsense"},
        {"post_logout_redirect_uri": "http://127.0.0.1:9999/elsewhere"},
    ],
)
def test_a_sign_out_that_cannot_be_trusted_is_not_redirected_and_ends_nothing(
    browser: Browser, changes: dict[str, str]
) -> None:
    tokens = browser.tokens()
    answer = browser.end_session(tokens["id_token"], **changes)
    assert answer.status_code == 400
    assert browser.userinfo(tokens["access_token"]).status_code == 200


def test_an_application_is_notified_when_the_user_is_deactivated(browser: Browser, receiver: Receiver) -> None:
    tokens, user = browser.tokens(), browser.simulator.directory.users_by_name["ann"]
    headers = {"Authorization": "Bearer token"}
    path = f"{browser.simulator.url}/api/v3/core/users/{user.pk}/"
    assert requests.patch(path, json={"is_active": False}, headers=headers, timeout=5).status_code == 200
    [sent] = receiver.wait(1)
    assert browser.claims(sent)["sid"] == browser.claims(tokens["id_token"])["sid"]
    assert browser.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
