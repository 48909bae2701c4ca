"""Test how an API fetches its issuers' keys: rotated, unknown, unavailable, and responses that are no key set."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from api.auth.jwks import KeysUnavailable
from api.auth.jwks_client import fetch_keys
from shared.core.http import tls_context
from tests.api.conftest import Issuer
from tests.api.test_tokens import me
from tests.simulators import authentik, fault  # noqa: F401  an issuer of their own, whose keys they change


def test_an_unknown_key_id_is_fetched_once_and_then_answered_503_during_the_cool_down(
    fresh_api_url: str, issuer: Issuer
) -> None:
    assert me(fresh_api_url, issuer.token("admin")).status_code == 200
    own = RSAKey.generate_key(2048, private=True)
    for number in range(6):
        forged = jwt.encode({"alg": "RS256", "kid": f"unknown-{number}"}, issuer.claims("admin"), own)
        answer = me(fresh_api_url, forged)
        assert (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (
            503,
            "keys_unavailable",
            True,
        )
        assert 1 <= int(answer.headers["Retry-After"]) <= 10
    fetches = [entry for entry in issuer.simulator.journal if entry["path"].endswith("/jwks/")]
    assert len(fetches) == 1


def test_a_token_of_one_issuers_key_under_another_issuers_name_is_refused(fresh_api_url: str, issuer: Issuer) -> None:
    forged = issuer.simulator.oidc.sign("portal", issuer.claims("admin", "operator"))
    assert me(fresh_api_url, forged).status_code == 401


def test_a_rotated_key_is_fetched_once_the_cool_down_is_over(
    fresh_api_url: str, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.auth.jwks.COOL_DOWN", 0.0)
    assert me(fresh_api_url, issuer.token("admin")).status_code == 200
    issuer.simulator.oidc.rotate_key("operator")
    assert me(fresh_api_url, issuer.token("admin", jti="after rotation")).status_code == 200


def test_a_token_whose_new_key_cannot_be_fetched_yet_gets_503_and_not_401(
    fresh_api_url: str, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert me(fresh_api_url, issuer.token("admin")).status_code == 200
    issuer.simulator.oidc.rotate_key("operator")
    token = issuer.token("admin", jti="after rotation")
    fault(issuer.simulator, kind="status", status=502, path="jwks", count=1)
    for cool_down in (0.0, 10.0):  # with a fetch, and during the cool-down without one
        monkeypatch.setattr("api.auth.jwks.COOL_DOWN", cool_down)
        answer = me(fresh_api_url, token)
        assert (answer.status_code, answer.json()["code"]) == (503, "keys_unavailable")
    monkeypatch.setattr("api.auth.jwks.COOL_DOWN", 0.0)
    assert me(fresh_api_url, token).status_code == 200


def test_before_the_first_keys_are_fetched_the_response_is_503_and_not_401(fresh_api_url: str, issuer: Issuer) -> None:
    fault(issuer.simulator, kind="status", status=502, path="jwks", count=1)
    answer = me(fresh_api_url, issuer.token("admin"))
    assert (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (503, "keys_unavailable", True)


@pytest.mark.parametrize("rule", [{"kind": "status", "status": 500}, {"kind": "hang"}, {"kind": "wrong_body"}])
def test_keys_that_were_fetched_stay_in_use_when_they_cannot_be_fetched_again(
    fresh_api_url: str, issuer: Issuer, monkeypatch: pytest.MonkeyPatch, rule: dict[str, Any]
) -> None:
    assert me(fresh_api_url, issuer.token("admin")).status_code == 200
    monkeypatch.setattr("api.auth.jwks.COOL_DOWN", 0.0)
    monkeypatch.setattr("api.auth.jwks.MAX_AGE", 0.0)
    fault(issuer.simulator, path="jwks", **rule)
    for number in range(3):
        assert me(fresh_api_url, issuer.token("admin", jti=str(number))).status_code == 200


@pytest.mark.parametrize(
    "document",
    [
        *("{}", "[]", "null", '"keys"', '{"keys": null}', '{"keys": "none"}', '{"keys": {"kid": "a"}}', "[" * 5000),
        *('{"keys": [1]}', '{"keys": [{"kid": "a", "kty": "?"}]}', '{"keys": [{"kid": "a", "kty": "RSA", "n": 1}]}'),
    ],
)
@pytest.mark.parametrize("by_discovery", [False, True])
def test_a_document_that_is_no_key_set_is_refused_so_known_keys_stay(
    issuer: Issuer, document: str, by_discovery: bool
) -> None:
    place = "openid-configuration" if by_discovery else "jwks"
    fault(issuer.simulator, kind="status", status=200, body=document, path=place)
    with pytest.raises(KeysUnavailable):
        fetch_keys(issuer.url(), "" if by_discovery else f"{issuer.url()}jwks/", tls_context(None))


def test_an_unreadable_entry_leaves_the_other_keys_of_its_set_usable(issuer: Issuer) -> None:
    good = issuer.simulator.oidc.key_of("operator").as_dict(private=False)
    document = json.dumps({"keys": [1, {"kid": "a", "kty": ["RSA"]}, {"kid": {}, "kty": "RSA"}, good]})
    fault(issuer.simulator, kind="status", status=200, body=document, path="jwks")
    keys = fetch_keys(issuer.url(), f"{issuer.url()}jwks/", tls_context(None))
    assert [key.kid for key in keys] == [good["kid"]]


def test_a_slowly_dripping_key_server_delays_a_request_by_at_most_three_seconds(
    fresh_api_url: str, issuer: Issuer
) -> None:
    fault(issuer.simulator, kind="drip", delay=0.5, path="jwks")
    started = time.monotonic()
    assert me(fresh_api_url, issuer.token("admin")).status_code == 503
    assert time.monotonic() - started < 6
