"""Invalid claims: each is a 401 or cleaned, never an internal error."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from joserfc import jws

from tests.api.conftest import ADMINS, Client, Issuer
from tests.api.test_tokens import me


def signed(issuer: Issuer, text: str) -> str:
    """Sign claims that are written by hand."""
    key = issuer.simulator.oidc.key_of("operator")
    return jws.serialize_compact({"alg": "RS256", "kid": key.kid, "typ": "JWT"}, text.encode("utf-8"), key)


def written(issuer: Issuer, raw: dict[str, str], **changes: Any) -> str:
    """The admin's claims as JSON text; `raw` replaces values by text of its own."""
    claims = issuer.claims("admin", **changes)
    parts = [f"{json.dumps(name)}: {raw.get(name, json.dumps(value))}" for name, value in claims.items()]
    parts += [f"{json.dumps(name)}: {text}" for name, text in raw.items() if name not in claims]
    return signed(issuer, "{" + ", ".join(parts) + "}")


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400, "-1", "true", '"1"', "[1]", "{}"]
)
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_a_time_out_of_range_is_a_401(api_url: str, issuer: Issuer, name: str, value: str) -> None:
    answer = me(api_url, written(issuer, {name: value}))
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


@pytest.mark.parametrize("group", [r'"tenant-\ud800"', r'"tenant-a\u0000"', "1", "null"])
def test_a_group_that_is_no_printable_text_counts_as_absent(api_url: str, issuer: Issuer, group: str) -> None:
    admins = me(api_url, written(issuer, {"groups": f'["{ADMINS}", {group}]'}))
    assert (admins.status_code, admins.json()["platformAdmin"]) == (200, True)
    later = written(issuer, {"groups": f"[{group}]"}, iat=int(time.time()) + 5)
    assert Client(api_url, later)("GET", "/tenants").json() == []


def test_an_integer_of_ten_thousand_digits_is_a_401(api_url: str, issuer: Issuer) -> None:
    assert me(api_url, written(issuer, {"exp": "9" * 10_000})).status_code == 401


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("azp", '["operator"]'),
        ("azp", '{"a": 1}'),
        ("azp", "7"),
        ("azp", '""'),
        ("scope", '["openid"]'),
        ("sub", '"\\ud800"'),
        ("sub", '"a\\nb"'),
        ("sub", f'"{"s" * 256}"'),
        ("sub", "7"),
        ("sub", '["a"]'),
        ("iss", '["x"]'),
        ("aud", '{"operator": 1}'),
        ("aud", "null"),
    ],
)
def test_a_claim_of_the_wrong_kind_is_a_401(api_url: str, issuer: Issuer, name: str, text: str) -> None:
    answer = me(api_url, written(issuer, {name: text}))
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('"A\\u0000B"', "A B"),
        ('"A\\ud800B"', "A B"),
        ('"A\\r\\nSet-Cookie: x"', "A Set-Cookie: x"),
        ('"A\\u001b[31mB"', "A [31mB"),
        ('"A\\u202eB"', "A B"),
        (f'"{"n" * 5000}"', "n" * 200),
        ("7", "admin"),
        ('["A"]', "admin"),
        ('"\\u0000"', "admin"),
    ],
)
def test_control_characters_are_removed_from_a_name(api_url: str, issuer: Issuer, text: str, shown: str) -> None:
    answer = me(api_url, written(issuer, {"name": text}))
    assert (answer.status_code, answer.json()["name"]) == (200, shown)


@pytest.mark.parametrize(
    "text", ['"a\\nb@x.test"', '"a b@x.test"', '"nobody"', "7", f'"{"a" * 300}@x.test"', '"\\ud800@x.test"']
)
def test_an_invalid_address_counts_as_absent(api_url: str, issuer: Issuer, text: str) -> None:
    answer = me(api_url, written(issuer, {"email": text}))
    assert (answer.status_code, answer.json()["email"]) == (200, "")


@pytest.mark.parametrize(
    "text",
    [
        '["dezky-platform-admins\\u0000"]',
        '[["dezky-platform-admins"]]',
        '[null, 7, "\\ud800", "tenant-\\u0000"]',
        '"x"',
        "{}",
    ],
)
def test_groups_that_are_no_names_give_nothing(api_url: str, issuer: Issuer, text: str) -> None:
    answer = me(api_url, written(issuer, {"groups": text}))
    assert (answer.status_code, answer.json()["platformAdmin"], answer.json()["tenantIds"]) == (200, False, [])


@pytest.mark.parametrize(
    "text", ["[]", "null", "7", '"x"', "{", '{"exp": 1', "[" * 3000, '{"a":' * 3000, "\ufeff{}", "NaN"]
)
def test_claims_that_are_no_object_are_a_401(api_url: str, issuer: Issuer, text: str) -> None:
    answer = me(api_url, signed(issuer, text))
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "RS256", "kid": {"a": 1}},
        {"alg": "RS256", "kid": True},
        {"alg": ["RS256"], "kid": "a"},
        {"alg": None},
        {"alg": "RS256", "b64": False},
        {"alg": "RS256", "b64": False, "crit": ["b64"]},
        {"alg": "RS256", "crit": ["exp"]},
        {"alg": "RS256", "crit": "exp"},
        {"alg": "RS256", "x5c": 7},
        {"alg": "RS256", "private": "p" * 5000},
        [],
        7,
    ],
    ids=str,
)
def test_an_invalid_header_is_a_401(api_url: str, issuer: Issuer, header: Any) -> None:
    first, *rest = issuer.token("admin").split(".")
    made = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    assert first
    answer = me(api_url, ".".join([made, *rest]))
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
