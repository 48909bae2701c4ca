"""Fixtures of the Authentik simulator: its API with our token, and web applications as its clients."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from sandbox.simulators.authentik.oidc.clients import OidcClient, RedirectUri
from sandbox.simulators.authentik.server import AuthentikSimulator
from tests.sandbox.authentik_caller import Caller
from tests.sandbox.web_application import CALLBACK, SIGNED_OUT, Browser, Receiver


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
def web_authentik(receiver: Receiver) -> Iterator[AuthentikSimulator]:
    redirects = (RedirectUri(CALLBACK), RedirectUri(SIGNED_OUT, redirect_uri_type="logout"))
    clients = (
        OidcClient("console", "console", "secret", redirects, receiver.url, ends_session=True),
        OidcClient("portal", "portal", "secret", redirects),
        OidcClient("tool", "tool", "", redirects, grant_types=("urn:ietf:params:oauth:grant-type:device_code",)),
    )
    simulator = AuthentikSimulator(api_token="token", admin_group="admins", clients=clients)
    simulator.ensure_person("ann", "app", "Ann", "Ann@People.test", ["tenant-acme"], password="ann's password")
    with simulator.running():
        yield simulator


@pytest.fixture
def browser(web_authentik: AuthentikSimulator) -> Browser:
    return Browser(web_authentik)


@pytest.fixture
def call(authentik: AuthentikSimulator) -> Caller:
    return Caller(authentik)
