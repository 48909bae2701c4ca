"""What Stripe's words mean to us: a subscription's status, and the events it sends.

Only what arrives is read here. An event says that something changed; what it is now is asked of Stripe, because events
come late, twice and in any order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.core.signatures import verify
from shared.subscriptions.model import SubscriptionStatus

#: the key of a Stripe object's metadata that says whose it is
TENANT_KEY = "dezky_tenant"
SIGNATURE_HEADER = "Stripe-Signature"

#: Stripe's status to ours. PAST_DUE is whatever a payment or a payment method would mend.
STATUSES: Mapping[str, SubscriptionStatus] = {
    "trialing": SubscriptionStatus.TRIALING,
    "active": SubscriptionStatus.ACTIVE,
    "past_due": SubscriptionStatus.PAST_DUE,
    "incomplete": SubscriptionStatus.PAST_DUE,
    "unpaid": SubscriptionStatus.PAST_DUE,
    "paused": SubscriptionStatus.PAST_DUE,
    "canceled": SubscriptionStatus.CANCELED,
    "incomplete_expired": SubscriptionStatus.CANCELED,
}


@dataclass(frozen=True)
class BillingEvent:
    """A verified event. `id` is the same on every delivery of it; the rest is None where the event has none."""

    id: str
    type: str
    created_at: datetime
    customer_id: str | None
    subscription_id: str | None
    tenant_id: str | None


def our_status(stripe_status: str) -> SubscriptionStatus:
    """Raises ValueError for a status that Stripe did not have when this was written."""
    try:
        return STATUSES[stripe_status]
    except KeyError:
        raise ValueError("This subscription status is not known.") from None


def read_event(payload: bytes, headers: Mapping[str, str], secrets: Sequence[str], now: float) -> BillingEvent:
    """The event in the body of a request of Stripe's. `secrets`: of the webhook endpoint, several while one is rolled.

    Raises BadSignature when it is not proven to be Stripe's and of now, ValueError when the body is no event.
    """
    verify(secrets, headers, payload, now=now, name=SIGNATURE_HEADER)
    try:
        event = json.loads(payload)
        return _event(event, event["data"]["object"])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        raise ValueError("The body is not an event of Stripe's.") from None


def _event(event: Mapping[str, Any], about: Mapping[str, Any]) -> BillingEvent:
    kind = about.get("object")
    return BillingEvent(
        id=str(event["id"]),
        type=str(event["type"]),
        created_at=datetime.fromtimestamp(event["created"], UTC),
        customer_id=about["id"] if kind == "customer" else _id(about.get("customer")),
        subscription_id=about["id"] if kind == "subscription" else _id(_subscription_of(about)),
        tenant_id=(about.get("metadata") or {}).get(TENANT_KEY),
    )


def _subscription_of(about: Mapping[str, Any]) -> Any:
    """An invoice names its subscription in its parent since API version 2025-03-31, on itself before."""
    details = (about.get("parent") or {}).get("subscription_details") or {}
    return details.get("subscription") or about.get("subscription")


def _id(found: Any) -> str | None:
    """The id of an object that is given whole or by its id."""
    if isinstance(found, Mapping):
        found = found.get("id")
    return found if isinstance(found, str) else None
