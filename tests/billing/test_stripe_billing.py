"""The client for Stripe: nothing is made twice, nothing of a stranger's is touched, and every fault has a meaning."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from structlog.contextvars import bound_contextvars

from sandbox.stand_ins.stripe.server import StripeStandIn
from shared.domain.billing import SubscriptionStatus
from shared.domain.faults import Fault, Missing, Refused, Unavailable
from shared.domain.tenant import Address, BillingInfo
from tests.stand_ins import OTHER_ID, TENANT_ID, fault, writes
from worker.integrations.stripe_billing import BilledSubscription, StripeBilling, connect

KEY = "sk_test_that_must_never_be_logged"
BILLING = BillingInfo("Acme Holding", "DE1", "bills@acme.test", Address("Street 1", "", "Berlin", "10115", "DE"))
CALLS: dict[str, Callable[[StripeBilling], Any]] = {
    "find": lambda stripe: stripe.find_customer(TENANT_ID),
    "get": lambda stripe: stripe.get_subscription("sub_none"),
    "create": lambda stripe: stripe.create_customer(TENANT_ID, key="one"),
    "cancel": lambda stripe: stripe.cancel("sub_none"),
}


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


def subscribe(stripe: StripeBilling, customer: str, key: str = "first", **options: Any) -> BilledSubscription:
    options = {"days_until_due": 30, **options}
    return stripe.create_subscription(customer, TENANT_ID, "price_starter", key=key, **options)


def control(server: StripeStandIn, name: str, **arguments: Any) -> Any:
    answer = requests.post(f"{server.url}/__sim/call/{name}", json=arguments, timeout=5)
    assert answer.status_code == 200, answer.text
    return answer.json()


# -- customers


def test_a_customer_is_found_at_once_though_search_lags(stripe: StripeBilling) -> None:
    assert stripe.find_customer(TENANT_ID) is None
    made = stripe.create_customer(TENANT_ID, key="one")
    assert stripe.find_customer(TENANT_ID) == made
    assert stripe.find_customer(OTHER_ID) is None


def test_a_customer_that_left_the_recent_list_is_found_by_search(server: StripeStandIn, stripe: StripeBilling) -> None:
    made = stripe.create_customer(TENANT_ID, key="one")
    server.objects.customers[made.id]["created"] -= 3 * 3600
    assert stripe.find_customer(TENANT_ID) is None
    control(server, "set_search_lag", seconds=0)
    assert stripe.find_customer(TENANT_ID) == made


def test_a_busy_hour_of_other_customers_hides_none(stripe: StripeBilling) -> None:
    made = stripe.create_customer(TENANT_ID, key="ours")
    for number in range(105):
        stripe.create_customer(OTHER_ID, key=f"other-{number}")
    assert stripe.find_customer(TENANT_ID) == made
    with pytest.raises(Refused, match="ambiguous"):
        stripe.find_customer(OTHER_ID)


def test_the_details_on_its_invoices_follow_the_tenant(server: StripeStandIn, stripe: StripeBilling) -> None:
    made = stripe.create_customer(TENANT_ID, key="one")
    assert (made.name, made.email) == ("", "")
    changed = stripe.update_customer(made.id, "Acme GmbH", BILLING)
    assert (changed.name, changed.email, changed.tenant_id) == ("Acme Holding", "bills@acme.test", TENANT_ID)
    shown = server.objects.customers[made.id]
    assert shown["address"]["city"] == "Berlin"
    assert shown["address"]["line2"] is None
    assert stripe.update_customer(made.id, "Acme AG", None).name == "Acme AG"


def test_a_deleted_customer_is_missing(server: StripeStandIn, stripe: StripeBilling, customer: str) -> None:
    server.objects.delete_customer(customer)
    assert stripe.find_customer(TENANT_ID) is None
    with pytest.raises(Missing):
        stripe.get_customer(customer)
    with pytest.raises(Missing):
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
    server: StripeStandIn, stripe: StripeBilling, customer: str, options: dict[str, Any], card: bool, expected: str
) -> None:
    if card:
        server.objects.with_card.add(customer)
    made = subscribe(stripe, customer, **options)
    assert (made.status, made.price_id, made.customer_id) == (expected, "price_starter", customer)
    assert made.period_ends_at is not None
    assert made.period_ends_at.timestamp() > time.time() + 13 * 86400
    assert stripe.find_subscription(customer, TENANT_ID) == made == stripe.get_subscription(made.id)
    assert stripe.find_subscription(customer, OTHER_ID) is None


def test_another_plan_changes_the_price_of_the_same_subscription(stripe: StripeBilling, customer: str) -> None:
    made = subscribe(stripe, customer)
    changed = stripe.change_price(made, "price_business", key="change")
    assert (changed.id, changed.item_id, changed.price_id) == (made.id, made.item_id, "price_business")


def test_it_can_run_out_and_that_can_be_taken_back(stripe: StripeBilling, customer: str) -> None:
    made = subscribe(stripe, customer)
    assert stripe.end_with_period(made.id, True).ends_with_period
    assert not stripe.end_with_period(made.id, False).ends_with_period


def test_cancelling_ends_it_and_may_be_repeated(stripe: StripeBilling, customer: str) -> None:
    made = subscribe(stripe, customer)
    assert stripe.cancel(made.id).status is SubscriptionStatus.CANCELED
    assert stripe.cancel(made.id).status is SubscriptionStatus.CANCELED
    assert stripe.find_subscription(customer, TENANT_ID) is None
    assert subscribe(stripe, customer, key="second").id != made.id


def test_two_live_subscriptions_of_one_tenant_are_ambiguous(stripe: StripeBilling, customer: str) -> None:
    subscribe(stripe, customer, key="one")
    subscribe(stripe, customer, key="two")
    with pytest.raises(Refused, match="ambiguous"):
        stripe.find_subscription(customer, TENANT_ID)


def test_an_unknown_price_or_customer_is_refused_and_an_unknown_subscription_is_missing(
    stripe: StripeBilling, customer: str
) -> None:
    with pytest.raises(Refused, match="invalid"):
        stripe.create_subscription(customer, TENANT_ID, "price_none", key="one", days_until_due=1)
    with pytest.raises(Refused, match="invalid"):
        subscribe(stripe, "cus_none")
    with pytest.raises(Missing):
        stripe.cancel("sub_none")


@pytest.mark.parametrize("status", ["unpaid", "paused", "incomplete_expired", "canceled"])
def test_what_time_does_to_it_is_seen(server: StripeStandIn, stripe: StripeBilling, customer: str, status: str) -> None:
    made = subscribe(stripe, customer)
    control(server, "set_status", subscription=made.id, status=status)
    expected = SubscriptionStatus.PAST_DUE if status in ("unpaid", "paused") else SubscriptionStatus.CANCELED
    assert stripe.get_subscription(made.id).status is expected


def test_a_status_nobody_knew_is_no_guess(server: StripeStandIn, stripe: StripeBilling, customer: str) -> None:
    made = subscribe(stripe, customer)
    control(server, "set_status", subscription=made.id, status="enchanted")
    with pytest.raises(Unavailable, match="unexpected_answer"):
        stripe.get_subscription(made.id)


# -- repeats


@pytest.mark.parametrize("rule", [{"kind": "lost"}, {"kind": "applied_then_status", "status": 502}])
def test_a_lost_answer_makes_nothing_twice(server: StripeStandIn, stripe: StripeBilling, rule: dict[str, Any]) -> None:
    fault(server, method="POST", count=1, **rule)
    made = stripe.create_customer(TENANT_ID, key="one")
    assert list(server.objects.customers) == [made.id]
    assert len(writes(server)) == 2
    assert stripe.create_customer(TENANT_ID, key="one") == made


def test_a_key_used_for_something_else_is_refused(stripe: StripeBilling) -> None:
    stripe.create_customer(TENANT_ID, key="one")
    with pytest.raises(Refused, match="idempotency key"):
        stripe.create_customer(OTHER_ID, key="one")


@pytest.mark.parametrize(("kind", "made"), [("saved_500", 0), ("made_500", 1)])
def test_a_fault_that_stripe_keeps_under_the_key_is_got_over_by_looking_and_another_key(
    server: StripeStandIn, stripe: StripeBilling, kind: str, made: int
) -> None:
    fault(server, kind=kind, count=1)
    for _ in range(2):
        with pytest.raises(Unavailable, match="upstream_error"):
            stripe.create_customer(TENANT_ID, key="one")
    found = stripe.find_customer(TENANT_ID)
    assert (found is not None) == bool(made)
    assert found or stripe.create_customer(TENANT_ID, key="another")
    assert len(server.objects.customers) == 1


def test_a_request_that_is_still_under_way_is_waited_for(server: StripeStandIn) -> None:
    impatient = connect(KEY, url=server.url, call_seconds=0.3)
    fault(server, kind="slow", delay=1.0, count=1)
    with pytest.raises(Unavailable, match="timeout"):
        impatient.create_customer(TENANT_ID, key="one")
    with pytest.raises(Unavailable, match="not_ready") as caught:
        impatient.create_customer(TENANT_ID, key="one")
    assert caught.value.wait == 1.0


def test_a_request_refused_for_its_values_leaves_its_key_free(
    server: StripeStandIn, stripe: StripeBilling, customer: str
) -> None:
    with pytest.raises(Refused):
        stripe.create_subscription(customer, TENANT_ID, "price_new", key="one", days_until_due=1)
    control(server, "add_price", price="price_new")
    assert stripe.create_subscription(customer, TENANT_ID, "price_new", key="one", days_until_due=1)


# -- faults


@pytest.mark.parametrize("call", list(CALLS))
@pytest.mark.parametrize(
    ("rule", "kind", "reason"),
    [
        ({"kind": "no_permission"}, Refused, "missing_permission"),
        ({"kind": "key_in_use"}, Unavailable, "not_ready"),
        ({"kind": "lock_timeout"}, Unavailable, "throttled"),
        ({"kind": "rate_limited", "retry_after": 7}, Unavailable, "throttled"),
        ({"kind": "card_declined"}, Refused, "invalid"),
        ({"kind": "status", "status": 500}, Unavailable, "upstream_error"),
        ({"kind": "status", "status": 503}, Unavailable, "upstream_error"),
        ({"kind": "status", "status": 404}, Unavailable, "unexpected_answer"),
        ({"kind": "status", "status": 302}, Unavailable, "unexpected_answer"),
        ({"kind": "status", "status": 200, "body": "[]"}, Unavailable, "unexpected_answer"),
        ({"kind": "status", "status": 200, "body": "{}"}, Unavailable, "unexpected_answer"),
        ({"kind": "wrong_body"}, Unavailable, "unexpected_answer"),
        ({"kind": "empty_body"}, Unavailable, "unexpected_answer"),
        ({"kind": "reset"}, Unavailable, "unreachable"),
    ],
)
def test_every_fault_of_stripes_has_one_of_our_meanings(
    server: StripeStandIn, stripe: StripeBilling, call: str, rule: dict[str, Any], kind: type[Fault], reason: str
) -> None:
    fault(server, **rule)
    with pytest.raises(kind) as caught:
        CALLS[call](stripe)
    assert caught.value.reason == reason
    assert getattr(caught.value, "wait", None) == (
        7.0 if "retry_after" in rule else getattr(caught.value, "wait", None)
    )


def test_a_call_ends_in_time(server: StripeStandIn) -> None:
    fault(server, kind="hang")
    with pytest.raises(Unavailable, match="timeout"):
        connect(KEY, url=server.url, call_seconds=0.3).find_customer(TENANT_ID)


def test_a_wrong_or_rolled_key_is_refused_as_such(server: StripeStandIn, stripe: StripeBilling) -> None:
    with pytest.raises(Refused, match="bad_credentials"):
        connect("sk_test_wrong", url=server.url).find_customer(TENANT_ID)
    control(server, "revoke_key")
    with pytest.raises(Refused, match="bad_credentials"):
        stripe.find_customer(TENANT_ID)


def test_neither_the_key_nor_stripes_words_reach_logs_or_messages(
    server: StripeStandIn, stripe: StripeBilling, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(Refused) as caught:
        subscribe(stripe, "cus_secret_of_another")
    told = caplog.text + str(caught.value) + repr(caught.value.__cause__)
    assert "cus_secret_of_another" not in told
    assert KEY not in told
    assert "price_" not in told


def test_the_operations_request_id_goes_along_and_no_ambient_proxy_is_used(
    server: StripeStandIn, stripe: StripeBilling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with bound_contextvars(request_id="request-1"):
        stripe.find_customer(TENANT_ID)
    assert [entry["request_id"] for entry in server.journal] == ["request-1", "request-1"]
