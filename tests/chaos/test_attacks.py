"""Check that other clients are answered in time while attackers hold connections, requests, streams and waits."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import requests

from sandbox.simulators.authentik.server import AuthentikSimulator
from tests.api.conftest import ADMINS, Client, Issuer
from tests.end_to_end.conftest import Platform
from tests.waiting import until
from tools.bench.load.attacks import ATTACKS, Target, held, wait

#: limit for a response while others attack, in seconds
WAIT_SECONDS = 5.0


class Served:
    """A served API with an operation that does not end, and an authenticated caller."""

    def __init__(self, platform: Platform, issuer: Issuer) -> None:
        self.client_url = platform.start_api()
        platform.until_ready(self.client_url)
        self.client = Client(self.client_url, issuer.token("admin"))
        # until the API has fetched the issuer's keys
        until(lambda: self.client("GET", "/users/me").status_code == 200)
        self._numbers = itertools.count()
        running = self.create().headers["Operation-Location"]
        self.target = Target(self.client_url, {"Authorization": f"Bearer {issuer.token('admin')}"}, running)

    def create(self) -> requests.Response:
        slug = f"tenant{next(self._numbers)}"
        return self.client("POST", "/tenants", json={"slug": slug, "name": "T"})

    def longest_wait(self, seconds: float = 3) -> float:
        """Return the longest response time of another client, whose requests must all succeed."""
        longest, end = 0.0, time.monotonic() + seconds
        while time.monotonic() < end:
            for ask, expected in (
                (lambda: self.client("GET", "/health/live"), 200),
                (lambda: self.client("GET", "/tenants/tenant0"), 200),
                (self.create, 201),
            ):
                began = time.monotonic()
                answer = ask()
                longest = max(longest, time.monotonic() - began)
                assert answer.status_code == expected, answer.text
            time.sleep(0.05)
        return longest


@pytest.fixture
def served(make_platform: Callable[..., Platform], redis_url: str, authentik: AuthentikSimulator) -> Served:
    issuer = Issuer(authentik)
    issuer.person("admin", ADMINS)
    url = issuer.url()
    platform = make_platform(redis_url, OIDC_ISSUERS=f"{url}={url}jwks/", OIDC_AUDIENCES="operator=operator")
    return Served(platform, issuer)


@pytest.mark.timeout(400)
def test_others_are_answered_in_time_during_each_attack_and_during_all_at_once(served: Served) -> None:
    longest = {}
    for name, attack in ATTACKS.items():
        with held(served.target, attack):
            longest[name] = served.longest_wait()
    with ExitStack() as stack:
        for attack in ATTACKS.values():
            stack.enter_context(held(served.target, attack))
        longest["all at once"] = served.longest_wait()
    assert max(longest.values()) < WAIT_SECONDS, longest


def test_two_of_a_hundred_waiting_requests_of_one_caller_wait(served: Served) -> None:
    with ThreadPoolExecutor(100) as pool:
        began = time.monotonic()
        waiting = [pool.submit(wait, served.target, 8) for _ in range(100)]
        assert served.longest_wait() < WAIT_SECONDS
        # the others are answered at once, as if their time were up
        assert sum(one.done() for one in waiting) == 98
        assert [one.result() for one in waiting] == [200] * 100
        assert 8 <= time.monotonic() - began < 12
