"""Signed events of Stripe update a subscription's status in any order, and nothing else does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
import requests

from sandbox.simulators.stripe.outbox import signature
from shared.config.settings import Settings
from shared.subscriptions.model import NewSubscription, SubscriptionStatus
from shared.tenants.views import TenantView
from tests.api.conftest import Serve, serve  # noqa: F401
from tests.billing.stripe_control import SECRET, control
from tests.billing.tenancy import Tenancy
from tests.simulators import fault
from worker.integrations.stripe.models import BilledSubscription


@pytest.fixture
def address(billing_settings: Settings, tenancy: Tenancy, serve: Serve) -> str:  # noqa: F811
    """Return the API's URL for events; `tenancy` has created the indexes."""
    return f"{serve(billing_settings)}/stripe/events"


@pytest.fixture
def view(tenancy: Tenancy) -> TenantView:
    made = tenancy.set_up()
    tenancy.sync()
    return made


def send(address: str, body: bytes, secret: str = SECRET, at: float | None = None) -> int:
    headers = {"Stripe-Signature": signature(secret, int(at or time.time()), body)}
    return requests.post(address, data=body, headers=headers, timeout=20).status_code


def event(tenancy: Tenancy, status: str) -> bytes:
    """Set a status in Stripe; return the body of its event."""
    event_body = control(tenancy.server, "set_status", subscription=tenancy.upstream()[0]["id"], status=status)
    found: dict[str, Any] = tenancy.server.outbox.events[
        event_body if isinstance(event_body, str) else event_body["result"]
    ]
    return json.dumps(found).encode()


def test_a_stripe_event_changes_the_status_and_records_our_event(
    tenancy: Tenancy, address: str, view: TenantView
) -> None:
    assert send(address, event(tenancy, "active")) == 200
    assert tenancy.record(view).status is SubscriptionStatus.PAST_DUE
    tenancy.sync()
    assert tenancy.record(view).status is SubscriptionStatus.ACTIVE
    last = tenancy.events(view, "subscription.changed")[-1]
    assert (last.before, last.after["status"]) == ({"status": "past_due"}, "active")


def test_doubled_and_reordered_events_end_at_stripes_current_state(
    tenancy: Tenancy, address: str, view: TenantView
) -> None:
    first, second = event(tenancy, "active"), event(tenancy, "past_due")
    third = event(tenancy, "canceled")
    before = len(tenancy.events(view, "subscription.changed"))
    for body in (third, first, second, first, third, second):
        assert send(address, body) == 200
        tenancy.sync()
    assert tenancy.record(view).status is SubscriptionStatus.CANCELED
    assert len(tenancy.events(view, "subscription.changed")) == before + 1


@pytest.mark.parametrize("how", ["forged", "old", "changed", "unsigned"])
def test_an_event_without_a_valid_signature_is_refused_and_changes_nothing(
    tenancy: Tenancy, address: str, view: TenantView, how: str
) -> None:
    body = event(tenancy, "canceled")
    if how == "unsigned":
        assert requests.post(address, data=body, timeout=20).status_code == 403
    elif how == "changed":
        headers = {"Stripe-Signature": signature(SECRET, int(time.time()), body)}
        answer = requests.post(address, data=body + b" ", headers=headers, timeout=20)
        assert (answer.status_code, answer.json()["code"]) == (403, "bad_signature")
    else:
        secret = "whsec_of_somebody_else" if how == "forged" else SECRET
        assert send(address, body, secret, time.time() - (400 if how == "old" else 0)) == 403
    tenancy.sync()
    assert tenancy.record(view).status is SubscriptionStatus.PAST_DUE


def test_unknown_subscriptions_and_event_types_are_accepted_and_change_nothing(
    tenancy: Tenancy, address: str, view: TenantView
) -> None:
    event_body = json.loads(event(tenancy, "past_due"))
    event_body["data"]["object"]["id"] = "sub_of_nobody"
    assert send(address, json.dumps(event_body).encode()) == 200
    event_body |= {"type": "charge.succeeded", "data": {"object": {"object": "charge", "id": "ch_1"}}}
    assert send(address, json.dumps(event_body).encode()) == 200
    assert tenancy.store.billing_syncs.claim(60) is None


def test_a_body_that_is_too_large_or_no_event_is_refused(address: str, view: TenantView) -> None:
    assert send(address, b" " * (256 * 1024 + 1)) == 413
    assert send(address, b"[]") == 400


