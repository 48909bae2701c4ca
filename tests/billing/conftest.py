"""Fixtures: a Stripe simulator with two prices, a client of it, a customer there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from sandbox.simulators.stripe.server import StripeSimulator
from shared.application.services import open_services
from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.operations.dispatcher import Dispatcher
from shared.rights.policy import Actor, Caller
from tests.billing.stripe_control import KEY, SECRET
from tests.billing.tenancy import Tenancy
from tests.records import EVERY_SURFACE
from tests.simulators import TENANT_ID
from worker.composition import open_runner
from worker.execution.runner import Runner
from worker.integrations.registry import STEPS
from worker.integrations.stripe.client import StripeClient, connect


@pytest.fixture
def server() -> Iterator[StripeSimulator]:
    simulator = StripeSimulator(api_key=KEY, prices=["price_starter", "price_business"])
    with simulator.running():
        yield simulator


@pytest.fixture
def stripe(server: StripeSimulator) -> StripeClient:
    return connect(KEY, url=f"{server.url}/", call_seconds=3.0)


@pytest.fixture
def customer(stripe: StripeClient) -> str:
    return stripe.create_customer(TENANT_ID, key="customer").id


@pytest.fixture
def billing_settings(make_settings: Callable[..., Settings], server: StripeSimulator) -> Settings:
    return make_settings(
        stripe_api_key=KEY,
        stripe_api_url=server.url,
        stripe_prices="starter=price_starter,business=price_business",
        stripe_webhook_secrets=SECRET,
        retry_base_seconds=0.001,
        retry_cap_seconds=0.001,
        call_seconds=3.0,
    )


@pytest.fixture
def tenancy(
    billing_settings: Settings,
    make_store: Callable[[Settings], Repositories],
    dispatcher: Dispatcher,
    server: StripeSimulator,
    stripe: StripeClient,
) -> Tenancy:
    opened = make_store(billing_settings)
    services = open_services(opened, dispatcher, billing_settings)
    caller = Caller("subject-admin", "admin@platform.test", "Admin", ("dezky-platform-admins",), EVERY_SURFACE)
    admin = Actor(services.sign_in.record(caller, "request-1"), EVERY_SURFACE)

    def make(clients: Mapping[str, Any]) -> Runner:
        return open_runner(opened, dispatcher, STEPS, clients, billing_settings)

    return Tenancy(opened, services, admin, billing_settings, server, stripe, make)
