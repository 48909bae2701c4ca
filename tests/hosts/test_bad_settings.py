"""A process with invalid settings exits at start, with a sentence."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shared.config.settings import Settings, SettingsError, read_api_settings, read_settings
from shared.integrations.catalog import INTEGRATIONS

ROOT = Path(__file__).parents[2]
DATABASE = "mongodb://127.0.0.1:1/?replicaSet=rs0"


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGODB_URI", DATABASE)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    for name in set(Settings.model_fields) - {"mongodb_uri", "redis_url"}:
        monkeypatch.setenv(name.upper(), "")
    settings = read_settings()
    assert settings.authentik_api_url is None
    assert not settings.oidc_issuers


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"redis_url": "sentinel://:secret@one;sentinel://two"}, "REDIS_SENTINEL_MASTER must be set"),
        ({"redis_url": "sentinel://:secret@one:x", "redis_sentinel_master": "platform"}, "REDIS_URL must be scheme"),
    ],
)
def test_a_bad_address_of_sentinels_is_refused_by_the_variables_name(settings: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as refusal:
        read_settings(mongodb_uri=DATABASE, **settings)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("variable", "text", "sentence"),
    [
        ("LEASE_SECONDS", "inf", "LEASE_SECONDS: Input should be a finite number"),
        ("DRIFT_CHECK_HOURS", "inf", "DRIFT_CHECK_HOURS: Input should be a finite number"),
        ("PLANS", "{}", "PLANS must have at least one plan"),
        ("PLANS", '{"starter": ', "PLANS: is not JSON"),
        ("PLANS", '["starter"]', "PLANS: Input should be a valid dictionary"),
        ("DEFAULT_TENANT_SLUG", "Dezky GmbH", "DEFAULT_TENANT_SLUG: must be 3 to 32 of a-z"),
        ("OIDC_ALGORITHMS", " , ", "OIDC_ALGORITHMS: must name at least one"),
        ("OIDC_ALGORITHMS", "RS257", "OIDC_ALGORITHMS: RS257 is not an algorithm"),
        # an issuer whose surface is empty by mistake must not get all surfaces
        ("OIDC_AUDIENCES", "operator=operator,portal=", "OIDC_AUDIENCES: portal= is incomplete"),
        ("OIDC_AUDIENCES", "operator=operator@", "OIDC_AUDIENCES: operator=operator@ is incomplete"),
        ("OIDC_AUDIENCES", "a@https://other.test/", "names the issuer https://other.test/, which is not in"),
        ("OIDC_AUDIENCES", "a=operator@https://other.test/", "names the issuer https://other.test/, which is not in"),
        ("OIDC_AUDIENCES", "*", "OIDC_AUDIENCES: * would accept any token"),
        ("OIDC_AUDIENCES", "*=portal", "OIDC_AUDIENCES: * would accept any token"),
        ("OIDC_AUDIENCES", "a=root", "OIDC_AUDIENCES: unknown surface root"),
        ("OIDC_ISSUERS", "*", "OIDC_ISSUERS: * is not an address"),
        ("OIDC_ISSUERS", "http://id.test/", "OIDC_ISSUERS: http://id.test/ must be https"),
        ("OIDC_ISSUERS", "http://localhost.evil.test/", "must be https"),
        ("OIDC_ISSUERS", "http://127.0.0.1.evil.test/", "must be https"),
        ("OIDC_ISSUERS", "http://127.0.0.1@evil.test/", "must be https"),
        ("OIDC_ISSUERS", "https://id.test/=http://id.test/jwks/", "OIDC_ISSUERS: http://id.test/jwks/ must be https"),
        ("OIDC_ISSUERS", "id.test", "OIDC_ISSUERS: id.test is not an address"),
        ("OIDC_TENANT_GROUP_PREFIX", " ", "OIDC_TENANT_GROUP_PREFIX: must be a name"),
        ("STAMP_KEYS", "short", "the first of STAMP_KEYS must have at least 32 characters"),
        ("STAMP_KEYS", f"short,{'k' * 40}", "the first of STAMP_KEYS must have at least 32 characters"),
        ("OIDC_ISSUERS", "=https://id.test/jwks/", "OIDC_ISSUERS: =https://id.test/jwks/ is an incomplete pair"),
        ("EXTRA_CA_CERTS", "/nowhere.pem", "EXTRA_CA_CERTS: /nowhere.pem cannot be read"),
        ("EXTRA_CA_CERTS", __file__, "holds no certificates"),
        ("MONGODB_URI", "localhost:27017", "MONGODB_URI must start with mongodb://"),
        ("MONGODB_DATABASE", "dezky live", "MONGODB_DATABASE: String should match"),
        ("MONGODB_URI", "mongodb://db.test/?tls=true&tlsCAFile=/nowhere.pem", "MONGODB_URI names a certificate file"),
        ("MONGODB_URI", "mongodb://db.test:99999/", "MONGODB_URI must be mongodb://user:password@host:port"),
        ("PLANS", "[" * 100_000, "PLANS: is not JSON"),
    ],
)
def test_an_unsafe_setting_is_refused_with_the_variables_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, sentence: str
) -> None:
    monkeypatch.setenv("MONGODB_URI", DATABASE)
    monkeypatch.setenv(variable, text)
    with pytest.raises(SettingsError, match=re.escape(sentence)):
        read_settings(redis_url="redis://one")


TOKENS = ("authentik_api_token", "stalwart_api_token", "stripe_api_key")


@pytest.mark.parametrize("variable", TOKENS)
def test_the_end_of_its_line_is_no_part_of_a_token(variable: str) -> None:
    settings = read_settings(mongodb_uri=DATABASE, redis_url="redis://one", **{variable: "a-secret\r\n"})
    assert getattr(settings, variable).get_secret_value() == "a-secret"
    blank = read_settings(mongodb_uri=DATABASE, redis_url="redis://one", **{variable: " \n"})
    assert getattr(blank, variable) is None


@pytest.mark.parametrize("variable", TOKENS)
def test_a_token_that_is_no_valid_header_is_refused_without_showing_it(variable: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable.upper()}: must be one line") as refusal:
        read_settings(mongodb_uri=DATABASE, redis_url="redis://one", **{variable: "a-secret\nof two lines"})
    assert "secret" not in str(refusal.value)


def test_loopback_issuers_may_use_plain_http_and_older_marker_keys_may_be_short() -> None:
    given = "http://127.0.0.1:9000/a/,http://localhost:9000/b/=http://[::1]:9000/jwks/,https://id.test/"
    audiences = "a=portal@https://id.test/,b=@https://id.test/,c"
    settings = read_settings(
        mongodb_uri=DATABASE,
        redis_url="redis://one",
        oidc_issuers=given,
        oidc_audiences=audiences,
        stamp_keys=f"{'k' * 32},old",
    )
    assert len(settings.oidc_issuers) == 3
    bound = "https://id.test/"
    assert settings.oidc_audiences == (("a", "portal", bound), ("b", None, bound), ("c", None, None))


def test_the_platforms_own_tenant_may_have_a_name_of_the_platforms() -> None:
    assert read_settings(mongodb_uri=DATABASE, redis_url="redis://one", default_tenant_slug="platform")


def test_a_process_with_a_bad_sentinel_address_exits_with_an_error_message() -> None:
    environment = {**os.environ, "MONGODB_URI": DATABASE, "REDIS_URL": "sentinel://:secret@one"}
    command = [sys.executable, "-m", "worker.scheduler"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "REDIS_SENTINEL_MASTER must be set" in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_secret_can_be_read_from_a_file_and_the_variable_takes_precedence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"MONGODB_URI": DATABASE, "REDIS_URL": "redis://:from-file@localhost", "STAMP_KEYS": f"{'k' * 32},old"}
    for name, text in given.items():
        (tmp_path / name.lower()).write_text(f"{text}\n")
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / name.lower()))
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "empty").write_text("")
    monkeypatch.setenv("STRIPE_API_KEY_FILE", str(tmp_path / "empty"))
    settings = read_settings()
    assert settings.redis_url.get_secret_value() == "redis://:from-file@localhost"
    assert settings.stamp_key_texts == ("k" * 32, "old")
    assert settings.stripe_api_key is None
    monkeypatch.setenv("REDIS_URL", "redis://localhost")
    assert read_settings().redis_url.get_secret_value() == "redis://localhost"


@pytest.mark.parametrize("scheme", ["mongodb", "mongodb+srv"])
@pytest.mark.parametrize("password", ["s3cret@x", "s3cret/x", "s3cret:x", "s3cret%", "s3cret?x"])
def test_a_password_that_is_not_escaped_is_reported_and_not_shown(scheme: str, password: str) -> None:
    url = f"{scheme}://dezky:{password}@db.invalid/"
    with pytest.raises(SettingsError, match=r"MONGODB_URI must be .* percent-code") as refusal:
        read_settings(mongodb_uri=url, redis_url="redis://one")
    assert "s3cret" not in str(refusal.value)


def test_an_srv_address_is_not_resolved_at_the_start() -> None:
    options = "retryWrites=true&w=majority&srvServiceName=platform"
    assert read_settings(mongodb_uri=f"mongodb+srv://u:a%40b@db.invalid/?{options}", redis_url="redis://one")


def test_a_byte_order_mark_is_not_part_of_a_secret_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keys").write_bytes(b"\xef\xbb\xbf" + b"k" * 32)
    monkeypatch.setenv("STAMP_KEYS_FILE", str(tmp_path / "keys"))
    monkeypatch.delenv("STAMP_KEYS", raising=False)
    assert read_settings(mongodb_uri=DATABASE, redis_url="redis://one").stamp_key_texts == ("k" * 32,)


def test_a_file_that_cannot_be_read_is_refused_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAMP_KEYS_FILE", "/nonexistent/stamp_keys")
    with pytest.raises(SettingsError, match="STAMP_KEYS_FILE names /nonexistent/stamp_keys, which cannot be read"):
        read_settings(mongodb_uri=DATABASE, redis_url="redis://localhost")


def test_the_api_needs_no_credentials_of_a_product_and_a_worker_does() -> None:
    given = {"mongodb_uri": DATABASE, "redis_url": "redis://localhost", "stamp_keys": "k" * 32}
    product = {"authentik_api_url": "https://auth.platform.test"}
    assert read_api_settings(**given, **product).configured == {"authentik"}
    with pytest.raises(SettingsError, match="AUTHENTIK_API_TOKEN"):
        read_settings(**given, **product)


@pytest.mark.parametrize("name", [name for name, one in INTEGRATIONS.items() if (one.address,) not in one.credentials])
def test_an_integration_with_an_address_and_half_of_its_credentials_is_refused(name: str) -> None:
    integration = INTEGRATIONS[name]
    base = {"mongodb_uri": DATABASE, "redis_url": "redis://127.0.0.1:1/0", "stamp_keys": "k" * 32}
    given = base | {integration.address: "https://product.test"}
    halves = {names[0]: "https://product.test/x" for names in integration.credentials if len(names) > 1}
    with pytest.raises(SettingsError, match=f"{integration.address.upper()} is set but") as refusal:
        read_settings(**given, **halves)
    assert all(one.upper() in str(refusal.value) for names in integration.credentials for one in names)
    for names in integration.credentials:
        read_settings(**given, **dict.fromkeys(names, "https://product.test/x"))
