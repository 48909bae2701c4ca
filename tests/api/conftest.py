"""The API over real HTTP, with tokens signed by the simulator identity provider."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from werkzeug.serving import WSGIRequestHandler, make_server

from api.app import create_app
from sandbox.simulators.authentik.server import AuthentikSimulator
from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.core.logging import configure_logs
from tests.simulators import API_TOKEN, CLIENTS

ADMINS = "dezky-platform-admins"
SCOPES = ["openid", "profile", "email"]


class Client:
    """A session with one bearer token against one API."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False
        if token is not None:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        return self._session.request(method, f"{self.url}{path}", timeout=40, **options)


class Issuer:
    """The identity provider, which makes valid and invalid tokens."""

    def __init__(self, simulator: AuthentikSimulator) -> None:
        self.simulator = simulator

    def url(self, slug: str = "operator") -> str:
        return f"{self.simulator.url}/application/o/{slug}/"

    def claims(self, username: str, slug: str = "operator", **changes: Any) -> dict[str, Any]:
        """Changed to None: left out."""
        oidc, directory = self.simulator.oidc, self.simulator.directory
        user = directory.users_by_name[username]
        claims = oidc.claims(oidc._clients[slug], user, SCOPES, self.url(slug)) | changes
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, username: str, slug: str = "operator", **changes: Any) -> str:
        return self.simulator.oidc.sign(slug, self.claims(username, slug, **changes))

    def person(self, username: str, *groups: str) -> None:
        self.simulator.ensure_person(username, "app-password", username.title(), f"{username}@people.test", groups)


@pytest.fixture(scope="session")
def worker_authentik() -> Iterator[AuthentikSimulator]:
    """Run one identity provider for all tests of a process, so that one API can trust its address."""
    simulator = AuthentikSimulator(api_token=API_TOKEN, admin_group=ADMINS, clients=CLIENTS)
    with simulator.running():
        yield simulator


@pytest.fixture
def authentik(worker_authentik: AuthentikSimulator) -> AuthentikSimulator:
    """Return the shared identity provider as new. Its signing keys stay: APIs have fetched them."""
    assert requests.post(f"{worker_authentik.url}/__sim/reset", timeout=10).status_code == 200
    return worker_authentik


@pytest.fixture
def issuer(authentik: AuthentikSimulator) -> Issuer:
    made = Issuer(authentik)
    made.person("admin", ADMINS)
    made.person("stranger")
    return made


@pytest.fixture
def api_settings(make_settings: Callable[..., Settings], issuer: Issuer) -> Settings:
    slugs = ("portal", "partner", "operator")
    return make_settings(
        oidc_issuers=",".join(f"{issuer.url(slug)}={issuer.url(slug)}jwks/" for slug in slugs),
        oidc_audiences=",".join(f"{slug}={slug}" for slug in slugs),
        webhook_allowed_networks="127.0.0.0/8",
    )


Serve = Callable[[Settings], str]


class Handler(WSGIRequestHandler):
    """Answer requests without a log line of the server's: the API logs each request itself."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


class ServedApi:
    """An API on its own port."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.app = create_app(settings)
        self._server = make_server("127.0.0.1", 0, self.app, threaded=True, request_handler=Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve a separate API with these settings; return its URL."""
    running: list[ServedApi] = []

    def start(settings: Settings) -> str:
        running.append(ServedApi(settings))
        return running[-1].url

    yield start
    for served in running:
        served.close()


@pytest.fixture(scope="session")
def worker_apis() -> Iterator[list[ServedApi]]:
    """Hold the APIs that tests of this process share. Making one takes longer than most tests."""
    running: list[ServedApi] = []
    yield running
    for served in running:
        served.close()


@pytest.fixture
def api_url(api_settings: Settings, worker_apis: list[ServedApi], store: Repositories) -> str:
    """Return the URL of an API with these settings, which earlier tests may have used too: over an empty database.

    A test of a process's memory, such as keys or limits, uses `serve` or `fresh_api_url`.
    """
    served = next((one for one in worker_apis if one.settings == api_settings), None)
    if served is None:
        worker_apis.append(served := ServedApi(api_settings))
    # other applications of this process log otherwise
    configure_logs(api_settings.log_level, api_settings.log_format)
    # the process's cached breakers and pauses are of an earlier test
    served.app.extensions["services"].switches.switches._cached = None
    return served.url


@pytest.fixture
def fresh_api_url(api_settings: Settings, serve: Serve, store: Repositories) -> str:
    """Return the URL of a separate API, which has fetched no keys yet."""
    return serve(api_settings)


@pytest.fixture
def as_(api_url: str, issuer: Issuer) -> Callable[..., Client]:
    """Return a client of a user who has called /users/me: `as_("admin")`, `as_("member", "portal", "tenant-acme")`."""

    def sign_in(username: str, slug: str = "operator", *groups: str) -> Client:
        if groups:
            issuer.person(username, *groups)
        client = Client(api_url, issuer.token(username, slug))
        assert client("GET", "/users/me").status_code == 200
        return client

    return sign_in


@pytest.fixture
def anonymous(api_url: str) -> Client:
    return Client(api_url, None)


@pytest.fixture
def root(as_: Callable[..., Client]) -> Client:
    return as_("admin")
