"""Rate limits per caller and per address, with Redis running, hung and down."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from shared.application.store import Repositories
from shared.config.settings import Settings
from tests.api.conftest import Client, Issuer, Serve


@pytest.fixture
def limited(api_settings: Settings) -> Settings:
    few = {"caller_requests_per_minute": 20, "address_requests_per_minute": 5}
    return api_settings.model_copy(update=few)


@pytest.fixture
def at_minutes_start() -> None:
    """Wait for the start of a window: a test must not cross its end."""
    if time.time() % 60 > 45:
        time.sleep(60 - time.time() % 60 + 0.05)


@pytest.fixture
def hung_redis() -> Iterator[str]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def is_limited(answer: requests.Response) -> bool:
    if answer.status_code != 429:
        return False
    problem = answer.json()
    assert (problem["code"], problem["retryable"], problem["status"]) == ("too_many_requests", True, 429)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert answer.headers["X-Request-Id"] == problem["requestId"]
    return True


def test_a_caller_over_its_rate_limit_gets_a_retry_after_and_others_do_not(
    limited: Settings, serve: Serve, store: Repositories, issuer: Issuer, at_minutes_start: None
) -> None:
    url = serve(limited)
    often, other = Client(url, issuer.token("admin")), Client(url, issuer.token("stranger"))
    answers = [often("GET", "/users/me") for _ in range(25)]
    assert [is_limited(answer) for answer in answers] == [False] * 20 + [True] * 5
    assert other("GET", "/users/me").status_code == 200
    # probes are never refused
    assert often("GET", "/health/ready").status_code == 200


def test_all_processes_share_the_rate_limit_and_a_write_counts_as_five(
    limited: Settings, serve: Serve, store: Repositories, issuer: Issuer, at_minutes_start: None
) -> None:
    clients = [Client(serve(limited), issuer.token("admin")) for _ in range(2)]
    clients[0]("GET", "/users/me")
    bodies = [{"slug": f"tenant{number}", "name": "T"} for number in range(4)]
    answers = [clients[n % 2]("POST", "/tenants", json=body) for n, body in enumerate(bodies)]
    assert [answer.status_code for answer in answers] == [201, 201, 201, 429]
    assert is_limited(answers[-1])


def test_an_address_without_a_valid_token_is_limited_and_callers_behind_it_are_not(
    limited: Settings, serve: Serve, store: Repositories, issuer: Issuer, at_minutes_start: None
) -> None:
    url = serve(limited)
    guessing = Client(url, "not-a-token")
    answers = [guessing("GET", "/tenants") for _ in range(8)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 3
    assert is_limited(answers[-1])
    assert is_limited(Client(url, None)("GET", "/nothing"))
    assert is_limited(Client(url, None)("GET", "/openapi.json"))
    assert Client(url, issuer.token("admin"))("GET", "/users/me").status_code == 200


@pytest.mark.parametrize(("proxies", "told_apart"), [(0, False), (1, True)])
def test_a_forwarded_address_counts_only_from_a_configured_proxy(
    limited: Settings, serve: Serve, store: Repositories, at_minutes_start: None, proxies: int, told_apart: bool
) -> None:
    client = Client(serve(limited.model_copy(update={"trusted_proxies": proxies})), None)
    # a client may send the header too: only the last address, added by the proxy, counts
    addresses = [f"192.0.2.{number}, 198.51.100.{number}" for number in range(8)]
    answers = [client("GET", "/tenants", headers={"X-Forwarded-For": one}) for one in addresses]
    assert [is_limited(answer) for answer in answers] == [not told_apart and number >= 5 for number in range(8)]


def test_addresses_of_one_ipv6_network_count_together(
    limited: Settings, serve: Serve, store: Repositories, at_minutes_start: None
) -> None:
    client = Client(serve(limited.model_copy(update={"trusted_proxies": 1})), None)
    answers = [client("GET", "/tenants", headers={"X-Forwarded-For": f"2001:db8::{one}"}) for one in range(8)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 3


def test_without_redis_each_process_limits_by_itself_and_no_request_waits_long(
    make_settings: Callable[..., Settings],
    limited: Settings,
    serve: Serve,
    store: Repositories,
    issuer: Issuer,
    hung_redis: str,
    at_minutes_start: None,
) -> None:
    """Redis hung, refused, or a Sentinel without master: requests continue after one short delay."""
    for redis_url, master in (
        (hung_redis, None),
        ("redis://127.0.0.1:1/0", None),
        (hung_redis.replace("redis://", "sentinel://").removesuffix("/0"), "platform"),
    ):
        given = limited.model_dump() | {"redis_url": redis_url, "redis_sentinel_master": master}
        client = Client(serve(make_settings(**given)), issuer.token("admin"))
        began = time.monotonic()
        answers = [client("GET", "/users/me") for _ in range(25)]
        assert [is_limited(answer) for answer in answers] == [False] * 20 + [True] * 5
        assert time.monotonic() - began < 5


def test_many_concurrent_requests_are_answered_in_time_while_redis_hangs(
    make_settings: Callable[..., Settings],
    api_settings: Settings,
    serve: Serve,
    store: Repositories,
    issuer: Issuer,
    hung_redis: str,
) -> None:
    settings = make_settings(**(api_settings.model_dump() | {"redis_url": hung_redis}))
    client = Client(serve(settings), issuer.token("admin"))
    assert client("GET", "/users/me").status_code == 200
    with ThreadPoolExecutor(16) as pool:
        began = time.monotonic()
        answers = list(pool.map(lambda _: client("GET", "/tenants"), range(64)))
        took = time.monotonic() - began
    assert {answer.status_code for answer in answers} == {200}
    assert took < 10
