"""The HTTP client: each call ends in time, is repeated only where that is safe, and leaks nothing."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from aiohttp import web
from structlog.contextvars import bound_contextvars

from sandbox.simulators.server import Simulator
from shared.integrations.outcomes import PermanentError, TemporaryError
from tests.simulators import fault
from tests.tls import certificate, tls_host
from worker.http.deadline import within
from worker.http.json_client import BearerToken, JsonClient


class Echo(Simulator):
    def __init__(self) -> None:
        super().__init__()
        self.app.router.add_route("*", "/moved", self._moved)
        self.app.router.add_route("*", "/{rest:.*}", self._echo)

    async def _moved(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async def _echo(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(
            {"headers": dict(request.headers), "peer": request.transport.get_extra_info("peername")[1]}
        )  # type: ignore[union-attr]


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    with server.running():
        yield server


@pytest.fixture
def api(echo: Echo) -> Iterator[JsonClient]:
    made = JsonClient(echo.url, authorize=BearerToken("a-secret"), call_seconds=1.0)
    yield made
    made.close()


def raw_server(script: list[bytes], pause: float) -> tuple[str, socket.socket]:
    """A server that answers every request with these pieces and pauses between them."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                peer.recv(65536)
                try:
                    for piece in script:
                        peer.sendall(piece)
                        time.sleep(pause)
                except OSError:
                    continue

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}", listener


@pytest.mark.parametrize(
    "script",
    [
        [bytes([byte]) for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n", *[b" "] * 60],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"1\r\n \r\n"] * 60],
    ],
    ids=["headers", "body", "chunks"],
)
def test_a_server_that_drips_is_cut_at_the_calls_deadline(script: list[bytes]) -> None:
    url, listener = raw_server(script, 0.2)
    started = time.monotonic()
    with pytest.raises(TemporaryError) as refusal:
        JsonClient(url, call_seconds=0.7).call("POST", "/")
    assert refusal.value.reason == "timeout"
    assert time.monotonic() - started < 3
    listener.close()


def test_a_server_that_hangs_is_cut_at_the_attempts_deadline_when_that_is_nearer(echo: Echo) -> None:
    fault(echo, kind="hang")
    started = time.monotonic()
    with within(0.3), pytest.raises(TemporaryError, match="timeout"):
        JsonClient(echo.url, call_seconds=30).call("GET", "/x")
    assert time.monotonic() - started < 5
    with within(-1), pytest.raises(TemporaryError, match="timeout"):
        JsonClient(echo.url).call("GET", "/x")


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2", b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK"],
    ids=["said", "without_length", "old"],
)
def test_an_answer_that_ends_its_connection_is_read_to_its_end(head: bytes) -> None:
    url, listener = raw_server([head + b"\r\n\r\n", b"{", b"}"], 0.05)
    assert JsonClient(url, call_seconds=2.0).call("POST", "/").json() == {}
    listener.close()


