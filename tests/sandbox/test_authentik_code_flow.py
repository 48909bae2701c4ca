"""Test the Authentik simulator as a web application uses it: code flow with PKCE, renewal, revocation and sign-out."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urljoin, urlsplit

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import KeySet

from sandbox.simulators.authentik.oidc.clients import OidcClient, RedirectUri
from sandbox.simulators.authentik.server import AuthentikStandIn

CALLBACK, SIGNED_OUT = "http://127.0.0.1:9999/auth/callback", "http://127.0.0.1:9999/"
SCOPE = "openid profile email offline_access"
VERIFIER = "a-verifier-of-at-least-43-characters-0123456789"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


class Receiver:
    """An application's back-channel logout endpoint."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        tokens = self.tokens

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                tokens.append(parse_qs(body)["logout_token"][0])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/logout"

    def wait(self, count: int) -> list[str]:
        give_up = time.monotonic() + 10
        while len(self.tokens) < count and time.monotonic() < give_up:
            time.sleep(0.02)
        return self.tokens


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join(5)


@pytest.fixture
def authentik(receiver: Receiver) -> Iterator[AuthentikStandIn]:
    redirects = (RedirectUri(CALLBACK), RedirectUri(SIGNED_OUT, redirect_uri_type="logout"))
    clients = (
        OidcClient("console", "console", "secret", redirects, receiver.url, ends_session=True),
        OidcClient("portal", "portal", "secret", redirects),
        OidcClient("tool", "tool", "", redirects, grant_types=("urn:ietf:params:oauth:grant-type:device_code",)),
    )
    simulator = AuthentikStandIn(api_token="token", admin_group="admins", clients=clients)
    simulator.ensure_person("ann", "app", "Ann", "Ann@People.test", ["tenant-acme"], password="ann's password")
    with simulator.running():
        yield simulator


