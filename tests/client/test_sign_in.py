"""Sign-in by device code under Authentik's error responses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from client import NotSignedIn, SignInRefused, Unreachable
from client.sign_in.device import sign_device_in
from client.sign_in.issuer import Issuer as SignInIssuer
from client.sign_in.issuer import OAuthClient, WrongIssuer
from sandbox.simulators.authentik.server import AuthentikSimulator
from tests.api.conftest import Issuer
from tests.simulators import fault

Sleep = Callable[[float], None]


@pytest.fixture
def found(issuer: Issuer) -> SignInIssuer:
    return SignInIssuer(issuer.url(), OAuthClient("operator", "operator-secret"), retries=0)


@pytest.fixture
def approved(authentik: AuthentikSimulator) -> Sleep:
    """Replace sleeping: a person approves the code at once."""

    def approve(_: float) -> None:
        for code in list(authentik.oidc.grants._devices.values()):
            if code.user is None:
                authentik.oidc.grants.decide_device(code.user_code, "admin")

    return approve


def polls(authentik: AuthentikSimulator) -> int:
    return sum("device_code=" in entry["body"] for entry in authentik.journal)


@pytest.mark.parametrize("status", [408, 429, 503])
def test_polling_continues_while_the_issuer_is_busy(
    found: SignInIssuer, authentik: AuthentikSimulator, approved: Sleep, status: int
) -> None:
    fault(authentik, kind="status", status=status, path="/token/", count=2)
    assert sign_device_in(found, "openid", lambda shown: None, approved).access_token
    assert polls(authentik) == 3


BUSY = [
    (429, "too_many_requests"),
    (429, "invalid_request"),
    (408, "request_timeout"),
    (400, "temporarily_unavailable"),
    (400, "server_error"),
]


@pytest.mark.parametrize(("status", "code"), BUSY)
def test_a_busy_issuer_that_names_an_oauth_error_ends_no_sign_in(
    found: SignInIssuer, authentik: AuthentikSimulator, approved: Sleep, status: int, code: str
) -> None:
    body = f'{{"error": "{code}"}}'
    busy = {"kind": "status", "status": status, "body": body, "content_type": "application/json", "path": "/token/"}
    fault(authentik, count=2, **busy)
    assert sign_device_in(found, "openid", lambda shown: None, approved).access_token
    assert polls(authentik) == 3
    fault(authentik, count=1, **busy)
    with pytest.raises(Unreachable, match="try again later"):
        found.refresh("a-refresh-token")


def test_slow_down_keeps_its_meaning_with_the_status_429(
    found: SignInIssuer, authentik: AuthentikSimulator, approved: Sleep
) -> None:
    body, where = '{"error": "slow_down"}', "/application/o/device/"
    fault(authentik, kind="status", status=429, body=body, content_type="application/json", path=where, count=1)
    with pytest.raises(NotSignedIn, match="too many sign-ins from here this hour"):
        sign_device_in(found, "openid", lambda shown: None, approved)


@pytest.mark.parametrize(
    "broken",
    [{"kind": "database_down"}, {"kind": "status", "status": 200, "body": "<html>", "content_type": "text/html"}],
)
def test_polling_continues_while_the_issuer_sends_unreadable_responses(
    found: SignInIssuer, authentik: AuthentikSimulator, approved: Sleep, broken: dict[str, object]
) -> None:
    fault(authentik, path="/token/", count=2, **broken)
    assert sign_device_in(found, "openid", lambda shown: None, approved).access_token
    assert polls(authentik) == 3


def test_a_page_in_place_of_the_discovery_document_means_a_wrong_url(
    authentik: AuthentikSimulator, issuer: Issuer
) -> None:
    fault(authentik, kind="status", status=200, body="<html>", content_type="text/html", path="/.well-known/")
    with pytest.raises(WrongIssuer, match="is this the issuer's URL"):
        SignInIssuer(issuer.url(), OAuthClient("operator"), retries=0)


def test_too_many_sign_ins_from_one_address_have_their_own_error(
    found: SignInIssuer, authentik: AuthentikSimulator, approved: Sleep
) -> None:
    fault(authentik, kind="slow_down", path="/application/o/device/", count=1)
    with pytest.raises(NotSignedIn, match="too many sign-ins from here this hour"):
        sign_device_in(found, "openid", lambda shown: None, approved)


def test_a_device_code_that_the_issuer_forgot_counts_as_expired(
    found: SignInIssuer, authentik: AuthentikSimulator
) -> None:
    body = '{"error": "invalid_grant", "error_description": "The provided authorization grant is invalid"}'
    fault(authentik, kind="status", status=400, body=body, content_type="application/json", path="/token/", count=1)
    with pytest.raises(NotSignedIn, match="Nobody approved the sign-in in time"):
        sign_device_in(found, "openid", lambda shown: None, lambda _: None)


def test_other_refusals_are_reported_with_the_issuers_code(found: SignInIssuer, authentik: AuthentikSimulator) -> None:
    body = '{"error": "invalid_client", "error_description": "Client authentication failed"}'
    fault(authentik, kind="status", status=400, body=body, content_type="application/json", path="/token/", count=1)
    with pytest.raises(SignInRefused) as refused:
        sign_device_in(found, "openid", lambda shown: None, lambda _: None)
    assert (refused.value.code, refused.value.notes) == ("invalid_client", ("Client authentication failed",))


def test_a_confidential_application_redeems_its_code_with_its_secret(
    found: SignInIssuer, authentik: AuthentikSimulator, approved: Sleep
) -> None:
    sign_device_in(found, "openid", lambda shown: None, approved)
    [body] = [entry["body"] for entry in authentik.journal if "device_code=" in entry["body"]]
    assert "client_secret=operator-secret" in body


@pytest.mark.parametrize(
    ("kind", "raised"),
    [
        ({"kind": "status", "status": 200, "body": "<html>", "content_type": "text/html"}, Unreachable),
        ({"kind": "status", "status": 200, "body": "[]", "content_type": "application/json"}, Unreachable),
        ({"kind": "status", "status": 200, "body": "{}", "content_type": "application/json"}, Unreachable),
        ({"kind": "status", "status": 302, "body": "", "content_type": "text/html"}, WrongIssuer),
        ({"kind": "status", "status": 500, "body": "oops", "content_type": "text/html"}, Unreachable),
        ({"kind": "database_down"}, Unreachable),
        ({"kind": "reset"}, Unreachable),
    ],
)
def test_a_response_that_is_no_token_raises_our_own_exception(
    found: SignInIssuer, authentik: AuthentikSimulator, kind: dict[str, object], raised: type[Exception]
) -> None:
    fault(authentik, path="/token/", **kind)
    with pytest.raises(raised):
        found.client_credentials("openid")


def test_a_token_request_whose_response_is_lost_is_not_repeated(issuer: Issuer, authentik: AuthentikSimulator) -> None:
    persistent = SignInIssuer(issuer.url(), OAuthClient("operator", "operator-secret"), retries=3)
    fault(authentik, kind="lost", path="/token/", count=1)
    with pytest.raises(Unreachable):
        persistent.refresh("a-refresh-token")
    assert sum("grant_type=refresh_token" in entry["body"] for entry in authentik.journal) == 1
