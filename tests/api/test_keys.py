"""Key sets as issuers publish them: which keys verify a token, and when they are fetched."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from api.auth.jwks import KeyRing, KeysUnavailable, SigningKey
from api.auth.jwks_client import fetch_keys
from shared.config.settings import Settings
from shared.core.http import tls_context
from tests.api.conftest import Issuer, Serve
from tests.api.test_tokens import me
from tests.simulators import authentik, fault  # noqa: F401  an issuer of their own, whose keys they change

RSA, EC, OTHER_RSA, WEAK = (
    RSAKey.generate_key(2048, private=True),
    ECKey.generate_key("P-256", private=True),
    RSAKey.generate_key(2048, private=True),
    RSAKey.generate_key(1024, private=True),
)


def entry(key: Any, **fields: Any) -> dict[str, Any]:
    """A key as it is published; a field that is None is left out."""
    found = {name: value for name, value in key.as_dict(private=False).items() if name != "kid"} | fields
    return {name: value for name, value in found.items() if value is not None}


@pytest.fixture
def publish(issuer: Issuer) -> Callable[..., None]:
    def answer(*keys: dict[str, Any]) -> None:
        fault(issuer.simulator, kind="status", status=200, body=json.dumps({"keys": keys}), path="jwks")

    return answer


@pytest.fixture
def sign(issuer: Issuer) -> Callable[..., str]:
    def make(key: Any, alg: str = "RS256", **header: Any) -> str:
        registry = jws.JWSRegistry(algorithms=[alg], strict_check_header=False)
        claims = json.dumps(issuer.claims("admin"))
        return jws.serialize_compact({"alg": alg, **header}, claims, key, registry=registry)

    return make


Row = tuple[list[dict[str, Any]], Any, str, dict[str, Any]]
GOOD: dict[str, Row] = {
    "one id, two types": ([entry(EC, kid="a"), entry(RSA, kid="a")], RSA, "RS256", {"kid": "a"}),
    "one id, the other type": ([entry(EC, kid="a"), entry(RSA, kid="a")], EC, "ES256", {"kid": "a"}),
    "one id, two keys": ([entry(OTHER_RSA, kid="a"), entry(RSA, kid="a")], RSA, "RS256", {"kid": "a"}),
    "one id, by use": (
        [entry(OTHER_RSA, kid="a", use="enc"), entry(RSA, kid="a", use="sig")],
        RSA,
        "RS256",
        {"kid": "a"},
    ),
    "one id, by algorithm": (
        [entry(OTHER_RSA, kid="a", alg="RS512"), entry(RSA, kid="a", alg="RS256")],
        RSA,
        "RS256",
        {"kid": "a"},
    ),
    "no id in the set": ([entry(OTHER_RSA), entry(RSA)], RSA, "RS256", {"kid": "a"}),
    "no id at all": ([entry(RSA)], RSA, "RS256", {}),
    "no id in the token": ([entry(OTHER_RSA, kid="a"), entry(RSA, kid="b")], RSA, "RS256", {}),
    "a number in the set": ([entry(RSA, kid=7)], RSA, "RS256", {"kid": "7"}),
    "null": ([entry(RSA) | {"kid": None}], RSA, "RS256", {"kid": "a"}),
    "null fields": ([entry(RSA, kid="a") | {"use": None, "alg": None, "x5c": None}], RSA, "RS256", {"kid": "a"}),
    "a weak key beside it": ([entry(WEAK, kid="a"), entry(RSA, kid="a")], RSA, "RS256", {"kid": "a"}),
    "a private header parameter": ([entry(RSA, kid="a")], RSA, "RS256", {"kid": "a", "goauthentik.io/v": {"x": 1}}),
}
BAD: dict[str, Row] = {
    "for encryption": ([entry(RSA, kid="a", use="enc")], RSA, "RS256", {"kid": "a"}),
    "for another algorithm": ([entry(RSA, kid="a", alg="PS256")], RSA, "RS256", {"kid": "a"}),
    "not to verify": ([entry(RSA, kid="a", key_ops=["encrypt"])], RSA, "RS256", {"kid": "a"}),
    "of 1024 bits": ([entry(WEAK, kid="a"), entry(EC, kid="b")], WEAK, "RS256", {"kid": "a"}),
    "another's": ([entry(OTHER_RSA, kid="a")], RSA, "RS256", {"kid": "a"}),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_token_is_verified_by_the_key_that_signed_it(
    fresh_api_url: str, publish: Callable[..., None], sign: Callable[..., str], name: str
) -> None:
    keys, key, alg, header = GOOD[name]
    publish(*keys)
    assert me(fresh_api_url, sign(key, alg, **header)).status_code == 200


@pytest.mark.parametrize("name", BAD)
def test_a_key_that_may_not_sign_verifies_nothing(
    fresh_api_url: str, publish: Callable[..., None], sign: Callable[..., str], name: str
) -> None:
    keys, key, alg, header = BAD[name]
    publish(*keys)
    answer = me(fresh_api_url, sign(key, alg, **header))
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


def test_keys_of_other_kinds_are_ignored() -> None:
    entries = [entry(OKPKey.generate_key("Ed25519"), kid="e"), {"kty": "oct", "k": "AA", "kid": "o"}, 1, {"kid": "x"}]
    entries.append({"kty": "oct", "k": OctKey.generate_key(256).as_dict()["k"]})
    found = [key for key in map(SigningKey.of, entries) if key is not None]
    assert [(key.kid, key.fits("EdDSA"), key.fits("RS256")) for key in found] == [("e", True, False)]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("by_discovery", [False, True])
def test_a_redirect_to_another_origin_is_not_followed(issuer: Issuer, status: int, by_discovery: bool) -> None:
    place = "openid-configuration" if by_discovery else "jwks"
    elsewhere = f"{issuer.simulator.url.replace('127.0.0.1', 'localhost')}/evil"
    fault(issuer.simulator, kind="status", status=status, headers={"Location": elsewhere}, path=place)
    with pytest.raises(KeysUnavailable):
        fetch_keys(issuer.url(), "" if by_discovery else f"{issuer.url()}jwks/", tls_context(None))
    assert not [one for one in issuer.simulator.journal if "evil" in one["path"]]


def test_a_discovery_document_of_another_issuer_is_refused(issuer: Issuer) -> None:
    document = {"issuer": "https://elsewhere.test/", "jwks_uri": f"{issuer.url()}jwks/"}
    fault(issuer.simulator, kind="status", status=200, body=json.dumps(document), path="openid-configuration")
    with pytest.raises(KeysUnavailable):
        fetch_keys(issuer.url(), "", tls_context(None))


@pytest.mark.parametrize(
    "rule",
    [
        {"status": 404, "body": "404 page not found\n"},
        {"status": 200, "body": "<html>starting</html>"},
        {"status": 503, "body": ""},
        {"status": 204, "body": ""},
    ],
)
def test_a_proxys_temporary_error_removes_no_key(
    fresh_api_url: str, issuer: Issuer, monkeypatch: pytest.MonkeyPatch, rule: dict[str, Any]
) -> None:
    assert me(fresh_api_url, issuer.token("admin")).status_code == 200
    monkeypatch.setattr("api.auth.jwks.COOL_DOWN", 0.0)
    monkeypatch.setattr("api.auth.jwks.MAX_AGE", 0.0)
    fault(issuer.simulator, kind="status", path="jwks", **rule)
    for number in range(3):
        assert me(fresh_api_url, issuer.token("admin", jti=str(number))).status_code == 200
    issuer.simulator.oidc.rotate_key("operator")
    assert me(fresh_api_url, issuer.token("admin", jti="rotated")).status_code == 503


class Gate:
    """A key server that answers on command."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.keys: Sequence[SigningKey] = ()
        self.fetches = 0

    def __call__(self) -> Sequence[SigningKey]:
        self.fetches += 1
        if not self.open.wait(20):
            raise KeysUnavailable
        return self.keys


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open.set()


