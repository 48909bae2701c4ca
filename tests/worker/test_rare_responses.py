"""Responses that are legal but rare, or that no product should give: interim ones, a proxy's page, odd JSON."""

from __future__ import annotations

import pytest

from shared.integrations.outcomes import TemporaryError
from tests.worker.test_json_api import raw_server
from worker.http.json_client import JsonClient
from worker.http.response import ApiResponse

FINAL = b'HTTP/1.1 201 Created\r\nContent-Length: 8\r\n\r\n{"a": 1}'
EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize(
    "script",
    [
        [EARLY_HINTS, FINAL],
        [EARLY_HINTS + FINAL],
        [PROCESSING, PROCESSING, FINAL],
        [CONTINUE, EARLY_HINTS, CONTINUE, PROCESSING + FINAL],
    ],
)
def test_interim_responses_are_skipped(script: list[bytes]) -> None:
    url, listener = raw_server(script, 0.01)
    with listener:
        answer = JsonClient(url, call_seconds=2.0).call("POST", "/")
    assert (answer.status, answer.json()) == (201, {"a": 1})


def test_a_server_that_gives_interim_responses_only_is_unreachable() -> None:
    url, listener = raw_server([PROCESSING * 50], 0.01)
    with listener, pytest.raises(TemporaryError, match="unreachable"):
        JsonClient(url, call_seconds=2.0).call("POST", "/")


def test_a_proxys_own_404_is_temporary_even_where_absence_would_be_an_answer() -> None:
    page = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 19\r\n\r\n404 page not found\n"
    url, listener = raw_server([page], 0.0)
    with listener, pytest.raises(TemporaryError, match="upstream_error"):
        JsonClient(url, call_seconds=2.0).call("GET", "/", hand_back=(404,))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000, b'{"id": "\\ud800"}', b"NaN,"],
    ids=["empty", "cut", "not-utf-8", "deep-list", "deep-object", "lone-surrogate", "two"],
)
def test_an_unreadable_body_is_an_unexpected_response_and_not_a_bug(content: bytes) -> None:
    with pytest.raises(TemporaryError, match="unexpected_answer"):
        ApiResponse(200, {}, content).json()
