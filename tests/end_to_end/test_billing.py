"""Billing through real workers and schedulers: one of each object whichever process dies, and a backfill."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from sandbox.processes import end
from sandbox.simulators.stripe.server import StripeSimulator
from tests.end_to_end.conftest import Platform
from tests.simulators import fault

KEY = "sk_test_of_the_path"


@pytest.fixture
def stripe_server() -> Iterator[StripeSimulator]:
    simulator = StripeSimulator(api_key=KEY, prices=["price_starter"])
    with simulator.running():
        yield simulator


@pytest.fixture
def billed(make_platform: Callable[..., Platform], redis_url: str, stripe_server: StripeSimulator) -> Platform:
    return make_platform(
        redis_url, STRIPE_API_KEY=KEY, STRIPE_API_URL=stripe_server.url, STRIPE_PRICES="starter=price_starter"
    )


def counts(server: StripeSimulator) -> tuple[int, int]:
    return len(server.objects.customers), len(server.objects.subscriptions)


def until(platform: Platform, done: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, platform.logs()[-6000:]
        time.sleep(0.05)


@pytest.mark.parametrize("path", ["/v1/customers", "/v1/subscriptions"])
def test_a_worker_killed_during_a_call_to_stripe_leaves_one_object_of_each_kind(
    billed: Platform, stripe_server: StripeSimulator, path: str
) -> None:
    fault(stripe_server, kind="slow", delay=1.5, method="POST", path=path, count=1)
    worker = billed.start_worker()
    billed.start_scheduler()
    billed.create("acme")
    until(billed, lambda: any(one["method"] == "POST" and one["path"] == path for one in stripe_server.journal))
    worker.kill()
    end(worker, 5)
    billed.start_worker()
    tenant = billed.settled("acme").tenant
    assert (tenant.status, tenant.provisioning_status["billing"]) == ("active", "ok")
    assert counts(stripe_server) == (1, 1)


def test_tenants_from_before_billing_get_it_once_it_is_configured(
    platform: Platform, make_platform: Callable[..., Platform], redis_url: str, stripe_server: StripeSimulator
) -> None:
    worker = platform.start_worker()
    platform.create("acme")
    platform.create("globex")
    for slug in ("acme", "globex"):
        assert set(platform.settled(slug).tenant.provisioning_status) == {"authentik", "stalwart", "ocis"}
    end(worker, 10)
    billed = make_platform(
        redis_url,
        STRIPE_API_KEY=KEY,
        STRIPE_API_URL=stripe_server.url,
        STRIPE_PRICES="starter=price_starter",
        BACKFILL_PER_MINUTE="600",
    )
    billed.start_worker()
    billed.start_scheduler()
    slugs = ("acme", "globex")
    until(billed, lambda: all(billed.tenant(s).tenant.provisioning_status.get("billing") == "ok" for s in slugs))
    assert counts(stripe_server) == (2, 2)
