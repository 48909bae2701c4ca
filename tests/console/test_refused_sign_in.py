"""Sign-ins that the API or the identity provider refuses, and services that are slow to respond."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import requests
from playwright.sync_api import APIRequestContext

from console.app import create_app
from console.auth.provider import LOGOUT_EVENT
from console.settings import ConsoleSettings
from sandbox.processes import free_port
from tests.console.conftest import ConsoleFixture, People
from tests.console.test_sign_in import age_tokens, cookie, is_signed_in, with_cookie
from tests.simulators import fault

MakeSettings = Callable[..., ConsoleSettings]


@pytest.fixture(autouse=True)
def healthy(console: ConsoleFixture) -> Iterator[None]:
    yield
    requests.delete(f"{console.authentik.url}/__sim/faults", timeout=5)


@pytest.fixture(scope="module")
def foreign_api(console: ConsoleFixture) -> str:
    """An API that does not accept the console's audience."""
    url = console.platform.start_api(OIDC_AUDIENCES="another-application")
    console.platform.until_ready(url)
    return url


@pytest.fixture
def silent_api() -> Iterator[str]:
    """A server that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        kept: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    kept.append(listening.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        for one in kept:
            one.close()


def callback_of(browser: APIRequestContext, url: str) -> str:
    """Follow a sign-in at the provider in a browser with a session there; return path and query of the callback."""
    while "/auth/callback" not in url:
        answer = browser.get(url, max_redirects=0)
        if answer.status == 200:
            answer = browser.post(answer.url, max_redirects=0)
        url = urljoin(answer.url, answer.headers["location"])
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def test_a_token_that_the_api_refuses_ends_on_a_page_that_says_why(
    people: People, console: ConsoleFixture, console_settings: MakeSettings, foreign_api: str
) -> None:
    client = create_app(console_settings(api_url=foreign_api, issuer=console.settings.issuer)).test_client()
    browser = people.page("admin").request
    begun = client.get("/auth/sign-in")
    before = set(console.redis.scan_iter("console:sign-in:*"))
    refused = client.get(callback_of(browser, begun.headers["Location"]))
    assert refused.status_code == 403
    for words in ("Not signed in", "API refuses this sign-in", "OIDC_AUDIENCES", "OIDC_ISSUERS"):
        assert words in refused.text, words
    assert set(console.redis.scan_iter("console:sign-in:*")) == before
    assert client.get("/tenants/").status_code == 303


def test_a_refusal_of_the_provider_is_shown_only_to_the_browser_that_asked(
    console: ConsoleFixture, console_settings: MakeSettings
) -> None:
    settings = console_settings(api_url=console.api_url, issuer=console.settings.issuer)
    asking, other = create_app(settings).test_client(), create_app(settings).test_client()
    [state] = parse_qs(urlsplit(asking.get("/auth/sign-in").headers["Location"]).query)["state"]
    link = f"/auth/callback?error=access_denied&error_description=Call+0800+123&state={state}"
    for client, is_shown in ((other, False), (asking, True)):
        answer = client.get(link)
        assert answer.status_code == 403
        assert ("Call 0800 123" in answer.text) is is_shown


def test_the_error_page_of_a_silent_api_arrives_before_a_proxy_gives_up(
    people: People, console: ConsoleFixture, console_settings: MakeSettings, silent_api: str
) -> None:
    client = create_app(console_settings(api_url=silent_api, issuer=console.settings.issuer)).test_client()
    page = people.signed_in("admin")
    console.redis.delete(*console.redis.keys("console:person:*"))
    client.set_cookie("console", cookie(page))
    started = time.monotonic()
    answer = client.get("/tenants/")
    assert answer.status_code == 503
    assert "API does not answer" in answer.text
    assert time.monotonic() - started < 14


def test_a_slow_provider_signs_nobody_out(people: People, console: ConsoleFixture) -> None:
    page = people.signed_in("admin")
    session = with_cookie(cookie(page))
    age_tokens(console, page)
    fault(console.authentik, kind="latency", delay=11, path="/token/", count=1)
    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(lambda _: is_signed_in(console, session), range(2)))


def logout_token(console: ConsoleFixture, **changes: Any) -> str:
    claims = {
        "iss": console.settings.issuer,
        "aud": console.settings.client_id,
        "iat": int(time.time()),
        "jti": secrets.token_hex(8),
        "sid": secrets.token_hex(8),
        "events": {LOGOUT_EVENT: {}},
        **changes,
    }
    return console.authentik.oidc.sign("dezky-console", claims, {"typ": "logout+jwt"})


def test_logouts_of_the_provider_are_not_limited_but_forged_ones_are(
    console: ConsoleFixture, console_settings: MakeSettings
) -> None:
    settings = console_settings(
        api_url=console.api_url, issuer=console.settings.issuer, sign_in_limit="3 per minute", trusted_proxies=1
    )
    client = create_app(settings).test_client()

    def post(address: str, **changes: Any) -> int:
        form = {"logout_token": logout_token(console, **changes)}
        return client.post("/auth/back-channel", data=form, headers={"X-Forwarded-For": address}).status_code

    provider, forger = console.new_address(), console.new_address()
    assert [post(provider) for _ in range(5)] == [200] * 5
    assert [post(forger, aud="another") for _ in range(4)] == [400, 400, 400, 429]
    begun = client.get("/auth/sign-in", headers={"X-Forwarded-For": forger})
    assert begun.status_code == 302


def test_logouts_are_limited_while_the_provider_is_down_and_unreadable_ones_ask_it_nothing(
    console: ConsoleFixture, console_settings: MakeSettings
) -> None:
    dead = f"http://127.0.0.1:{free_port()}/application/o/dezky-console/"
    settings = console_settings(api_url=console.api_url, issuer=dead, sign_in_limit="3 per minute", trusted_proxies=1)
    client = create_app(settings).test_client()

    def post(address: str, token: str) -> int:
        form, headers = {"logout_token": token}, {"X-Forwarded-For": address}
        return client.post("/auth/back-channel", data=form, headers=headers).status_code

    signed, provider, other = logout_token(console), console.new_address(), console.new_address()
    assert [post(provider, signed) for _ in range(6)] == [503, 503, 503, 429, 429, 429]
    assert [post(other, "a.b.c") for _ in range(4)] == [400, 400, 400, 429]


def test_a_page_with_a_valid_token_does_not_wait_for_the_renewal_of_another_page(
    people: People, console: ConsoleFixture
) -> None:
    page = people.signed_in("admin")
    age_tokens(console, page, seconds_left=20)
    sign_ins = console.sign_ins()
    found = sign_ins.find(console.sign_in_id(cookie(page)))
    assert found is not None
    with sign_ins.renewal(found):
        started = time.monotonic()
        assert is_signed_in(console, with_cookie(cookie(page)))
        assert time.monotonic() - started < 10