def test_a_sync_that_fails_is_retried_and_one_whose_process_died_is_due_again(
    tenancy: Tenancy, address: str, view: TenantView
) -> None:
    assert send(address, event(tenancy, "active")) == 200
    died = tenancy.store.billing_syncs.claim(0.05)
    assert died is not None
    time.sleep(0.06)
    fault(tenancy.server, kind="status", status=500, path="/v1/subscriptions", count=1)
    tenancy.sync()
    assert tenancy.record(view).status is SubscriptionStatus.PAST_DUE
    assert tenancy.store.billing_syncs.claim(60) is None
    deadline = time.monotonic() + 30
    while tenancy.record(view).status is not SubscriptionStatus.ACTIVE:
        assert time.monotonic() < deadline
        tenancy.sync()
        time.sleep(0.1)


def test_a_sync_that_began_before_an_event_does_not_count_as_the_one_that_it_requested(
    tenancy: Tenancy, address: str, view: TenantView
) -> None:
    send(address, event(tenancy, "active"))
    claim = tenancy.store.billing_syncs.claim(60)
    assert claim is not None
    assert send(address, event(tenancy, "canceled")) == 200
    tenancy.sync()
    assert tenancy.record(view).status is SubscriptionStatus.CANCELED
    assert (
        tenancy.store.connection.transaction(lambda session: tenancy.store.billing_syncs.end(claim, session)) is False
    )


def test_a_sync_waits_while_the_breaker_is_open_and_closes_it_as_its_probe(
    tenancy: Tenancy, address: str, view: TenantView
) -> None:
    tenancy.store.switches.record_refused_credentials("billing", "refused", "former")
    assert send(address, event(tenancy, "active")) == 200
    due = [{"$set": {"lookAt": "$$NOW"}}]
    subscriptions = tenancy.store.connection.database["subscriptions"]
    tenancy.sync()
    assert tenancy.record(view).status is SubscriptionStatus.PAST_DUE
    tenancy.store.connection.database["switches"].update_one({"_id": "billing"}, [{"$set": {"openUntil": "$$NOW"}}])
    subscriptions.update_many({}, due)
    time.sleep(1.1)
    tenancy.sync()
    assert tenancy.record(view).status is SubscriptionStatus.ACTIVE
    assert not tenancy.store.switches.all()["billing"].is_open


def test_a_canceled_record_beside_a_live_one_gives_the_step_a_remedy_and_ends_the_sync(
    tenancy: Tenancy, address: str, view: TenantView
) -> None:
    first = tenancy.record(view)
    tenancy.services.subscriptions.change(first.id, {"status": SubscriptionStatus.CANCELED}, tenancy.admin, None)
    second = tenancy.services.subscriptions.create(NewSubscription(view.tenant.id, "starter"), tenancy.admin)
    step = tenancy.billed(tenancy.reconcile())
    assert (step.status, step.reason, bool(step.remedy)) == ("error", "second_subscription", True)
    assert send(address, event(tenancy, "active")) == 200
    tenancy.sync()
    due = tenancy.store.connection.client[tenancy.settings.mongodb_database]["subscriptions"]
    assert due.count_documents({"lookAt": {"$exists": True}}) == 0
    tenancy.services.subscriptions.delete(second.id, tenancy.admin, None)
    assert tenancy.billed(tenancy.reconcile()).status == "ok"
    assert tenancy.record(view).status is SubscriptionStatus.ACTIVE


class Overtaken:
    """A client that runs a function between its read of a subscription and the return."""

    def __init__(self, tenancy: Tenancy, meanwhile: Callable[[], None]) -> None:
        self._client = tenancy.client
        self._meanwhile = meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_subscription(self, subscription_id: str) -> BilledSubscription:
        found = self._client.get_subscription(subscription_id)
        self._meanwhile()
        return found


def test_a_step_that_read_before_an_event_does_not_overwrite_it(
    tenancy: Tenancy, address: str, view: TenantView
) -> None:
    def paid() -> None:
        assert send(address, event(tenancy, "active")) == 200
        tenancy.sync()
        assert tenancy.record(view).status is SubscriptionStatus.ACTIVE

    assert tenancy.billed(tenancy.reconcile(), client=cast(Any, Overtaken(tenancy, paid))).status == "ok"
    tenancy.sync()
    assert tenancy.record(view).status is SubscriptionStatus.ACTIVE


def test_the_simulators_own_events_arrive_and_its_forged_ones_do_not(
    tenancy: Tenancy, address: str, view: TenantView
) -> None:
    control(tenancy.server, "add_endpoint", url=address, secret=SECRET)
    fault(tenancy.server, kind="event_forged", method="EVENT", path="customer.subscription.updated", count=1)
    fault(tenancy.server, kind="event_doubled", method="EVENT", path="customer.subscription.updated", count=1)
    event(tenancy, "active")
    deadline = time.monotonic() + 30
    while tenancy.record(view).status is not SubscriptionStatus.ACTIVE:
        assert time.monotonic() < deadline, tenancy.server.outbox.deliveries
        tenancy.sync()
        time.sleep(0.05)
    assert 403 in {one["status"] for one in tenancy.server.outbox.deliveries}
