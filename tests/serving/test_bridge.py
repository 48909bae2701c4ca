"""The bridge between the server and the application, over real sockets."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.serving.conftest import Wire, rest_of, start

TOKEN = b"Authorization: Bearer x\r\n"


def post(headers: bytes, body: bytes = b"", path: bytes = b"/tenants") -> bytes:
    return b"POST " + path + b" HTTP/1.1\r\nHost: api\r\nConnection: close\r\n" + headers + b"\r\n" + body


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def json_of(answer: bytes) -> Any:
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def test_a_chunked_body_and_one_with_a_length_reach_the_application_whole(wire: Wire) -> None:
    chunked = wire.ask(post(TOKEN + b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"))
    counted = wire.ask(post(TOKEN + b"Content-Length: 5\r\n", b"abcde"))
    assert [json_of(answer)["body"] for answer in (chunked, counted)] == ["abcde", "abcde"]


def test_a_header_with_an_underscore_cannot_pass_for_another(wire: Wire) -> None:
    given = wire.ask(post(TOKEN + b"X_Request_Id: forged\r\nX-Twice: 1\r\nX-Twice: 2\r\nContent-Length: 0\r\n"))
    headers = json_of(given)["headers"]
    assert headers["X-Twice"] == "1,2"
    assert "forged" not in json.dumps(headers)


def test_a_path_is_decoded_once_and_may_contain_any_bytes(wire: Wire) -> None:
    answer = wire.ask(b"GET /a%252Fb/%C3%BC HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n")
    assert json_of(answer)["path"] == "/a%2Fb/ü"


def test_head_has_the_headers_of_get_and_no_body(wire: Wire) -> None:
    answer = wire.ask(b"HEAD /anything HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert (status_of(answer), body) == (200, b"")
    assert b"content-length: " in head.lower()


def test_a_client_that_expects_100_continue_gets_it(wire: Wire) -> None:
    with wire.open(post(TOKEN + b"Content-Length: 2\r\nExpect: 100-continue\r\n")) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"ok")
        assert json_of(rest_of(connection))["body"] == "ok"


def test_a_client_that_asks_first_is_refused_by_its_headers_without_sending_its_body(wire: Wire) -> None:
    with wire.open(post(b"Content-Length: 60000\r\nExpect: 100-continue\r\n")) as connection:
        began = time.monotonic()
        assert rest_of(connection).startswith(b"HTTP/1.1 200 ")  # the echo refuses nothing; it got no body
        assert time.monotonic() - began < 3


def test_a_request_with_two_lengths_smuggles_no_other_and_one_that_is_no_http_is_refused(wire: Wire) -> None:
    """RFC 9112, 6.3: the chunks count, and the connection is closed after the answer."""
    smuggled = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: api\r\n\r\n"
    both = b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"
    answer = wire.ask(post(TOKEN + both, smuggled).replace(b"Connection: close\r\n", b""))
    assert (answer.count(b"HTTP/1.1 "), b"/smuggled" in answer) == (1, False)
    for headers in (b"Content-Length: 5\r\nContent-Length: 6\r\n", both, b"Transfer-Encoding: gzip\r\n"):
        assert status_of(wire.ask(post(TOKEN + headers, b"hello"))) == 400


@pytest.mark.parametrize("headers", [TOKEN, b""])
def test_a_body_that_stalls_is_refused_in_time_and_its_connection_closed(wire: Wire, headers: bytes) -> None:
    """Without a token the application refuses the request at once, before its body."""
    request = post(headers + b"Content-Length: 100\r\n", b"only this").replace(b"Connection: close\r\n", b"")
    began = time.monotonic()
    with wire.open(request) as connection:
        answer = connection.recv(65536)
    took = time.monotonic() - began
    if headers:
        assert (status_of(answer), json_of(answer)["code"], json_of(answer)["retryable"]) == (
            408,
            "request_timeout",
            True,
        )
        assert 4 < took < 8
    else:
        assert (status_of(answer), took < 3) == (200, True)


def test_a_body_that_trickles_is_refused_in_time(wire: Wire) -> None:
    with wire.open(post(TOKEN + b"Content-Length: 1000\r\n")) as connection:
        began = time.monotonic()
        connection.settimeout(0.2)
        answer = b""
        while not answer:
            assert time.monotonic() - began < 10
            connection.sendall(b"x")
            try:
                answer = connection.recv(65536)
            except TimeoutError:
                continue
    assert status_of(answer) == 408


@pytest.mark.parametrize("size", [70_000, 300_000])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_that_is_too_long_reaches_the_application_cut_short(wire: Wire, size: int, chunked: bool) -> None:
    data: Any = (b"x" * 10_000 for _ in range(size // 10_000)) if chunked else b"x" * size
    url = f"http://127.0.0.1:{wire.port}/tenants"
    answer = requests.post(url, data=data, headers={"Authorization": "Bearer x"}, timeout=20)
    # the application sees one byte more than is allowed, or the length that the headers tell
    assert answer.status_code == 200
    assert len(answer.json()["body"]) == (64 * 1024 + 1 if chunked else 0)


def test_only_stripes_events_may_be_longer_and_only_with_a_signature(wire: Wire) -> None:
    url, body = f"http://127.0.0.1:{wire.port}/stripe/events", b"x" * 200_000
    signed = requests.post(url, data=body, headers={"Stripe-Signature": "t=1"}, timeout=20)
    anonymous = requests.post(url, data=body, headers={"Authorization": "Bearer x"}, timeout=20)
    assert [len(answer.json()["body"]) for answer in (signed, anonymous)] == [200_000, 0]


def test_a_streamed_response_arrives_complete_and_a_broken_one_is_detected(wire: Wire) -> None:
    url = f"http://127.0.0.1:{wire.port}"
    answer = requests.get(f"{url}/stream?pieces=50", timeout=20)
    assert answer.text == "".join(f"{number}," * 10_000 for number in range(50))
    with pytest.raises(requests.exceptions.RequestException):
        requests.get(f"{url}/broken-stream", timeout=20)


def test_liveness_answers_while_all_threads_are_busy_and_a_full_queue_refuses_requests(wire: Wire) -> None:
    url = f"http://127.0.0.1:{wire.port}"
    with ThreadPoolExecutor(600) as pool:
        slow = [pool.submit(requests.get, f"{url}/slow?seconds=0.01", timeout=60) for _ in range(600)]
        blocking = [pool.submit(requests.get, f"{url}/slow?seconds=1.5", timeout=60) for _ in range(4)]
        time.sleep(0.3)
        began = time.monotonic()
        assert requests.get(f"{url}/health/live", timeout=20).status_code == 200
        assert time.monotonic() - began < 5
        answers = [one.result() for one in (*slow, *blocking)]
    refused = [answer for answer in answers if answer.status_code == 503]
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert all(answer.json()["code"] == "overloaded" and answer.headers["Retry-After"] == "1" for answer in refused)


def test_a_request_under_way_is_answered_before_a_stop(tmp_path: Path) -> None:
    wire, process = start(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(requests.get, f"http://127.0.0.1:{wire.port}/slow?seconds=2", timeout=20)
        time.sleep(0.7)
        process.terminate()
        assert slow.result().text == "done"
    assert process.wait(20) == 0


def test_a_main_process_that_is_killed_leaves_no_worker_behind(tmp_path: Path) -> None:
    wire, process = start(tmp_path)
    process.kill()
    process.wait(10)
    deadline = time.monotonic() + 15
    while True:
        try:
            wire.open(timeout=1).close()
        except OSError:
            return
        assert time.monotonic() < deadline, "a worker still accepts connections"
        time.sleep(0.1)
