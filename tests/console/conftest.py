"""The console with a whole platform, started once: API, worker, scheduler as processes, simulators in this one."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import requests
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page
from pymongo import MongoClient
from redis import Redis
from werkzeug.serving import make_server

from console.app import create_app
from console.auth.sign_ins import SignIns
from console.auth.vault import Vault
from console.settings import ConsoleSettings, read_settings
from sandbox.processes import free_port
from sandbox.services import Valkey
from sandbox.simulators.authentik.oidc.clients import OidcClient, RedirectUri
from sandbox.simulators.authentik.server import AuthentikSimulator
from sandbox.simulators.ocis.server import OcisSimulator
from sandbox.simulators.stalwart.server import StalwartSimulator
from tests.browser import SECONDS
from tests.end_to_end.conftest import Platform, build
from tests.simulators import API_TOKEN
from tests.unused_names import UnusedNames

ADMINS = "dezky-platform-admins"
SECRET, KEY = "client-secret-that-must-never-be-logged", "key-that-must-never-be-logged-0123456789"


@dataclass
class ConsoleFixture:
    """A running platform with its console and its users."""

    platform: Platform
    authentik: AuthentikSimulator
    settings: ConsoleSettings
    app: Flask
    api_url: str
    redis: Redis
    unused: UnusedNames = field(default_factory=UnusedNames)
    _addresses: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def url(self) -> str:
        return self.settings.url

    def person(self, username: str, *groups: str) -> str:
        """Create a user who can sign in."""
        name, email = username.replace("-", " ").title(), f"{username}@people.test"
        self.authentik.ensure_person(username, "app-password", name, email, groups, password=password_of(username))
        return username

    def token(self, username: str) -> str:
        """Return an access token of the person, as the console's client gets it."""
        given: dict[str, Any] = self.authentik.sign_in(username, "dezky-console")
        return str(given["access_token"])

    def call(self, method: str, path: str, username: str = "admin", **options: Any) -> Any:
        """Call the API directly."""
        headers = {"Authorization": f"Bearer {self.token(username)}"}
        deadline = time.monotonic() + 20
        while True:
            answer = requests.request(method, f"{self.api_url}{path}", headers=headers, timeout=40, **options)
            if answer.status_code != 503 or time.monotonic() > deadline:
                break
            time.sleep(float(answer.headers.get("Retry-After", 1)))
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def tenant(self, slug: str, **fields: Any) -> dict[str, Any]:
        """Create a tenant and wait until it is active."""
        body = {"slug": slug, "name": f"{slug.title()} GmbH", "domains": [f"{slug}.test"], **fields}
        made: dict[str, Any] = self.call("POST", "/tenants", json=body, params={"wait": 20})
        return made

    def new_address(self) -> str:
        """Return an IP address from which nobody has signed in."""
        return f"198.51.100.{next(self._addresses)}"

    def sign_ins(self) -> SignIns:
        return SignIns(self.redis, Vault([KEY]), timedelta(hours=12), timedelta(hours=4))

    def sign_in_id(self, cookie: str) -> str:
        """Return the session of a cookie."""
        serializer = self.app.session_interface.get_signing_serializer(self.app)  # type: ignore[attr-defined]
        return str(serializer.loads(cookie)["sign_in"])


def password_of(username: str) -> str:
    return f"password-of-{username}"


@pytest.fixture(scope="package")
def console_port() -> int:
    return free_port()


@pytest.fixture(scope="package")
def products(console_port: int) -> Iterator[tuple[AuthentikSimulator, StalwartSimulator, OcisSimulator]]:
    here = f"http://127.0.0.1:{console_port}"
    redirects = (RedirectUri(f"{here}/auth/callback"), RedirectUri(f"{here}/", redirect_uri_type="logout"))
    client = OidcClient(
        "dezky-console", "dezky-console", SECRET, redirects, f"{here}/auth/back-channel", ends_session=True
    )
    authentik = AuthentikSimulator(api_token=API_TOKEN, admin_group=ADMINS, clients=(client,))
    stalwart = StalwartSimulator(api_key=API_TOKEN, dkim_delay=0.05)
    ocis = OcisSimulator(basic_users={"provisioner": (API_TOKEN, "Admin")})
    with authentik.running(), stalwart.running(), ocis.running():
        yield authentik, stalwart, ocis


@pytest.fixture(scope="package")
def sessions_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """Start a separate Redis: other tests clear the shared one while this platform runs."""
    valkey = Valkey(tmp_path_factory.mktemp("console-valkey"))
    valkey.start()
    yield valkey
    valkey.stop()


