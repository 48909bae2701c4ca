"""Events of Stripe count only with their signature, and only to learn which subscription to read."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from sandbox.simulators.stripe.outbox import signature
from sandbox.simulators.stripe.server import StripeSimulator
from shared.billing.stripe_events import SIGNATURE_HEADER, STATUSES, our_status, read_event
from shared.core.signatures import BadSignature, signed_headers
from shared.subscriptions.model import SubscriptionStatus
from tests.simulators import TENANT_ID, fault
from tests.waiting import until
from tests.webhooks.receiver import Receiver
from worker.integrations.stripe.client import StripeClient, connect

KEY = "sk_test_that_must_never_be_logged"
SECRET = "whsec_c2VjcmV0LW9mLXRoZS1lbmRwb2ludC1vZi1vdXJz"
NOW = 1_800_000_000
EVENT: dict[str, Any] = {
    "id": "evt_1",
    "type": "customer.subscription.updated",
    "created": NOW,
    "data": {
        "object": {"object": "subscription", "id": "sub_1", "customer": "cus_1", "metadata": {"dezky_tenant": "t"}}
    },
}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    with made.running():
        yield made


@pytest.fixture
def server(receiver: Receiver) -> Iterator[StripeSimulator]:
    simulator = StripeSimulator(api_key=KEY)
    simulator.outbox.add_endpoint(f"{receiver.url}/stripe", SECRET)
    with simulator.running():
        yield simulator


@pytest.fixture
def billing(server: StripeSimulator) -> StripeClient:
    return connect(KEY, url=server.url, call_seconds=3.0)


def signed(body: bytes, at: int = NOW, secret: str = SECRET) -> dict[str, str]:
    return {SIGNATURE_HEADER: signature(secret, at, body)}


def about(**fields: Any) -> bytes:
    return json.dumps({**EVENT, "data": {"object": fields}}).encode()


def test_every_stripe_status_maps_to_a_status_of_ours() -> None:
    assert set(STATUSES.values()) == set(SubscriptionStatus)
    assert our_status("unpaid") is SubscriptionStatus.PAST_DUE
    with pytest.raises(ValueError):
        our_status("enchanted")


def test_an_event_names_its_customer_subscription_and_tenant() -> None:
    body = json.dumps(EVENT).encode()
    event = read_event(body, signed(body), [SECRET], NOW)
    assert (event.id, event.type, event.created_at.timestamp()) == ("evt_1", "customer.subscription.updated", NOW)
    assert (event.customer_id, event.subscription_id, event.tenant_id) == ("cus_1", "sub_1", "t")


@pytest.mark.parametrize(
    ("fields", "customer", "subscription"),
    [
        ({"object": "customer", "id": "cus_1"}, "cus_1", None),
        ({"object": "invoice", "customer": "cus_1", "subscription": "sub_1"}, "cus_1", "sub_1"),
        ({"object": "invoice", "parent": {"subscription_details": {"subscription": "sub_1"}}}, None, "sub_1"),
        ({"object": "invoice", "parent": None, "customer": {"id": "cus_1"}, "subscription": None}, "cus_1", None),
        ({"object": "subscription", "id": "sub_1", "customer": {"id": "cus_1"}, "metadata": None}, "cus_1", "sub_1"),
        ({"object": "balance"}, None, None),
    ],
)
def test_ids_are_found_wherever_the_object_and_the_version_have_them(
    fields: dict[str, Any], customer: str | None, subscription: str | None
) -> None:
    body = about(**fields)
    event = read_event(body, signed(body), [SECRET], NOW)
    assert (event.customer_id, event.subscription_id) == (customer, subscription)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {SIGNATURE_HEADER: ""},
        {SIGNATURE_HEADER: "t=1,v0=ab"},
        signed(b"another body"),
        signed(about(), secret="whsec_other"),
        signed(about(), at=NOW - 301),
        signed(about(), at=NOW + 301),
    ],
)
def test_an_event_that_is_unsigned_or_old_is_not_read(headers: dict[str, str]) -> None:
    with pytest.raises(BadSignature):
        read_event(about(), headers, [SECRET], NOW)


def test_while_the_endpoints_secret_is_rotated_both_verify() -> None:
    body = about(object="balance")
    assert read_event(body, signed(body), ["whsec_new", SECRET], NOW)


@pytest.mark.parametrize(
    ("changes", "subscription", "customer"),
    [
        ({"data": {"object": None}}, None, None),
        ({"data": None}, None, None),
        ({"data": []}, None, None),
        ({"data": {"object": 1}}, None, None),
        ({"data": {"object": "sub_1"}}, None, None),
        ({"data": {"object": {"object": "invoice", "parent": "sub_1", "customer": "cus_1"}}}, None, "cus_1"),
        ({"data": {"object": {"object": "invoice", "parent": {"subscription_details": "x"}}}}, None, None),
        ({"data": {"object": {"object": "subscription", "id": None, "metadata": "x", "customer": 7}}}, None, None),
        ({"created": None}, "sub_1", "cus_1"),
        ({"created": 10**30}, "sub_1", "cus_1"),
        (
            {
                "object": "v2.core.event",
                "created": "2026-11-30T12:00:00.000Z",
                "related_object": {"id": "sub_2", "type": "subscription", "url": "/v1/subscriptions/sub_2"},
                "data": None,
            },
            "sub_2",
            None,
        ),
        ({"related_object": {"id": "cus_2", "type": "customer"}, "data": {}}, None, "cus_2"),
        ({"related_object": {"id": "fa_2", "type": "v2.core.account"}, "data": {}}, None, None),
        ({"related_object": "sub_1", "data": {}}, None, None),
    ],
)
def test_an_event_of_any_shape_is_accepted_and_read_as_far_as_it_goes(
    changes: dict[str, Any], subscription: str | None, customer: str | None
) -> None:
    body = json.dumps(EVENT | changes).encode()
    event = read_event(body, signed(body), [SECRET], NOW)
    assert (event.id, event.subscription_id, event.customer_id) == ("evt_1", subscription, customer)


DEEP = b'{"id": "evt_1", "type": "x", "data": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b'{"id": 1, "type": "x"}', b'{"id": "e"}', b"\xff", DEEP])
def test_a_signed_body_that_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="not a Stripe event"):
        read_event(body, signed(body), [SECRET], NOW)


def test_stripes_own_library_signs_and_checks_as_we_do() -> None:
    body = json.dumps(EVENT)
    theirs = stripe.WebhookSignature.generate_signature_header(body, SECRET, NOW)
    assert read_event(body.encode(), {"stripe-signature": theirs}, [SECRET], NOW).id == "evt_1"
    ours = signed_headers([SECRET], "evt_1", int(time.time()), body.encode())["Dezky-Signature"]
    assert stripe.WebhookSignature.verify_header(body, ours, SECRET, tolerance=300)


def test_changes_are_announced_by_signed_events(
    receiver: Receiver, server: StripeSimulator, billing: StripeClient
) -> None:
    customer = billing.create_customer(TENANT_ID, key="one").id
    made = billing.create_subscription(customer, TENANT_ID, "price_starter", key="two", days_until_due=30)
    server_side = billing.cancel(made.id)
    until(lambda: len(receiver.seen) == 3)
    events = [read_event(body, headers, [SECRET], time.time()) for headers, body in receiver.seen]
    assert {event.type for event in events} == {
        "customer.created",
        "customer.subscription.created",
        "customer.subscription.deleted",
    }
    assert {event.tenant_id for event in events} == {TENANT_ID}
    assert {event.subscription_id for event in events} == {None, made.id}
    assert server_side.status is SubscriptionStatus.CANCELED


def test_a_repeat_with_its_key_sends_no_second_event(
    receiver: Receiver, server: StripeSimulator, billing: StripeClient
) -> None:
    for _ in range(3):
        billing.create_customer(TENANT_ID, key="one")
    assert len(server.outbox.events) == 1


def test_an_event_that_is_not_accepted_is_sent_again_with_the_same_id(
    receiver: Receiver, server: StripeSimulator, billing: StripeClient
) -> None:
    receiver.status = 500
    billing.create_customer(TENANT_ID, key="one")
    until(lambda: len(receiver.seen) == 1)
    receiver.status = 200
    until(lambda: len(receiver.seen) >= 2)
    assert len({json.loads(body)["id"] for _, body in receiver.seen}) == 1


@pytest.mark.parametrize(("kind", "arrive"), [("event_doubled", 2), ("event_lost", 0)])
def test_events_can_be_doubled_or_lost_and_sent_again(
    receiver: Receiver, server: StripeSimulator, billing: StripeClient, kind: str, arrive: int
) -> None:
    fault(server, kind=kind, path="customer.created", count=1)
    billing.create_customer(TENANT_ID, key="one")
    billing.create_customer("another", key="two")
    until(lambda: len(receiver.seen) == arrive + 1)


def test_a_forged_event_is_refused(receiver: Receiver, server: StripeSimulator, billing: StripeClient) -> None:
    fault(server, kind="event_forged", count=1)
    billing.create_customer(TENANT_ID, key="one")
    until(lambda: bool(receiver.seen))
    headers, body = receiver.seen[0]
    with pytest.raises(BadSignature):
        read_event(body, headers, [SECRET], time.time())
