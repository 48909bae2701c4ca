"""The client for Stripe under faults: nothing is created twice, every fault has a reason, no secret leaks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from structlog.contextvars import bound_contextvars

from sandbox.simulators.stripe.server import StripeSimulator
from shared.integrations.outcomes import Fault, PermanentError, TemporaryError
from tests.billing.stripe_control import KEY, control, subscribe
from tests.simulators import OTHER_ID, TENANT_ID, fault, writes
from worker.integrations.stripe.client import StripeClient, connect

CALLS: dict[str, Callable[[StripeClient], Any]] = {
    "find": lambda stripe: stripe.find_customer(TENANT_ID),
    "get": lambda stripe: stripe.get_subscription("sub_none"),
    "create": lambda stripe: stripe.create_customer(TENANT_ID, key="one"),
    "cancel": lambda stripe: stripe.cancel("sub_none"),
}


# -- repeats


@pytest.mark.parametrize("rule", [{"kind": "lost"}, {"kind": "applied_then_status", "status": 502}])
def test_a_lost_response_creates_nothing_twice(
    server: StripeSimulator, stripe: StripeClient, rule: dict[str, Any]
) -> None:
    fault(server, method="POST", count=1, **rule)
    made = stripe.create_customer(TENANT_ID, key="one")
    assert list(server.objects.customers) == [made.id]
    assert len(writes(server)) == 2
    assert stripe.create_customer(TENANT_ID, key="one") == made


def test_a_key_used_for_something_else_is_refused(stripe: StripeClient) -> None:
    stripe.create_customer(TENANT_ID, key="one")
    with pytest.raises(PermanentError, match="idempotency key"):
        stripe.create_customer(OTHER_ID, key="one")


@pytest.mark.parametrize(("kind", "made"), [("saved_500", 0), ("made_500", 1)])
def test_after_a_server_error_stored_under_a_key_the_step_searches_and_uses_another_key(
    server: StripeSimulator, stripe: StripeClient, kind: str, made: int
) -> None:
    fault(server, kind=kind, count=1)
    for _ in range(2):
        with pytest.raises(TemporaryError, match="upstream_error"):
            stripe.create_customer(TENANT_ID, key="one")
    found = stripe.find_customer(TENANT_ID)
    assert (found is not None) == bool(made)
    assert found or stripe.create_customer(TENANT_ID, key="another")
    assert len(server.objects.customers) == 1


def test_a_request_that_is_still_under_way_is_waited_for(server: StripeSimulator) -> None:
    impatient = connect(KEY, url=server.url, call_seconds=0.6)
    fault(server, kind="slow", delay=2.0, count=1)
    with pytest.raises(TemporaryError, match="timeout"):
        impatient.create_customer(TENANT_ID, key="one")
    with pytest.raises(TemporaryError, match="not_ready") as caught:
        impatient.create_customer(TENANT_ID, key="one")
    assert caught.value.wait == 1.0


def test_a_request_refused_for_its_values_leaves_its_key_free(
    server: StripeSimulator, stripe: StripeClient, customer: str
) -> None:
    with pytest.raises(PermanentError):
        stripe.create_subscription(customer, TENANT_ID, "price_new", key="one", days_until_due=1)
    control(server, "add_price", price="price_new")
    assert stripe.create_subscription(customer, TENANT_ID, "price_new", key="one", days_until_due=1)


# -- faults


@pytest.mark.parametrize("call", list(CALLS))
@pytest.mark.parametrize(
    ("rule", "kind", "reason"),
    [
        ({"kind": "no_permission"}, PermanentError, "missing_permission"),
        ({"kind": "key_in_use"}, TemporaryError, "not_ready"),
        ({"kind": "lock_timeout"}, TemporaryError, "throttled"),
        ({"kind": "rate_limited", "retry_after": 7}, TemporaryError, "throttled"),
        ({"kind": "card_declined"}, PermanentError, "invalid"),
        ({"kind": "status", "status": 500}, TemporaryError, "upstream_error"),
        ({"kind": "status", "status": 503}, TemporaryError, "upstream_error"),
        ({"kind": "status", "status": 404}, TemporaryError, "unexpected_answer"),
        ({"kind": "status", "status": 302}, TemporaryError, "unexpected_answer"),
        ({"kind": "status", "status": 200, "body": "[]"}, TemporaryError, "unexpected_answer"),
        ({"kind": "status", "status": 200, "body": "{}"}, TemporaryError, "unexpected_answer"),
        ({"kind": "wrong_body"}, TemporaryError, "unexpected_answer"),
        ({"kind": "empty_body"}, TemporaryError, "unexpected_answer"),
        ({"kind": "reset"}, TemporaryError, "unreachable"),
    ],
)
def test_every_fault_of_stripe_becomes_a_fault_of_ours(
    server: StripeSimulator, stripe: StripeClient, call: str, rule: dict[str, Any], kind: type[Fault], reason: str
) -> None:
    fault(server, **rule)
    with pytest.raises(kind) as caught:
        CALLS[call](stripe)
    assert caught.value.reason == reason
    assert getattr(caught.value, "wait", None) == (
        7.0 if "retry_after" in rule else getattr(caught.value, "wait", None)
    )


def test_a_call_times_out(server: StripeSimulator) -> None:
    fault(server, kind="hang")
    with pytest.raises(TemporaryError, match="timeout"):
        connect(KEY, url=server.url, call_seconds=0.3).find_customer(TENANT_ID)


def test_a_wrong_or_rolled_key_is_refused_as_such(server: StripeSimulator, stripe: StripeClient) -> None:
    with pytest.raises(PermanentError, match="bad_credentials"):
        connect("sk_test_wrong", url=server.url).find_customer(TENANT_ID)
    control(server, "revoke_key")
    with pytest.raises(PermanentError, match="bad_credentials"):
        stripe.find_customer(TENANT_ID)


def test_logs_and_messages_contain_neither_the_key_nor_stripes_error_texts(
    server: StripeSimulator, stripe: StripeClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(PermanentError) as caught:
        subscribe(stripe, "cus_secret_of_another")
    reported = caplog.text + str(caught.value) + repr(caught.value.__cause__)
    assert "cus_secret_of_another" not in reported
    assert KEY not in reported
    assert "price_" not in reported


def test_calls_carry_the_request_id_and_ignore_the_environments_proxy(
    server: StripeSimulator, stripe: StripeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with bound_contextvars(request_id="request-1"):
        stripe.find_customer(TENANT_ID)
    assert [entry["request_id"] for entry in server.journal] == ["request-1", "request-1"]
