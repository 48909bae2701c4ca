"""Fixtures: a Stripe stand-in with two prices, a client of it, a customer there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.stand_ins.stripe.server import StripeStandIn
from tests.billing.asking import KEY
from tests.stand_ins import TENANT_ID
from worker.integrations.stripe_billing import StripeBilling, connect


@pytest.fixture
def server() -> Iterator[StripeStandIn]:
    stand_in = StripeStandIn(api_key=KEY, prices=["price_starter", "price_business"])
    with stand_in.running():
        yield stand_in


@pytest.fixture
def stripe(server: StripeStandIn) -> StripeBilling:
    return connect(KEY, url=f"{server.url}/", call_seconds=3.0)


@pytest.fixture
def customer(stripe: StripeBilling) -> str:
    return stripe.create_customer(TENANT_ID, key="customer").id
