"""The client for Stripe touches nothing without our marker."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

from sandbox.simulators.stripe.server import StripeSimulator
from shared.integrations.outcomes import NotFound, PermanentError, TemporaryError
from shared.subscriptions.model import SubscriptionStatus
from shared.tenants.model import Address, BillingInfo
from tests.billing.stripe_control import control, subscribe
from tests.simulators import OTHER_ID, TENANT_ID
from worker.integrations.stripe.client import StripeClient

BILLING = BillingInfo("Acme Container", "DE1", "bills@acme.test", Address("Street 1", "", "Berlin", "10115", "DE"))


# -- customers


def test_a_customer_is_found_at_once_though_search_lags(stripe: StripeClient) -> None:
    assert stripe.find_customer(TENANT_ID) is None
    made = stripe.create_customer(TENANT_ID, key="one")
    assert stripe.find_customer(TENANT_ID) == made
    assert stripe.find_customer(OTHER_ID) is None


def test_a_customer_that_left_the_recent_list_is_found_by_search(server: StripeSimulator, stripe: StripeClient) -> None:
    made = stripe.create_customer(TENANT_ID, key="one")
    server.objects.customers[made.id]["created"] -= 3 * 3600
    assert stripe.find_customer(TENANT_ID) is None
    control(server, "set_search_lag", seconds=0)
    assert stripe.find_customer(TENANT_ID) == made


def test_a_busy_hour_of_other_customers_hides_none(stripe: StripeClient) -> None:
    made = stripe.create_customer(TENANT_ID, key="ours")
    for number in range(105):
        stripe.create_customer(OTHER_ID, key=f"other-{number}")
    assert stripe.find_customer(TENANT_ID) == made
    with pytest.raises(PermanentError, match="ambiguous"):
        stripe.find_customer(OTHER_ID)


def test_the_details_on_its_invoices_follow_the_tenant(server: StripeSimulator, stripe: StripeClient) -> None:
    made = stripe.create_customer(TENANT_ID, key="one")
    assert (made.name, made.email) == ("", "")
    changed = stripe.update_customer(made.id, "Acme GmbH", BILLING)
    assert (changed.name, changed.email, changed.tenant_id) == ("Acme Container", "bills@acme.test", TENANT_ID)
    shown = server.objects.customers[made.id]
    assert shown["address"]["city"] == "Berlin"
    assert shown["address"]["line2"] is None
    assert stripe.update_customer(made.id, "Acme AG", None).name == "Acme AG"


def test_a_deleted_customer_is_missing(server: StripeSimulator, stripe: StripeClient, customer: str) -> None:
    server.objects.delete_customer(customer)
    assert stripe.find_customer(TENANT_ID) is None
    with pytest.raises(NotFound):
        stripe.get_customer(customer)
    with pytest.raises(NotFound):
        stripe.update_customer(customer, "Acme", None)


# -- subscriptions


@pytest.mark.parametrize(
    ("options", "card", "expected"),
    [
        ({"days_until_due": 30}, False, "active"),
        ({"trial_days": 14}, False, "trialing"),
        ({"days_until_due": None}, False, "past_due"),
        ({"days_until_due": None}, True, "active"),
    ],
)
def test_a_subscription_starts_as_its_payment_allows(
    server: StripeSimulator, stripe: StripeClient, customer: str, options: dict[str, Any], card: bool, expected: str
) -> None:
    if card:
        server.objects.with_card.add(customer)
    made = subscribe(stripe, customer, **options)
    assert (made.status, made.price_id, made.customer_id) == (expected, "price_starter", customer)
    assert made.period_ends_at is not None
    assert made.period_ends_at.timestamp() > time.time() + 13 * 86400
    assert stripe.find_subscription(customer, TENANT_ID) == made == stripe.get_subscription(made.id)
    assert stripe.find_subscription(customer, OTHER_ID) is None


def test_another_plan_changes_the_price_of_the_same_subscription(stripe: StripeClient, customer: str) -> None:
    made = subscribe(stripe, customer)
    changed = stripe.change_price(made, "price_business", key="change")
    assert (changed.id, changed.item_id, changed.price_id) == (made.id, made.item_id, "price_business")


def test_a_cancellation_at_the_periods_end_can_be_undone(stripe: StripeClient, customer: str) -> None:
    made = subscribe(stripe, customer)
    ending = stripe.end_with_period(made.id)
    assert (ending.ends_with_period, ending.ends_at) == (True, made.period_ends_at)
    assert not stripe.let_go_on(ending).will_end


def test_a_date_for_the_end_is_read_and_can_be_undone(
    server: StripeSimulator, stripe: StripeClient, customer: str
) -> None:
    made = subscribe(stripe, customer)
    assert made.period_ends_at is not None
    for days, is_by_period in ((-1, True), (0, True), (1, False)):
        date = made.period_ends_at + timedelta(days=days)
        server.objects.update_subscription(made.id, {"cancel_at": str(int(date.timestamp()))})
        ending = stripe.get_subscription(made.id)
        assert (ending.will_end, ending.ends_by_period) == (True, is_by_period)
        assert (ending.ends_with_period, ending.ends_at) == (False, date)
    assert not stripe.let_go_on(ending).will_end


def test_cancelling_ends_it_and_may_be_repeated(stripe: StripeClient, customer: str) -> None:
    made = subscribe(stripe, customer)
    assert stripe.cancel(made.id).status is SubscriptionStatus.CANCELED
    assert stripe.cancel(made.id).status is SubscriptionStatus.CANCELED
    assert stripe.find_subscription(customer, TENANT_ID) is None
    assert subscribe(stripe, customer, key="second").id != made.id


def test_two_live_subscriptions_of_one_tenant_are_ambiguous(stripe: StripeClient, customer: str) -> None:
    subscribe(stripe, customer, key="one")
    subscribe(stripe, customer, key="two")
    with pytest.raises(PermanentError, match="ambiguous"):
        stripe.find_subscription(customer, TENANT_ID)


def test_an_unknown_price_or_customer_is_refused_and_an_unknown_subscription_is_missing(
    stripe: StripeClient, customer: str
) -> None:
    with pytest.raises(PermanentError, match="invalid"):
        stripe.create_subscription(customer, TENANT_ID, "price_none", key="one", days_until_due=1)
    with pytest.raises(PermanentError, match="invalid"):
        subscribe(stripe, "cus_none")
    with pytest.raises(NotFound):
        stripe.cancel("sub_none")


@pytest.mark.parametrize("status", ["unpaid", "paused", "incomplete_expired", "canceled"])
def test_a_subscriptions_changes_over_time_are_recorded(
    server: StripeSimulator, stripe: StripeClient, customer: str, status: str
) -> None:
    made = subscribe(stripe, customer)
    control(server, "set_status", subscription=made.id, status=status)
    expected = SubscriptionStatus.PAST_DUE if status in ("unpaid", "paused") else SubscriptionStatus.CANCELED
    assert stripe.get_subscription(made.id).status is expected


def test_an_unknown_status_is_not_guessed(server: StripeSimulator, stripe: StripeClient, customer: str) -> None:
    made = subscribe(stripe, customer)
    control(server, "set_status", subscription=made.id, status="enchanted")
    with pytest.raises(TemporaryError, match="unexpected_answer"):
        stripe.get_subscription(made.id)
