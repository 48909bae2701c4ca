"""Accepted and refused tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from sandbox.simulators.authentik.server import AuthentikSimulator
from shared.config.settings import Settings
from tests.api.conftest import Client, Issuer, Serve

HOUR = 3600


def me(url: str, token: str) -> Any:
    return Client(url, token)("GET", "/users/me")


def unsigned(claims: dict[str, Any], alg: str = "none", **header: Any) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": alg, "typ": "JWT", **header}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


def test_a_good_token_is_accepted(api_url: str, issuer: Issuer) -> None:
    answer = me(api_url, issuer.token("admin"))
    assert answer.status_code == 200
    assert answer.json()["email"] == "admin@people.test"
    assert answer.json()["platformAdmin"] is True


def test_no_token_is_a_401_with_a_bare_challenge(anonymous: Client) -> None:
    answer = anonymous("GET", "/tenants")
    assert (answer.status_code, answer.json()["code"]) == (401, "missing_token")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="dezky-platform-api"'
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": "https://elsewhere.test/"}, "invalid_token"),
        ({"aud": "another-service"}, "invalid_token"),
        ({"aud": None}, "invalid_token"),
        ({"aud": [1, {"a": 1}]}, "invalid_token"),
        ({"exp": time.time() - HOUR}, "token_expired"),
        ({"exp": None}, "invalid_token"),
        ({"exp": "soon"}, "invalid_token"),
        ({"nbf": time.time() + HOUR}, "invalid_token"),
        ({"iat": time.time() + HOUR}, "invalid_token"),
        ({"sub": None}, "invalid_token"),
        ({"sub": ""}, "invalid_token"),
        ({"azp": None, "scope": None, "uid": None}, "invalid_token"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_a_token_with_a_wrong_claim_is_a_401(api_url: str, issuer: Issuer, changes: dict[str, Any], code: str) -> None:
    answer = me(api_url, issuer.token("admin", **changes))
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_an_issuer_that_differs_by_its_last_slash_is_another_issuer(api_url: str, issuer: Issuer) -> None:
    assert me(api_url, issuer.token("admin", iss=issuer.url().rstrip("/"))).status_code == 401


def test_an_id_token_is_not_an_access_token(api_url: str, issuer: Issuer) -> None:
    oidc, directory = issuer.simulator.oidc, issuer.simulator.directory
    user = directory.users_by_name["admin"]
    tokens = oidc.tokens(oidc._clients["operator"], user, ["openid", "profile"], issuer.url())
    assert me(api_url, tokens["access_token"]).status_code == 200
    assert me(api_url, tokens["id_token"]).status_code == 401


@pytest.mark.parametrize("alg", ["none", "None", "NONE", ""])
def test_an_unsigned_token_is_refused(api_url: str, issuer: Issuer, alg: str) -> None:
    assert me(api_url, unsigned(issuer.claims("admin"), alg)).status_code == 401


def test_a_token_signed_by_hmac_with_the_public_key_is_refused(api_url: str, issuer: Issuer) -> None:
    public = issuer.simulator.oidc.key_of("operator")
    signed = unsigned(issuer.claims("admin"), "HS256", kid=public.kid).removesuffix(".")
    digest = hmac.new(public.as_pem(private=False), signed.encode(), hashlib.sha256).digest()
    forged = f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
    assert me(api_url, forged).status_code == 401


@pytest.mark.parametrize("header", ["jwk", "jku", "x5u", "x5c", "none"])
def test_a_key_in_the_tokens_header_is_not_trusted(api_url: str, issuer: Issuer, header: str) -> None:
    own = RSAKey.generate_key(2048, private=True)
    kid = issuer.simulator.oidc.key_of("operator").kid
    brought: dict[str, Any] = {
        "jwk": {"jwk": own.as_dict(private=False)},
        "jku": {"jku": f"{issuer.simulator.url}/evil"},
        "x5u": {"x5u": f"{issuer.simulator.url}/evil"},
        "x5c": {"x5c": ["MIIB"]},
        "none": {},
    }[header]
    forged = jwt.encode({"alg": "RS256", "kid": kid, **brought}, issuer.claims("admin"), own)
    assert me(api_url, forged).status_code == 401
    assert not [entry for entry in issuer.simulator.journal if "evil" in entry["path"]]


def test_keys_are_found_by_discovery_when_no_key_url_is_set(
    make_settings: Callable[..., Settings], issuer: Issuer, serve: Serve, store: object
) -> None:
    url = serve(make_settings(oidc_issuers=issuer.url(), oidc_audiences="operator"))
    answer = me(url, issuer.token("admin"))
    assert (answer.status_code, answer.json()["platformAdmin"]) == (200, True)


@pytest.mark.parametrize(
    "token", ["x", "a.b.c", "....", "é", "a" * 20_000, "eyJhbGciOiJSUzI1NiJ9.W10.c2ln", "eyJhbGciOiJSUzI1NiJ9.e30."]
)
def test_a_malformed_token_is_a_401(api_url: str, token: str) -> None:
    answer = Client(api_url, None)("GET", "/users/me", headers={"Authorization": f"Bearer {token}".encode()})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


def test_a_token_of_claims_nested_too_deep_to_read_is_a_401(api_url: str) -> None:
    deep = base64.urlsafe_b64encode(b"[" * 5000).rstrip(b"=").decode()
    answer = me(api_url, f"eyJhbGciOiJSUzI1NiJ9.{deep}.c2ln")
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer ", "bearer", "token"])
def test_another_scheme_or_an_empty_token_is_a_401(anonymous: Client, header: str) -> None:
    assert anonymous("GET", "/users/me", headers={"Authorization": header}).status_code == 401


def test_a_token_in_the_query_is_ignored(anonymous: Client, issuer: Issuer) -> None:
    assert anonymous("GET", f"/users/me?access_token={issuer.token('admin')}").status_code == 401


def test_a_token_that_was_accepted_is_refused_once_it_expires(
    api_url: str, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.auth.claims.LEEWAY", 0)
    ends_at = int(time.time()) + 5
    token = issuer.token("admin", exp=ends_at)
    assert me(api_url, token).status_code == 200
    time.sleep(max(0.0, ends_at + 1 - time.time()))
    assert me(api_url, token).json()["code"] == "token_expired"


def test_a_caller_without_a_record_is_known_by_name_only(api_url: str, issuer: Issuer) -> None:
    answer = Client(api_url, issuer.token("stranger"))("GET", "/tenants")
    assert (answer.status_code, answer.json()["code"]) == (403, "unknown_user")


def test_a_token_of_the_portal_opens_no_operator_route(
    as_: Callable[..., Client], authentik: AuthentikSimulator, issuer: Issuer
) -> None:
    portal = as_("admin", "portal")
    answer = portal("POST", "/tenants", json={"slug": "acme", "name": "Acme"})
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_surface")
    assert "needs an access token for the surface operator or partner; yours is for portal" in answer.json()["detail"]
    assert portal("GET", "/tenants").json() == []


def test_a_right_revoked_in_the_database_ends_at_once_for_the_same_token(
    root: Client, store: Any, api_settings: Settings
) -> None:
    assert root("POST", "/tenants", json={"slug": "acme", "name": "Acme"}).status_code == 201
    users = store.connection.client[api_settings.mongodb_database]["users"]
    users.update_many({}, {"$set": {"platformAdmin": False}})
    assert root("GET", "/tenants/acme").status_code == 404
    assert root("POST", "/tenants", json={"slug": "beta", "name": "Beta"}).status_code == 403


def test_no_token_reaches_the_logs(api_url: str, issuer: Issuer, capfd: pytest.CaptureFixture[str]) -> None:
    tokens = [issuer.token("admin"), issuer.token("admin", aud="elsewhere")]
    for token in tokens:
        me(api_url, token)
    out = "".join(capfd.readouterr())
    assert all(part not in out for token in tokens for part in token.split("."))