@pytest.fixture(scope="package")
def platform(
    tmp_path_factory: pytest.TempPathFactory,
    mongodb_uri: str,
    cleaner: MongoClient[dict[str, object]],
    worker_database: str,
    sessions_valkey: Valkey,
    products: tuple[AuthentikSimulator, StalwartSimulator, OcisSimulator],
) -> Iterator[Platform]:
    issuer = f"{products[0].url}/application/o/dezky-console/"
    made = build(
        tmp_path_factory.mktemp("console-platform"),
        products,
        MONGODB_URI=mongodb_uri,
        MONGODB_DATABASE=f"{worker_database}_console",
        REDIS_URL=sessions_valkey.url,
        OIDC_ISSUERS=f"{issuer}={issuer}jwks/",
        OIDC_AUDIENCES="dezky-console",
        WEBHOOK_ALLOWED_NETWORKS="127.0.0.0/8",
        # idle rounds cost processor time as long as the package runs
        SCHEDULER_INTERVAL_SECONDS="1",
    )
    yield made
    made.close()
    cleaner.drop_database(f"{worker_database}_console")


@pytest.fixture(scope="package")
def console_settings(console_port: int, sessions_valkey: Valkey) -> Callable[..., ConsoleSettings]:
    def make(**changes: Any) -> ConsoleSettings:
        given = {
            "url": f"http://127.0.0.1:{console_port}",
            "client_secret": SECRET,
            "secret_keys": KEY,
            "redis_url": sessions_valkey.url.replace("/0", "/1"),
            "sign_in_limit": "1000 per minute",
            "log_format": "console",
        }
        return read_settings(**{**given, **changes})

    return make


@pytest.fixture(scope="package")
def console(platform: Platform, console_settings: Callable[..., ConsoleSettings]) -> Iterator[ConsoleFixture]:
    platform.start_worker()
    platform.start_scheduler()
    api_url = platform.start_api()
    issuer = f"{platform.authentik.url}/application/o/dezky-console/"
    settings = console_settings(api_url=api_url, issuer=issuer)
    app = create_app(settings)
    server = make_server("127.0.0.1", int(settings.url.rpartition(":")[2]), app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    platform.until_ready(api_url)
    redis = Redis.from_url(settings.redis_url.get_secret_value())
    made = ConsoleFixture(platform, platform.authentik, settings, app, api_url, redis)
    made.person("admin", ADMINS)
    made.call("GET", "/users/me")
    yield made
    server.shutdown()
    thread.join(5)
    redis.close()


class People:
    """Opens pages for people; each signs in once, and their later pages share that session."""

    def __init__(self, browser: Browser, console: ConsoleFixture) -> None:
        self._browser, self._console = browser, console
        self._states: dict[str, Any] = {}
        self._contexts: list[BrowserContext] = []

    def page(self, username: str | None, path: str | None = "/", **options: Any) -> Page:
        """Open a page of a signed-in user; of an anonymous visitor without a name."""
        state = self._state(username) if username else None
        context = self._context(storage_state=state, **options)
        page = context.new_page()
        if path is not None:
            page.goto(path)
        return page

    def signed_in(self, username: str, path: str = "/", **options: Any) -> Page:
        """Open a page with its own session, which the test may end."""
        page = self._context(**options).new_page()
        sign_in(page, username, path)
        return page

    def close(self) -> None:
        while self._contexts:
            self._contexts.pop().close()

    def _state(self, username: str) -> Any:
        if username not in self._states:
            self._states[username] = self.signed_in(username).context.storage_state()
        return self._states[username]

    def _context(self, **options: Any) -> BrowserContext:
        context = self._browser.new_context(base_url=self._console.url, **options)
        context.set_default_timeout(20 * SECONDS)
        self._contexts.append(context)
        return context


def sign_in(page: Page, username: str, path: str = "/", password: str | None = None) -> None:
    """Open a page and sign in when redirected."""
    page.goto(path)
    if page.get_by_role("link", name="Sign in").count():
        page.get_by_role("link", name="Sign in").click()
    page.get_by_label("Email or username").fill(username)
    page.get_by_label("Password").fill(password or password_of(username))
    page.get_by_role("button", name="Log in").click()
    if page.get_by_role("button", name="Continue").count():
        page.get_by_role("button", name="Continue").click()


@pytest.fixture(scope="package")
def signed_in_people(browser: Browser, console: ConsoleFixture) -> People:
    return People(browser, console)


@pytest.fixture
def people(signed_in_people: People) -> Iterator[People]:
    yield signed_in_people
    signed_in_people.close()
