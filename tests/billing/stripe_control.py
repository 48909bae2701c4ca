"""Shared parts of the billing tests: the key, subscribing, and control of the simulator."""

from __future__ import annotations

from typing import Any

import requests

from sandbox.simulators.stripe.server import StripeSimulator
from tests.simulators import TENANT_ID
from worker.integrations.stripe.client import StripeClient
from worker.integrations.stripe.models import BilledSubscription

KEY = "sk_test_that_must_never_be_logged"
SECRET = "whsec_of_the_tests_endpoint"


def subscribe(stripe: StripeClient, customer: str, key: str = "first", **options: Any) -> BilledSubscription:
    options = {"days_until_due": 30, **options}
    return stripe.create_subscription(customer, TENANT_ID, "price_starter", key=key, **options)


def control(server: StripeSimulator, name: str, **arguments: Any) -> Any:
    answer = requests.post(f"{server.url}/__sim/call/{name}", json=arguments, timeout=5)
    assert answer.status_code == 200, answer.text
    return answer.json()
