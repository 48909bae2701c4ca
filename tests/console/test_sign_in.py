"""Sign-in and sign-out: code flow, renewal, revocation, sign-out by the provider, stolen cookies."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote, urljoin

import pytest
import requests
from playwright.sync_api import APIRequestContext, Page, expect

from console.app import create_app
from console.auth.session import own_path
from console.auth.sign_ins import SignIns, Tokens
from console.auth.vault import Vault
from console.settings import ConsoleSettings
from tests.console.conftest import KEY, ConsoleFixture, People, sign_in

FOREIGN = (
    "https://evil.test/",
    "//evil.test/",
    "///evil.test",
    "/\\evil.test",
    "\\\\evil.test",
    "/\t/evil.test",
    "http:evil.test",
    "javascript:alert(1)",
    "evil.test",
    "/auth/sign-in",
    "",
)


def cookie(page: Page) -> str:
    return next(one["value"] for one in page.context.cookies() if one["name"] == "console")


def with_cookie(value: str) -> requests.Session:
    session = requests.Session()
    session.cookies.set("console", value)
    return session


def is_signed_in(console: ConsoleFixture, session: requests.Session) -> bool:
    answer = session.get(f"{console.url}/tenants/", allow_redirects=False, timeout=20)
    assert answer.status_code in (200, 303)
    return answer.status_code == 200


def age_tokens(console: ConsoleFixture, page: Page, seconds_left: float = -1) -> None:
    """Let the access token of this session expire, by default a second ago."""
    sign_ins = console.sign_ins()
    found = sign_ins.find(console.sign_in_id(cookie(page)))
    assert found is not None
    assert sign_ins.save(replace(found, tokens=replace(found.tokens, expires_at=time.time() + seconds_left)))


def test_a_link_leads_to_sign_in_and_then_to_where_it_points(people: People, console: ConsoleFixture) -> None:
    page = people.page(None, "/tenants/?status=active")
    page.get_by_label("Email or username").fill("admin")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    sign_in(page, "admin", "/tenants/?status=active")
    expect(page).to_have_url(f"{console.url}/tenants/?status=active")
    expect(page.get_by_text("admin@people.test")).to_be_visible()


@pytest.mark.parametrize("target", FOREIGN)
def test_no_link_leads_to_another_server(target: str) -> None:
    assert own_path(target) == "/"


def test_a_sign_in_with_a_foreign_return_address_ends_at_the_console(people: People, console: ConsoleFixture) -> None:
    page = people.signed_in("admin", f"/auth/sign-in?next={quote('//evil.test/')}")
    expect(page).to_have_url(f"{console.url}/")


def test_the_cookie_is_hidden_from_scripts_and_contains_no_token(people: People, console: ConsoleFixture) -> None:
    page = people.signed_in("admin")
    kept = next(one for one in page.context.cookies() if one["name"] == "console")
    assert (kept["httpOnly"], kept["sameSite"]) == (True, "Lax")
    assert page.evaluate("document.cookie") == ""
    sign_in_record = console.sign_ins().find(console.sign_in_id(kept["value"]))
    assert sign_in_record is not None
    secrets = [sign_in_record.tokens.access, sign_in_record.tokens.refresh or ""]
    stored = b" ".join(console.redis.get(key) or b"" for key in console.redis.scan_iter("console:sign-in:*"))
    for secret in secrets:
        assert secret
        assert secret not in kept["value"]
        assert secret.encode() not in stored
    # Redis contains no cookie
    assert sign_in_record.id.encode() not in b" ".join(console.redis.scan_iter("*"))


def test_signing_out_invalidates_a_stolen_cookie_and_revokes_the_tokens(
    people: People, console: ConsoleFixture
) -> None:
    page = people.signed_in("admin")
    stolen = cookie(page)
    record = console.sign_ins().find(console.sign_in_id(stolen))
    assert record is not None
    assert is_signed_in(console, with_cookie(stolen))
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    expect(page).to_have_url(re.compile(f"{re.escape(console.url)}/"))
    assert not is_signed_in(console, with_cookie(stolen))
    form = {
        "grant_type": "refresh_token",
        "refresh_token": record.tokens.refresh,
        "client_id": "dezky-console",
        "client_secret": console.settings.client_secret.get_secret_value(),
    }
    refused = requests.post(f"{console.authentik.url}/application/o/token/", data=form, timeout=5)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    # the provider's session has ended too: the next sign-in asks for the password again
    page.get_by_role("link", name="Sign in").click()
    expect(page.get_by_label("Password")).to_be_visible()


@pytest.mark.parametrize("how", ["signed out", "expired"])
def test_a_form_that_is_sent_after_the_end_of_the_sign_in_is_not_lost_without_a_word(
    people: People, console: ConsoleFixture, how: str
) -> None:
    slug = console.unused("late")
    console.tenant(slug)
    page = people.signed_in("admin", f"/tenants/{slug}")
    if how == "expired":
        sign_ins = console.sign_ins()
        found = sign_ins.find(console.sign_in_id(cookie(page)))
        assert found is not None
        sign_ins.end(found)
    else:
        other = page.context.new_page()
        other.goto("/")
        other.get_by_role("button", name="Sign out").click()
        expect(other.get_by_role("link", name="Sign in")).to_be_visible()
    page.get_by_role("button", name="Reconcile …").click()
    expect(page.locator(".note.warning")).to_contain_text("nothing was changed")
    page.get_by_role("link", name="Sign in").click()
    if page.get_by_label("Password").count():
        page.get_by_label("Email or username").fill("admin")
        page.get_by_label("Password").fill("password-of-admin")
        page.get_by_role("button", name="Log in").click()
    if page.get_by_role("button", name="Continue").count():
        page.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(f"{console.url}/tenants/{slug}")


def test_expired_tokens_are_renewed_once_for_many_concurrent_pages(people: People, console: ConsoleFixture) -> None:
    page = people.signed_in("admin")
    before = console.sign_ins().find(console.sign_in_id(cookie(page)))
    age_tokens(console, page)
    session = with_cookie(cookie(page))
    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(lambda _: is_signed_in(console, session), range(12)))
    after = console.sign_ins().find(console.sign_in_id(cookie(page)))
    assert before is not None
    assert after is not None
    assert after.tokens.access != before.tokens.access
    assert after.tokens.expires_at > time.time() + 60
    # a refresh token is good once: a second renewal with the old one would have ended the session
    page.reload()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_an_open_page_does_not_extend_the_session_and_shows_its_end(people: People, console: ConsoleFixture) -> None:
    page = people.signed_in("admin", "/tenants/")
    session, digest = with_cookie(cookie(page)), hashlib.sha256(console.sign_in_id(cookie(page)).encode()).hexdigest()
    by_script = {"X-Requested-With": "console"}
    console.redis.expire(f"console:sign-in:{digest}", 50)
    assert session.get(f"{console.url}/tenants/", headers=by_script, timeout=20).status_code == 200
    assert int(console.redis.ttl(f"console:sign-in:{digest}")) <= 50
    assert is_signed_in(console, session)
    assert int(console.redis.ttl(f"console:sign-in:{digest}")) > 3600
    console.redis.delete(f"console:sign-in:{digest}")
    assert session.get(f"{console.url}/tenants/", headers=by_script, timeout=20).status_code == 401


def test_a_token_that_the_provider_no_longer_renews_ends_the_session(people: People, console: ConsoleFixture) -> None:
    page = people.signed_in("admin")
    record = console.sign_ins().find(console.sign_in_id(cookie(page)))
    assert record is not None
    secret = console.settings.client_secret.get_secret_value()
    form = {"token": record.tokens.refresh, "client_id": "dezky-console", "client_secret": secret}
    requests.post(f"{console.authentik.url}/application/o/revoke/", data=form, timeout=5).raise_for_status()
    age_tokens(console, page)
    stolen = cookie(page)
    page.context.clear_cookies(domain="127.0.0.1", name="authentik_session")
    page.goto("/tenants/")
    assert page.url.startswith(console.authentik.url) or page.get_by_role("link", name="Sign in").count()
    assert not is_signed_in(console, with_cookie(stolen))


def test_a_session_that_ends_at_the_provider_ends_here(people: People, console: ConsoleFixture) -> None:
    page = people.signed_in("admin")
    stolen = cookie(page)
    page.goto(f"{console.authentik.url}/application/o/dezky-console/end-session/")
    deadline = time.monotonic() + 10
    while is_signed_in(console, with_cookie(stolen)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    "token", ["", "nonsense", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"]
)
def test_only_the_provider_ends_sessions(console: ConsoleFixture, token: str) -> None:
    answer = requests.post(f"{console.url}/auth/back-channel", data={"logout_token": token}, timeout=10)
    assert answer.status_code == 400


def test_an_unrequested_callback_is_refused(console: ConsoleFixture) -> None:
    session = requests.Session()
    for query in ("code=stolen&state=made-up", "state=x", "", "error=access_denied&error_description=No+thanks"):
        answer = session.get(f"{console.url}/auth/callback?{query}", timeout=10)
        assert answer.status_code == 403, query
        assert "Not signed in" in answer.text
        assert "No thanks" not in answer.text
        assert not is_signed_in(console, session)


def test_sign_ins_from_one_address_are_bounded(
    console_settings: Callable[..., ConsoleSettings], console: ConsoleFixture
) -> None:
    settings = console_settings(
        api_url=console.api_url, issuer=console.settings.issuer, sign_in_limit="3 per minute", trusted_proxies=1
    )
    client = create_app(settings).test_client()

    def begin(address: str) -> int:
        return client.get("/auth/sign-in", headers={"X-Forwarded-For": address}).status_code

    first, second = console.new_address(), console.new_address()
    assert [begin(first) for _ in range(4)] == [302, 302, 302, 429]
    assert begin(second) == 302
    refused = client.get("/auth/sign-in", headers={"X-Forwarded-For": first})
    assert refused.headers["Retry-After"]
    assert "Too many requests" in refused.text


def last_link(sender: APIRequestContext) -> str:
    """Return the callback URL of a sign-in that this browser started."""
    answer = sender.get("/auth/sign-in", max_redirects=0)
    while "/auth/callback" not in (link := urljoin(answer.url, answer.headers.get("location", ""))):
        is_consent = answer.status == 200
        answer = sender.post(answer.url, max_redirects=0) if is_consent else sender.get(link, max_redirects=0)
    return link


def test_a_sign_in_that_one_browser_began_cannot_be_ended_in_another(people: People, console: ConsoleFixture) -> None:
    """Refuse a callback of another browser: a link would sign its reader in as its sender."""
    sender, reader = people.signed_in("admin").request, people.page(None, None)
    assert sender.get(last_link(sender), max_redirects=0).status == 303
    refused = reader.goto(last_link(sender))
    assert refused is not None
    assert refused.status == 403
    reader.goto("/auth/")
    expect(reader.get_by_role("link", name="Sign in")).to_be_visible()


def test_a_session_ends_at_its_maximum_age_although_it_is_used(console: ConsoleFixture) -> None:
    sign_ins = SignIns(console.redis, Vault([KEY]), longest=timedelta(seconds=2), idle=timedelta(hours=4))
    begun = sign_ins.begin(Tokens("access", time.time() + 60), None)
    deadline = time.monotonic() + 10
    while sign_ins.find(begun.id) is not None:
        sign_ins.keep_alive(begun)
        sign_ins.save(begun)
        assert time.monotonic() < deadline
        time.sleep(0.2)