def known(*kids: str) -> list[SigningKey]:
    found = [SigningKey.of(entry(RSA, kid=kid)) for kid in kids]
    return [key for key in found if key is not None]


def test_requests_with_a_known_key_never_wait_for_a_fetch_and_others_wait_a_moment_only(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.auth.jwks.WAIT_SECONDS", 1.0)
    now = [1000.0]
    ring = KeyRing(gate, lambda: now[0])
    gate.keys = known("old")
    gate.open.set()
    assert len(next(ring.candidates("old", "RS256"))) == 1
    gate.open.clear()
    now[0] += 10_000  # the keys are old, and the issuer hangs
    started = time.monotonic()
    with ThreadPoolExecutor(32) as pool:
        unknown = [pool.submit(lambda: list(ring.candidates("new", "RS256"))) for _ in range(30)]
        for _ in range(50):
            assert len(next(ring.candidates("old", "RS256"))) == 1
        assert time.monotonic() - started < 0.9
        outcomes = [one.exception(10) for one in unknown]
    assert all(isinstance(one, KeysUnavailable) for one in outcomes)
    assert gate.fetches == 2
    assert time.monotonic() - started < 5


def test_concurrent_requests_share_the_first_fetch_of_keys(gate: Gate) -> None:
    ring = KeyRing(gate)
    ring.refresh()
    gate.keys = known("a")
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(lambda: next(ring.candidates("a", "RS256"))) for _ in range(6)]
        time.sleep(0.1)
        gate.open.set()
        assert [len(one.result(10)) for one in asked] == [1] * 6
    assert gate.fetches == 1


def test_a_key_that_is_published_later_is_found_once_the_cool_down_is_over(gate: Gate) -> None:
    now = [1000.0]
    ring = KeyRing(gate, lambda: now[0])
    gate.keys = known("a")
    gate.open.set()
    assert len(next(ring.candidates("a", "RS256"))) == 1
    gate.keys = known("a", "b")
    with pytest.raises(KeysUnavailable) as refused:
        next(ring.candidates("b", "RS256"))
    assert refused.value.retry_after == 10
    now[0] += 10
    assert len(next(ring.candidates("b", "RS256"))) == 1


def test_an_audience_that_is_bound_to_an_issuer_is_good_with_that_issuer_only(
    make_settings: Callable[..., Settings], issuer: Issuer, serve: Serve, store: object
) -> None:
    issuers = ",".join(f"{issuer.url(slug)}={issuer.url(slug)}jwks/" for slug in ("portal", "operator"))
    bound = f"operator=operator@{issuer.url('operator')},portal=portal"
    url = serve(make_settings(oidc_issuers=issuers, oidc_audiences=bound))
    assert me(url, issuer.token("admin", "operator")).json()["platformAdmin"] is True
    # the portal's issuer may not sign tokens of the operator's application, although its signature is valid
    crossed = issuer.token("admin", "portal", aud="operator")
    assert me(url, crossed).json()["code"] == "invalid_token"
    assert me(url, issuer.token("admin", "operator", aud="portal")).status_code == 200
    assert me(url, issuer.token("admin", "portal")).status_code == 200
