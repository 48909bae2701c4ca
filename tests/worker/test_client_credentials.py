"""The machine account's token: fetched once for all threads, renewed in time, and each bad response has its reason."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import requests
from aiohttp import web

from sandbox.simulators.server import Simulator
from shared.integrations.outcomes import Fault, PermanentError, TemporaryError
from tests.simulators import fault
from worker.http.client_credentials import RENEWAL_MARGIN, ClientCredentials


class Issuer(Simulator):
    """A token endpoint with configured responses."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: object = {"access_token": "t1", "token_type": "Bearer", "expires_in": 3600}
        self.status = 200
        self.app.router.add_post("/token", self._token)

    async def _token(self, request: web.Request) -> web.StreamResponse:
        if isinstance(self.answer, str):
            return web.Response(status=self.status, text=self.answer, content_type="application/json")
        return web.json_response(self.answer, status=self.status)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    server = Issuer()
    with server.running():
        yield server


@pytest.fixture
def credentials(issuer: Issuer) -> ClientCredentials:
    account = {"username": "dezky-ocis", "password": "an-app-password"}
    return ClientCredentials(f"{issuer.url}/token", "ocis", None, "openid", account, call_seconds=2.0)


def authorized(credentials: ClientCredentials) -> str:
    request = requests.PreparedRequest()
    request.prepare_headers({})
    return credentials(request).headers["Authorization"]


def test_one_token_serves_all_threads(issuer: Issuer, credentials: ClientCredentials) -> None:
    seen: list[str] = []
    threads = [threading.Thread(target=lambda: seen.append(authorized(credentials))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["Bearer t1"] * 8
    (request,) = issuer.journal
    assert "grant_type=client_credentials" in request["body"]
    assert "client_id=ocis" in request["body"]
    assert "scope=openid" in request["body"]


def test_a_secret_is_sent_in_the_form(issuer: Issuer) -> None:
    authorized(ClientCredentials(f"{issuer.url}/token", "ocis", "s&cret", "openid", {}))
    assert "client_secret=s%26cret" in issuer.journal[0]["body"]


@pytest.mark.parametrize("expires_in", [RENEWAL_MARGIN - 1, str(int(RENEWAL_MARGIN) - 1)])
def test_a_token_near_its_end_is_fetched_again(
    issuer: Issuer, credentials: ClientCredentials, expires_in: object
) -> None:
    issuer.answer = {"access_token": "t1", "expires_in": expires_in}
    authorized(credentials)
    issuer.answer = {"access_token": "t2"}
    assert [authorized(credentials), authorized(credentials)] == ["Bearer t2", "Bearer t2"]
    assert len(issuer.journal) == 2


def test_a_token_that_was_refused_is_fetched_again(issuer: Issuer, credentials: ClientCredentials) -> None:
    authorized(credentials)
    credentials.forget()
    authorized(credentials)
    assert len(issuer.journal) == 2


@pytest.mark.parametrize(
    ("status", "answer", "kind", "reason"),
    [
        (400, {"error": "invalid_grant", "error_description": "a secret"}, PermanentError, "bad_credentials"),
        (401, {"error": "invalid_client"}, PermanentError, "bad_credentials"),
        (400, {"error": "temporarily_unavailable"}, TemporaryError, "upstream_error"),
        (403, "<html>", TemporaryError, "upstream_error"),
        (404, "<html>", TemporaryError, "upstream_error"),
        (405, "", TemporaryError, "upstream_error"),
        (500, "oops", TemporaryError, "upstream_error"),
        (200, "<html>", TemporaryError, "unexpected_answer"),
        (200, "[" * 100_000, TemporaryError, "unexpected_answer"),
        (200, ["a list"], TemporaryError, "unexpected_answer"),
        (200, {"token_type": "Bearer"}, TemporaryError, "unexpected_answer"),
        (200, {"access_token": "t", "expires_in": "soon"}, TemporaryError, "unexpected_answer"),
    ],
)
def test_each_fault_of_the_token_endpoint_has_its_own_reason(
    issuer: Issuer, credentials: ClientCredentials, status: int, answer: object, kind: type[Fault], reason: str
) -> None:
    issuer.status, issuer.answer = status, answer
    with pytest.raises(kind) as refusal:
        authorized(credentials)
    assert refusal.value.reason == reason
    assert "secret" not in str(refusal.value)
    assert "an-app-password" not in str(refusal.value)


@pytest.mark.parametrize("rule", [{"kind": "reset"}, {"kind": "status", "status": 503}, {"kind": "rate_limited"}])
def test_a_token_request_is_repeated_after_a_short_fault(
    issuer: Issuer, credentials: ClientCredentials, rule: dict[str, object]
) -> None:
    fault(issuer, count=1, **rule)
    assert authorized(credentials) == "Bearer t1"


def test_a_hanging_token_endpoint_times_out(issuer: Issuer, credentials: ClientCredentials) -> None:
    fault(issuer, kind="hang")
    with pytest.raises(TemporaryError, match="timeout"):
        authorized(credentials)
