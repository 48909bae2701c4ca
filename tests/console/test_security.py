"""Security headers, forged forms, error pages, and logs without secrets."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from flask import Flask

from console.app import create_app
from console.auth.session import FILES
from console.settings import ConsoleSettings, SettingsError, read_settings
from sandbox.processes import free_port
from tests.console.conftest import KEY, SECRET, ConsoleFixture, People
from tests.console.test_sign_in import cookie, with_cookie

#: a value for each converter and name that a route may hold
PLACES = {
    "slug": "acme",
    "domain": "acme.test",
    "action_name": "suspend",
    "step": "ocis",
    "name": "ocis",
    "state": "on",
}
UNPROTECTED = {"sign_out.back_channel"}


@pytest.fixture(scope="module")
def admin(console: ConsoleFixture, signed_in_people: People) -> Iterator[requests.Session]:
    page = signed_in_people.signed_in("admin")
    yield with_cookie(cookie(page))
    signed_in_people.close()


def posting(app: Flask) -> Iterator[tuple[str, str]]:
    """Return endpoint and path of every route that changes something."""
    adapter = app.url_map.bind("console.test")
    for rule in app.url_map.iter_rules():
        if "POST" in (rule.methods or ()):
            values = {name: PLACES.get(name, "0" * 24) for name in rule.arguments}
            yield rule.endpoint, adapter.build(rule.endpoint, values, method="POST")


def test_every_route_refuses_forms_from_other_sites(console: ConsoleFixture, admin: requests.Session) -> None:
    routes = [(endpoint, path) for endpoint, path in posting(console.app) if endpoint not in UNPROTECTED]
    assert len(routes) > 20
    for endpoint, path in routes:
        for form in ({}, {"csrf_token": "made-up"}):
            answer = admin.post(f"{console.url}{path}", data=form, timeout=10)
            assert (answer.status_code, "This form is not from this session" in answer.text) == (400, True), endpoint


def test_every_page_requires_a_sign_in_except_the_listed_ones(console: ConsoleFixture) -> None:
    adapter = console.app.url_map.bind("console.test")
    open_to_all = set()
    for rule in console.app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or rule.endpoint in FILES:
            continue
        values = {name: PLACES.get(name, "0" * 24) for name in rule.arguments}
        path = adapter.build(rule.endpoint, values, method="GET")
        answer = requests.get(f"{console.url}{path}", timeout=10, allow_redirects=False)
        if not (answer.status_code == 303 and "/auth/" in answer.headers["Location"]):
            open_to_all.add(rule.endpoint)
    assert open_to_all == {"sign_in.welcome", "sign_in.begin", "sign_in.callback", "health.live", "health.ready"}


@pytest.mark.parametrize("path", ["/", "/auth/", "/tenants/", "/nothing/here", "/static/console.css", "/health/live"])
def test_every_answer_carries_the_security_headers(console: ConsoleFixture, admin: requests.Session, path: str) -> None:
    headers = admin.get(f"{console.url}{path}", timeout=10).headers
    rules = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert rules["img-src"] == "'self' data:"
    assert rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert ("no-store" in headers["Cache-Control"]) == (not path.startswith("/static"))


def test_behind_https_the_cookie_is_secure_and_bound_to_the_host(
    console_settings: Callable[..., ConsoleSettings], console: ConsoleFixture
) -> None:
    settings = console_settings(url="https://console.test", api_url=console.api_url, issuer=console.settings.issuer)
    client = create_app(settings).test_client()
    answer = client.get("/auth/sign-in", base_url="https://console.test")
    kept = answer.headers["Set-Cookie"]
    assert kept.startswith("__Host-console=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(kept.split("; "))
    assert "Domain" not in kept
    assert "max-age=31536000" in answer.headers["Strict-Transport-Security"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"api_url": "nowhere"}, "The platform's API does not answer."),
        ({"redis_url": "nowhere"}, "The console cannot read its sessions."),
        ({"issuer": "nowhere"}, "The identity provider does not answer."),
    ],
    ids=["api", "redis", "provider"],
)
def test_an_unreachable_service_is_named_on_an_error_page(
    console: ConsoleFixture,
    people: People,
    console_settings: Callable[..., ConsoleSettings],
    changes: dict[str, str],
    words: str,
) -> None:
    scheme = {"redis_url": "redis"}
    gone = {name: f"{scheme.get(name, 'http')}://127.0.0.1:{free_port()}" for name in changes}
    given = {"api_url": console.api_url, "issuer": console.settings.issuer, **gone}
    client = create_app(console_settings(**given)).test_client()
    value = cookie(people.page("admin", "/"))
    client.set_cookie("console", value)
    answer = client.get("/auth/sign-in" if "issuer" in gone else "/tenants/")
    assert answer.status_code == 503
    assert words in html.unescape(answer.text)
    assert client.get("/health/live").status_code == 200
    assert client.get("/health/ready").status_code == (503 if "redis_url" in gone else 200)


def test_neither_logs_nor_pages_contain_a_token_a_code_or_a_secret(
    console: ConsoleFixture, people: People, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    page = people.signed_in("admin")
    value = cookie(page)
    record = console.sign_ins().find(console.sign_in_id(value))
    assert record is not None
    page.goto("/tenants/")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(re.compile(f"^{re.escape(console.url)}/"))
    # where an API of another test in this process has configured the logs, they are not on standard output
    written = "".join(capfd.readouterr()) + caplog.text
    assert "signed_in" in written
    # the development server of this test logs URLs itself; only the console's own lines are checked
    lines = [line for line in written.splitlines() if "127.0.0.1 - -" not in line]
    text = page.content() + "\n".join(lines)
    for secret in (record.tokens.access, record.tokens.refresh, record.tokens.identity, record.id, value, SECRET, KEY):
        assert secret
        assert secret not in text
    assert "code=" not in text


def test_a_bad_setting_is_named_with_a_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    good = {
        "url": "https://console.test",
        "api_url": "http://api:3001",
        "issuer": "https://auth.test/application/o/dezky-console/",
        "client_secret": "secret",
        "secret_keys": KEY,
        "redis_url": "redis://redis/1",
    }
    assert read_settings(**good).api_url == "http://api:3001"
    bad = {
        "url": ("http://console.test", "CONSOLE_URL"),
        "issuer": ("http://auth.test/", "CONSOLE_ISSUER"),
        "secret_keys": ("short", "CONSOLE_SECRET_KEYS"),
        "api_url": ("https://user@api", "CONSOLE_API_URL"),
    }
    for name, (value, variable) in bad.items():
        with pytest.raises(SettingsError, match=variable) as error:
            read_settings(**{**good, name: value})
        assert value not in str(error.value)
    monkeypatch.setenv("REDIS_URL", "redis://redis:6379/1")
    with pytest.raises(SettingsError, match="CONSOLE_REDIS_URL names the broker's database"):
        read_settings(**good)
    (tmp_path / "secret").write_text("from-a-file\n")
    monkeypatch.setenv("CONSOLE_CLIENT_SECRET_FILE", str(tmp_path / "secret"))
    del good["client_secret"]
    found = read_settings(**{**good, "redis_url": "redis://redis/2"})
    assert found.client_secret.get_secret_value() == "from-a-file"
