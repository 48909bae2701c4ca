"""The sandbox with some real products: its simulators, the settings that the platform gets, and its tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox.environment import Parts, settings_environment
from sandbox.layout import Layout
from sandbox.parts import stand_ins
from sandbox.state import describe
from sandbox.tokens import TokenError, token_for
from shared.config.settings import Settings, read_settings

REAL = {"AUTHENTIK_API_URL": "https://auth.example.com", "AUTHENTIK_API_TOKEN": "t"}
ISSUER = {"OIDC_ISSUERS": "https://auth.example.com/application/o/dezky/", "OIDC_AUDIENCES": "dezky=portal"}
VARIABLES = ("MONGODB_URI", "REDIS_URL", "STALWART_API_URL", "OCIS_API_URL", "STRIPE_API_KEY", *REAL, *ISSUER)


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    made = Layout(4000, tmp_path / "box")
    made.make_folders()
    return made


def given(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def environment(layout: Layout) -> dict[str, str]:
    return settings_environment(layout, "mongodb://127.0.0.1/", "redis://127.0.0.1/")


def settings(layout: Layout) -> Settings:
    found = environment(layout)
    names = (name for name in found if name.split("_")[0] in ("OCIS", "STRIPE", "AUTHENTIK", "STAMP"))
    fields: dict[str, Any] = {name.lower(): found[name] for name in names}
    return read_settings(mongodb_uri="mongodb://unused", redis_url="redis://unused", **fields)


def test_with_the_simulated_issuer_ocis_gets_its_tokens(layout: Layout) -> None:
    assert environment(layout)["OCIS_TOKEN_URL"] == f"{layout.url('authentik')}/application/o/token/"


def test_with_a_real_authentik_the_simulated_ocis_accepts_an_app_token(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    given(monkeypatch, **REAL, **ISSUER)
    found = environment(layout)
    assert "OCIS_TOKEN_URL" not in found
    (ocis,) = [part for part in stand_ins(layout) if part.name == "ocis"]
    assert ocis.environment["OCIS_STAND_IN_USERS"] == f"{found['OCIS_USERNAME']}:{found['OCIS_PASSWORD']}:Admin"
    assert settings(layout).ocis_token_url is None


def test_with_a_real_authentik_and_no_issuer_the_simulated_one_still_signs_tokens(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    given(monkeypatch, **REAL)
    assert Parts.needed(dict(REAL)).authentik
    shown = describe(layout, environment(layout), {}, 1)
    assert shown["authentik"]["url"] == REAL["AUTHENTIK_API_URL"]
    assert shown["identity_provider"] == layout.url("authentik")


def test_a_token_of_a_real_issuer_is_refused_with_the_reason(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, **REAL, **ISSUER)
    shown = describe(layout, environment(layout), {}, 1)
    assert (shown["identity_provider"], shown["authentik"]["api_token"]) == (None, None)
    with pytest.raises(TokenError, match="OIDC_ISSUERS"):
        token_for(shown, "admin", None, None)


def test_the_file_shows_the_addresses_in_use(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, STALWART_API_URL="https://mail.example.com", STALWART_API_TOKEN="t")
    shown = describe(layout, environment(layout), {}, 1)
    assert shown["stalwart"] == {"url": "https://mail.example.com", "token": None}
    assert shown["ocis"]["url"] == layout.url("ocis")
    assert shown["stripe"]["url"] == layout.url("stripe")


def test_the_stripe_simulator_has_a_price_for_every_plan(layout: Layout) -> None:
    found = settings(layout)
    assert set(found.stripe_prices) == set(found.plans)
    (stripe,) = [part for part in stand_ins(layout) if part.name == "stripe"]
    assert stripe.environment["STRIPE_STAND_IN_KEY"] == environment(layout)["STRIPE_API_KEY"]