class Browser:
    """A browser without script at the simulator, and the application to which it is sent back."""

    def __init__(self, simulator: AuthentikStandIn, client_id: str = "console") -> None:
        self.simulator = simulator
        self.client_id = client_id
        self.http = requests.Session()
        found = f"{simulator.url}/application/o/{client_id}/.well-known/openid-configuration"
        self.found = requests.get(found, timeout=5).json()

    def get(self, url: str) -> requests.Response:
        """Follow redirects until the application or a page is reached."""
        return self._follow(self.http.get(url, allow_redirects=False, timeout=5))

    def submit(self, page: requests.Response, **fields: str) -> requests.Response:
        assert re.search(r'<form method="post">', page.text), page.text
        return self._follow(self.http.post(page.url, data=fields, allow_redirects=False, timeout=5))

    def _follow(self, answer: requests.Response) -> requests.Response:
        while answer.is_redirect:
            target = urljoin(answer.url, answer.headers["Location"])
            if not target.startswith(self.simulator.url):
                break
            answer = self.http.get(target, allow_redirects=False, timeout=5)
        return answer

    def authorize(self, **changes: str) -> requests.Response:
        query = {
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": SCOPE,
            "state": "a state&more",
            "nonce": "n-1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        } | changes
        given = {name: value for name, value in query.items() if value}
        return self.get(f"{self.found['authorization_endpoint']}?{urlencode(given)}")

    def sign_in(self, page: requests.Response, username: str = "ann") -> requests.Response:
        return self.submit(page, uid_field=username, password="ann's password")

    def code(self, **changes: str) -> str:
        """Sign in as far as needed and return the code that the application gets."""
        answer = self.authorize(**changes)
        if "uid_field" in answer.text:
            answer = self.sign_in(answer)
        if answer.status_code == 200:
            answer = self.submit(answer)
        return sent_back(answer)["code"]

    def token(self, **form: str) -> requests.Response:
        auth = (self.client_id, form.pop("secret", "secret"))
        return requests.post(self.found["token_endpoint"], data=form, auth=auth, timeout=5)

    def redeem(self, code: str, **changes: str) -> requests.Response:
        form = {"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER} | changes
        return self.token(grant_type="authorization_code", **form)

    def tokens(self) -> dict[str, Any]:
        answer = self.redeem(self.code())
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def refresh(self, token: str) -> requests.Response:
        return self.token(grant_type="refresh_token", refresh_token=token)

    def claims(self, token: str) -> dict[str, Any]:
        keys = KeySet.import_key_set(requests.get(self.found["jwks_uri"], timeout=5).json())
        return dict(jwt.decode(token, keys, algorithms=["RS256"]).claims)

    def userinfo(self, token: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(self.found["userinfo_endpoint"], headers=headers, timeout=5)

    def revoke(self, token: str, secret: str = "secret") -> requests.Response:  # noqa: S107
        form = {"token": token, "client_id": self.client_id, "client_secret": secret}
        return requests.post(self.found["revocation_endpoint"], data=form, timeout=5)

    def end_session(self, id_token: str = "", **changes: str) -> requests.Response:
        query = {"id_token_hint": id_token, "post_logout_redirect_uri": SIGNED_OUT, "state": "bye"} | changes
        given = {name: value for name, value in query.items() if value}
        return self.get(f"{self.found['end_session_endpoint']}?{urlencode(given)}")


def sent_back(answer: requests.Response) -> dict[str, str]:
    assert answer.status_code == 302, answer.text
    assert answer.headers["Location"].startswith(CALLBACK)
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query, keep_blank_values=True))


@pytest.fixture
def browser(authentik: AuthentikStandIn) -> Browser:
    return Browser(authentik)


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
def test_wrong_credentials_stay_on_the_sign_in_page(browser: Browser, name: str, password: str) -> None:
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
def test_a_code_is_worth_nothing_without_its_verifier_redirect_uri_and_client(
    browser: Browser, changes: dict[str, str]
) -> None:
    code = browser.code()
    answer = browser.redeem(**{"code": code, **changes})
    error = "invalid_client" if {"secret", "redirect_uri"} & set(changes) else "invalid_grant"
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_a_code_is_good_for_one_use_of_one_client_and_one_minute(browser: Browser, authentik: AuthentikStandIn) -> None:
    code = browser.code()
    portal = Browser(authentik, "portal")
    assert portal.redeem(code).json()["error"] == "invalid_grant"
    assert browser.redeem(code).status_code == 200
    assert browser.redeem(code).json()["error"] == "invalid_grant"
    late = browser.code()
    authentik.world.clock.advance(61)
    assert browser.redeem(late).json()["error"] == "invalid_grant"


def test_a_verifier_for_a_code_without_challenge_is_refused(browser: Browser) -> None:
    code = browser.code(code_challenge="", code_challenge_method="")
    assert browser.redeem(code).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "changes", [{"client_id": "unknown"}, {"redirect_uri": "http://127.0.0.1:9999/elsewhere"}, {"redirect_uri": ""}]
)
def test_an_unknown_client_or_redirect_uri_is_told_to_the_person_and_nobody_is_redirected(
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
def test_other_faults_are_told_to_the_application_with_its_state(
    browser: Browser, changes: dict[str, str], error: str
) -> None:
    answer = sent_back(browser.authorize(**changes))
    assert (answer["error"], answer["state"]) == (error, "a state&more")


def test_a_person_whom_the_application_does_not_admit_sees_permission_denied(browser: Browser) -> None:
    access, directory = browser.simulator.world.access, browser.simulator.directory
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


def test_signing_out_ends_the_session_tells_the_application_once_and_leaves_the_refresh_token(
    browser: Browser, receiver: Receiver
) -> None:
    tokens = browser.tokens()
    answer = browser.end_session(tokens["id_token"])
    assert answer.headers["Location"] == f"{SIGNED_OUT}?state=bye"
    assert browser.simulator.snapshot()["sessions"] == {}
    assert browser.userinfo(tokens["access_token"]).status_code == 401
    [sent] = receiver.wait(1)
    told, identity = browser.claims(sent), browser.claims(tokens["id_token"])
    assert [told[name] for name in ("iss", "sub", "aud", "sid")] == [
        identity[name] for name in ("iss", "sub", "aud", "sid")
    ]
    assert "http://schemas.openid.net/event/backchannel-logout" in told["events"]
    assert "nonce" not in told
    assert jwt.decode(sent, KeySet([browser.simulator.oidc.key_of("console")])).header["typ"] == "logout+jwt"
    assert browser.refresh(tokens["refresh_token"]).status_code == 200
    assert "uid_field" in browser.authorize().text
    assert len(receiver.tokens) == 1


def test_an_application_whose_sign_out_leaves_the_session_open_asks_nobody_anything_next_time(
    authentik: AuthentikStandIn,
) -> None:
    browser = Browser(authentik, "portal")
    identity = browser.redeem(browser.code(scope="openid")).json()["id_token"]
    assert browser.end_session(identity).headers["Location"].startswith(SIGNED_OUT)
    assert sent_back(browser.authorize(scope="openid"))["code"]


def test_signing_out_twice_is_redirected_again_and_tells_nobody(browser: Browser, receiver: Receiver) -> None:
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


def test_an_application_is_told_when_the_person_is_switched_off(browser: Browser, receiver: Receiver) -> None:
    tokens, user = browser.tokens(), browser.simulator.directory.users_by_name["ann"]
    headers = {"Authorization": "Bearer token"}
    path = f"{browser.simulator.url}/api/v3/core/users/{user.pk}/"
    assert requests.patch(path, json={"is_active": False}, headers=headers, timeout=5).status_code == 200
    [sent] = receiver.wait(1)
    assert browser.claims(sent)["sid"] == browser.claims(tokens["id_token"])["sid"]
    assert browser.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