@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", b"HTTP/1.1 102 Processing\r\n\r\n"]
)
def test_interim_answers_are_skipped_before_the_final_one(interim: bytes) -> None:
    url, listener = raw_server([interim * 3 + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"], 0.0)
    answer = JsonClient(url, call_seconds=2.0).call("POST", "/")
    assert (answer.status, answer.json()) == (200, {})
    listener.close()


def test_a_server_that_sends_interim_answers_only_is_unreachable() -> None:
    url, listener = raw_server([b"HTTP/1.1 102 Processing\r\n\r\n" * 100], 0.0)
    with pytest.raises(TemporaryError, match="unreachable"):
        JsonClient(url, call_seconds=2.0).call("POST", "/")
    listener.close()


def test_json_nested_too_deeply_is_an_unexpected_answer(echo: Echo, api: JsonClient) -> None:
    fault(echo, kind="wrong_body", body="[" * 200_000)
    with pytest.raises(TemporaryError, match="unexpected_answer"):
        api.call("GET", "/x").json()


def test_a_proxy_without_a_backend_is_a_temporary_error_and_is_retried() -> None:
    body = b"404 page not found\n"
    head = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
    url, listener = raw_server([head + b"Content-Length: %d\r\n\r\n" % len(body) + body], 0.0)
    with pytest.raises(TemporaryError, match="upstream_error"):
        JsonClient(url, call_seconds=2.0).call("GET", "/")
    listener.close()


def test_cookies_of_a_product_are_not_sent_back(echo: Echo, api: JsonClient) -> None:
    fault(echo, kind="status", status=404, headers={"Set-Cookie": "session=1; Path=/"}, count=1)
    assert api.call("GET", "/x").status == 404
    assert "Cookie" not in api.call("GET", "/x").json()["headers"]


def test_a_server_that_does_not_listen_is_unreachable(api: JsonClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(TemporaryError, match="unreachable"):
        JsonClient(f"http://127.0.0.1:{port}", call_seconds=1).call("GET", "/")


@pytest.mark.parametrize("kind", ["reset", "lost"])
def test_a_cut_connection_is_unreachable_and_a_post_is_never_sent_twice(echo: Echo, api: JsonClient, kind: str) -> None:
    fault(echo, kind=kind, method="POST")
    with pytest.raises(TemporaryError, match="unreachable"):
        api.call("POST", "/x")
    assert len(echo.journal) == 1


@pytest.mark.parametrize("rule", [{"kind": "reset"}, {"kind": "status", "status": 503}, {"kind": "rate_limited"}])
def test_requests_that_are_safe_to_repeat_are_repeated(echo: Echo, api: JsonClient, rule: dict[str, object]) -> None:
    fault(echo, count=1, **rule)
    patient = JsonClient(echo.url, call_seconds=5)
    assert patient.call("GET", "/x").status == 200
    assert len(echo.journal) == 2


def test_a_lasting_fault_is_tried_three_times_at_most(echo: Echo) -> None:
    fault(echo, kind="status", status=502)
    with pytest.raises(TemporaryError, match="upstream_error"):
        JsonClient(echo.url, call_seconds=5).call("GET", "/x")
    assert len(echo.journal) == 3


@pytest.mark.parametrize("status", [500, 501, 408, 425])
def test_a_server_error_that_a_repeat_cannot_fix_is_tried_once(echo: Echo, api: JsonClient, status: int) -> None:
    fault(echo, kind="status", status=status)
    with pytest.raises(TemporaryError, match="upstream_error"):
        api.call("GET", "/x")
    assert len(echo.journal) == 1


def test_a_long_retry_after_is_passed_on_from_seconds_or_a_date(echo: Echo, api: JsonClient) -> None:
    fault(echo, kind="rate_limited", retry_after=30, count=1)
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    fault(echo, kind="status", status=503, headers={"Retry-After": date}, count=1)
    fault(echo, kind="status", status=503, headers={"Retry-After": "soon"}, count=1)
    waits = []
    for _ in range(2):
        with pytest.raises(TemporaryError) as refusal:
            api.call("GET", "/x")
        waits.append(refusal.value.wait)
    assert waits[0] == 30
    assert 80 < (waits[1] or 0) <= 90
    assert api.call("GET", "/x").status == 200


def test_a_retry_after_date_is_read_by_the_servers_clock(echo: Echo, api: JsonClient) -> None:
    theirs = datetime.now(UTC) + timedelta(hours=3)
    headers = {
        "Date": format_datetime(theirs, usegmt=True),
        "Retry-After": format_datetime(theirs + timedelta(seconds=90), usegmt=True),
    }
    fault(echo, kind="status", status=503, headers=headers)
    with pytest.raises(TemporaryError) as refusal:
        api.call("GET", "/x")
    assert refusal.value.wait == 90


@pytest.mark.parametrize(
    "asked", ["999999999999", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"], ids=["long", "endless", "last_of_dates"]
)
def test_a_retry_after_is_limited_to_a_day(echo: Echo, api: JsonClient, asked: str) -> None:
    # a time that no date can represent could be stored and never be read again
    fault(echo, kind="status", status=503, headers={"Retry-After": asked})
    with pytest.raises(TemporaryError) as refusal:
        api.call("GET", "/x")
    assert refusal.value.wait == 86400


@pytest.mark.parametrize("asked", ["²", "-5", "1 Jan 2030 00:00:00 +99999999999999"], ids=["digit", "past", "zone"])
def test_an_unreadable_retry_after_is_ignored(asked: str) -> None:
    url, listener = raw_server([f"HTTP/1.1 503 No\r\nRetry-After: {asked}\r\n\r\n".encode("latin-1")], 0.0)
    with pytest.raises(TemporaryError, match="upstream_error") as refusal:
        JsonClient(url, call_seconds=2.0).call("GET", "/")
    assert refusal.value.wait is None
    listener.close()


def test_a_response_that_is_not_json_is_reported_without_quoting_it(echo: Echo, api: JsonClient) -> None:
    fault(echo, kind="wrong_body", body="<b>their secret</b>")
    with pytest.raises(TemporaryError, match="unexpected_answer") as refusal:
        api.call("GET", "/x").json()
    assert "their secret" not in str(refusal.value)


def test_redirects_are_returned_and_not_followed(api: JsonClient) -> None:
    assert api.call("GET", "/moved").status == 307


def test_chosen_statuses_are_returned_to_the_client(echo: Echo, api: JsonClient) -> None:
    fault(echo, kind="status", status=500)
    assert api.call("POST", "/x", hand_back=(500,)).status == 500


def test_requests_carry_request_id_and_token_and_ignore_the_environments_proxy(
    api: JsonClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
    with bound_contextvars(request_id="request-7"):
        headers = api.call("GET", "/x").json()["headers"]
    headers = {name.lower(): value for name, value in headers.items()}
    assert headers["x-request-id"] == "request-7"
    assert headers["authorization"] == "Bearer a-secret"


def test_connections_are_used_again(api: JsonClient) -> None:
    assert len({api.call("POST", "/x", json={}).json()["peer"] for _ in range(5)}) == 1


def test_the_token_is_in_no_exception_text(echo: Echo, api: JsonClient) -> None:
    fault(echo, kind="reset")
    with pytest.raises(TemporaryError) as refusal:
        api.call("POST", "/x")
    assert "a-secret" not in f"{refusal.value!r}{refusal.getrepr(style='long')}".replace(
        "BearerToken('a-secret')", ""
    ).replace('BearerToken("a-secret")', "")


def test_a_private_authority_is_refused_unless_the_settings_name_it(tmp_path: Path) -> None:
    cert_file, key_file = certificate(tmp_path, "localhost")
    with tls_host(cert_file, key_file, b"{}") as host:
        origin = f"https://localhost:{host.port}"
        with pytest.raises(PermanentError, match="tls"):
            JsonClient(origin).call("GET", "/")
        assert JsonClient(origin, ca_file=str(cert_file)).call("GET", "/").json() == {}


@pytest.mark.parametrize("answer", [b"", bytes([21, 3, 3, 0, 2, 2, 80])], ids=["cut", "internal_error"])
def test_a_broken_tls_handshake_is_not_reported_as_a_bad_certificate(answer: bytes) -> None:
    url, listener = raw_server([answer], 0.0)
    with pytest.raises(TemporaryError, match="unreachable"):
        JsonClient(url.replace("http:", "https:"), call_seconds=2.0).call("GET", "/")
    listener.close()
