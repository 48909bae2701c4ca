"""Test the sandbox with real products: its processes, its output, and their connections."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox import state as states
from sandbox.environment import Parts, settings_environment
from sandbox.layout import Layout
from sandbox.parts import simulators
from sandbox.simulators.authentik.oidc.clients import OidcClient
from sandbox.simulators.authentik.server import AuthentikSimulator
from sandbox.tokens import TokenError, token_for
from shared.config.settings import read_settings
from tests.sandbox.test_cli import Sandbox

REAL = {"AUTHENTIK_API_URL": "https://auth.example.com", "AUTHENTIK_API_TOKEN": "a-real-token"}
THEIRS = "an-api-token-of-theirs"
ISSUERS = {"OIDC_ISSUERS": "https://auth.example.com/application/o/dezky-operator/=https://auth.example.com/jwks/"}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(3000, tmp_path)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Any:
    def give(**variables: str) -> dict[str, str]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return variables

    others = ("PLANS", "PLANS_FILE", "STRIPE_PRICES", "CONSOLE_ISSUER", "CONSOLE_CLIENT_ID", "DNS_SERVERS")
    for name in (*others, *REAL, *ISSUERS, "OIDC_AUDIENCES", "OCIS_API_URL", "STALWART_API_URL", "STRIPE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return give


def shown(layout: Layout) -> dict[str, Any]:
    environment = settings_environment(layout, "mongodb://127.0.0.1", "redis://127.0.0.1/0")
    return states.describe(layout, environment, {}, 1)


def test_all_simulated_the_state_has_their_addresses_and_secrets(layout: Layout, given: Any) -> None:
    state = shown(layout)
    assert state["authentik"]["url"] == state["simulators"]["authentik"] == layout.url("authentik")
    assert state["authentik"]["api_token"] == layout.secrets()["authentik_api_token"]
    assert state["issuers"]["operator"].startswith(layout.url("authentik"))
    assert state["ocis"]["token_url"].startswith(layout.url("authentik"))


def test_a_real_authentik_is_shown_by_its_address_and_never_by_its_token(layout: Layout, given: Any) -> None:
    given(**REAL, **ISSUERS)
    state = shown(layout)
    assert state["authentik"]["url"] == "https://auth.example.com"
    assert state["issuers"] == {"dezky-operator": "https://auth.example.com/application/o/dezky-operator/"}
    assert "authentik" not in state["simulators"]
    assert "a-real-token" not in json.dumps(state)


def test_without_a_simulated_issuer_the_simulated_ocis_is_reached_by_http_basic(layout: Layout, given: Any) -> None:
    given(**REAL, **ISSUERS)
    environment = settings_environment(layout, "mongodb://127.0.0.1", "redis://127.0.0.1/0")
    assert environment["OCIS_API_URL"] == layout.url("ocis")
    assert environment["OCIS_PASSWORD"] == layout.secrets()["ocis_password"]
    assert "OCIS_TOKEN_URL" not in environment


def test_with_a_real_api_and_no_issuer_the_simulator_still_signs_people_in(layout: Layout, given: Any) -> None:
    variables = given(**REAL)
    assert Parts.needed(variables).authentik
    state = shown(layout)
    assert state["authentik"]["url"] == "https://auth.example.com"
    assert state["issuers"]["operator"].startswith(state["simulators"]["authentik"])


def test_a_token_of_a_real_issuer_is_refused_with_an_error_message(layout: Layout, given: Any) -> None:
    given(**REAL, **ISSUERS)
    with pytest.raises(TokenError, match=r"OIDC_ISSUERS names a real identity provider .*auth\.example\.com"):
        token_for(shown(layout), "admin", None, None)


def test_the_stripe_simulator_has_a_price_for_every_plan_and_signs_its_events(layout: Layout, given: Any) -> None:
    environment = settings_environment(layout, "mongodb://127.0.0.1", "redis://127.0.0.1/0")
    names = ("STRIPE_API_KEY", "STRIPE_API_URL", "STRIPE_WEBHOOK_SECRETS", "STRIPE_PRICES")
    fields: dict[str, Any] = {name.lower(): environment[name] for name in names}
    settings = read_settings(mongodb_uri="mongodb://unused", redis_url="redis://unused", stamp_keys="x" * 32, **fields)
    assert set(settings.stripe_prices) == set(settings.plans)
    (stripe,) = [part for part in simulators(layout) if part.name == "stripe"]
    assert stripe.environment["STRIPE_SIMULATOR_KEY"] == environment["STRIPE_API_KEY"]
    assert stripe.environment["STRIPE_SIMULATOR_ENDPOINT_SECRET"] == environment["STRIPE_WEBHOOK_SECRETS"]
    assert shown(layout)["stripe"]["url"] == layout.url("stripe")


def test_the_stripe_simulator_has_the_prices_of_the_plans_in_use(layout: Layout, given: Any, tmp_path: Path) -> None:
    def used() -> tuple[str, str]:
        (stripe,) = [part for part in simulators(layout) if part.name == "stripe"]
        prices = settings_environment(layout, "mongodb://127.0.0.1", "redis://127.0.0.1/0")["STRIPE_PRICES"]
        return prices, stripe.command[stripe.command.index("--prices") + 1]

    plans = tmp_path / "plans.json"
    plans.write_text('{"basic": {}}')
    given(PLANS_FILE=str(plans))
    assert used() == ("basic=price_basic", "price_basic")
    given(PLANS='{"solo": {}, "team": {}}')
    assert used() == ("solo=price_solo,team=price_team", "price_solo,price_team")
    given(STRIPE_PRICES="solo=price_agreed")
    assert used() == ("solo=price_agreed", "price_agreed")


def test_with_a_real_issuer_the_console_uses_and_shows_it_without_a_secret(layout: Layout, given: Any) -> None:
    theirs = "https://auth.example.com/application/o/dezky-operator/"
    given(**REAL, **ISSUERS)
    assert shown(layout)["console"] == {"url": layout.url("console"), "issuer": theirs, "client_id": "dezky-console"}
    given(CONSOLE_ISSUER="https://auth.example.com/application/o/console/", CONSOLE_CLIENT_ID="console")
    console = shown(layout)["console"]
    assert (console["issuer"], console["client_id"]) == (
        "https://auth.example.com/application/o/console/",
        "console",
    )


def test_given_dns_servers_are_shown_without_the_simulators_addresses(layout: Layout, given: Any) -> None:
    assert shown(layout)["dns"]["own"] == shown(layout)["dns"]["servers"]
    given(DNS_SERVERS="192.0.2.53")
    assert shown(layout)["dns"] == {"servers": "192.0.2.53"}


@pytest.fixture
def real() -> Iterator[AuthentikSimulator]:
    """A server that the sandbox did not start."""
    clients = (OidcClient("dezky-operator", "dezky-operator", "secret"),)
    with AuthentikSimulator(api_token=THEIRS, admin_group="dezky-platform-admins", clients=clients).running() as server:
        yield server


def test_a_tenant_is_set_up_in_a_real_authentik_and_a_simulated_ocis_with_given_servers(
    real: AuthentikSimulator, tmp_path: Path, given: Any, mongodb_uri: str, database_name: str, redis_url: str
) -> None:
    issuer = f"{real.url}/application/o/dezky-operator/"
    given(AUTHENTIK_API_URL=real.url, AUTHENTIK_API_TOKEN=THEIRS, OIDC_ISSUERS=f"{issuer}={issuer}jwks/")
    real.ensure_person("boss", "app-password", "Boss", "boss@people.test", ["dezky-platform-admins"])
    servers = {"MONGODB_URI": mongodb_uri, "MONGODB_DATABASE": database_name, "REDIS_URL": redis_url}
    sandbox = Sandbox(tmp_path / "box", **servers)
    try:
        state = sandbox.up()
        assert state["authentik"] == {"url": real.url, "issuer": issuer}
        assert not state["pids"].keys() & {"mongodb", "valkey", "authentik"}
        refused = sandbox("token", "--as", "admin")
        assert (refused.exit_code, "real identity provider" in refused.stderr) == (2, True)
        assert "real server" in sandbox("fault", "authentik", "clear").stderr
        token = real.sign_in("boss", "dezky-operator")["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        assert requests.get(f"{state['api']}/users/me", headers=headers, timeout=10).status_code == 200
        body = {"slug": "acme", "name": "Acme", "domains": ["acme.test"]}
        created = requests.post(f"{state['api']}/tenants?wait=30", json=body, headers=headers, timeout=40)
        assert (created.status_code, created.json()["status"]) == (201, "active"), created.text
        assert "tenant-acme" in real.directory.groups_by_name
        assert THEIRS not in json.dumps(state)
    finally:
        sandbox("down")
