"""Clients that hold connections, bodies, streams and waits of a served API: everybody else is answered meanwhile."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest
import requests

from sandbox.simulators.authentik.server import AuthentikStandIn
from tests.api.conftest import ADMINS, Client, Issuer
from tests.path.conftest import Platform
from tools.bench.attacks import ATTACKS, Target, held, trickling, waiters

#: how long anybody may wait for an answer while others attack, in seconds
PATIENCE = 5.0


class Served:
    """An API with an operation that does not end, and a caller who is let in."""

    def __init__(self, platform: Platform, issuer: Issuer) -> None:
        self.client_url = platform.start_api()
        platform.until_ready(self.client_url)
        self.client = Client(self.client_url, issuer.token("admin"))
        assert self.client("GET", "/users/me").status_code == 200
        self._numbers = itertools.count()
        running = self.create().headers["Operation-Location"]
        self.target = Target(self.client_url, {"Authorization": f"Bearer {issuer.token('admin')}"}, running)

    def create(self) -> requests.Response:
        slug = f"tenant{next(self._numbers)}"
        return self.client("POST", "/tenants", json={"slug": slug, "name": "T"})

    def longest_wait(self, seconds: float = 3) -> float:
        """The longest that somebody who calls meanwhile waits for an answer, each as it should be."""
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
def served(make_platform: Callable[..., Platform], redis_url: str, authentik: AuthentikStandIn) -> Served:
    issuer = Issuer(authentik)
    issuer.person("admin", ADMINS)
    url = issuer.url()
    platform = make_platform(redis_url, OIDC_ISSUERS=f"{url}={url}jwks/", OIDC_AUDIENCES="operator=operator")
    return Served(platform, issuer)


@pytest.mark.parametrize("name", ATTACKS)
def test_others_are_answered_in_time_during_an_attack(served: Served, name: str) -> None:
    with held(served.target, ATTACKS[name]):
        assert served.longest_wait() < PATIENCE


def test_others_are_answered_in_time_while_bodies_trickle(served: Served) -> None:
    with trickling(served.target):
        assert served.longest_wait() < PATIENCE


def test_others_are_answered_in_time_while_a_hundred_want_to_wait_and_two_of_one_caller_do(served: Served) -> None:
    began = time.monotonic()
    with waiters(served.target, 8) as statuses:
        assert served.longest_wait() < PATIENCE
        # all but two are answered at once, as if their time were up
        assert statuses == [200] * 98
    assert (statuses, time.monotonic() - began > 8) == ([200] * 100, True)


def test_others_are_answered_in_time_during_all_attacks_at_once(served: Served) -> None:
    with ExitStack() as stack:
        for attack in ATTACKS.values():
            stack.enter_context(held(served.target, attack))
        stack.enter_context(trickling(served.target))
        stack.enter_context(waiters(served.target, 10))
        assert served.longest_wait() < PATIENCE
