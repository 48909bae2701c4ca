"""The API over real HTTP, with tokens signed by the simulator identity provider."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from werkzeug.serving import make_server

from api.app import create_app
from sandbox.simulators.authentik.server import AuthentikSimulator
from shared.application.store import Repositories
from shared.config.settings import Settings

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
    """The identity provider, for making right and wrong tokens."""

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


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve an API with these settings; gives its URL."""
    running = []

    def start(settings: Settings) -> str:
        server = make_server("127.0.0.1", 0, create_app(settings), threaded=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        running.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def api_url(api_settings: Settings, serve: Serve, store: Repositories) -> str:
    return serve(api_settings)


@pytest.fixture
def as_(api_url: str, issuer: Issuer) -> Callable[..., Client]:
    """A client for somebody who has called /users/me: `as_("admin")`, `as_("member", "portal", "tenant-acme")`."""

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
