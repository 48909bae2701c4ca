"""Read the events that Stripe sends, and the statuses of its subscriptions.

An event only says that something changed. Its current state is read from Stripe, because events arrive late, twice and
in any order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json

from shared.core.signatures import verify
from shared.subscriptions.model import SubscriptionStatus

#: the key of a Stripe object's metadata that names its tenant
TENANT_KEY = "dezky_tenant"
SIGNATURE_HEADER = "Stripe-Signature"
NO_EVENT = "The body is not a Stripe event."

#: Stripe's status to ours. PAST_DUE: a payment or another payment method is needed
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
    """A verified event. Repeated deliveries have the same `id`. Fields that the event lacks are None."""

    id: str
    type: str
    created_at: datetime | None
    customer_id: str | None
    subscription_id: str | None
    tenant_id: str | None


def our_status(stripe_status: str) -> SubscriptionStatus:
    """Return our status. Raises ValueError for an unknown one."""
    try:
        return STATUSES[stripe_status]
    except KeyError:
        raise ValueError("This subscription status is not known.") from None


def read_event(payload: bytes, headers: Mapping[str, str], secrets: Sequence[str], now: float) -> BillingEvent:
    """Verify and read the event in a request's body. `secrets`: several while the endpoint's secret is rotated.

    Only id and type are required: one endpoint receives events of many shapes, and Stripe repeats a refused event for
    days. Raises BadSignature when the signature is wrong or old, ValueError for a body that is not an event.
    """
    verify(secrets, headers, payload, now=now, name=SIGNATURE_HEADER)
    event = _fields(_json(payload))
    id_, type_ = _text(event, "id"), _text(event, "type")
    if id_ is None or type_ is None:
        raise ValueError(NO_EVENT)
    about = _fields(_fields(event.get("data")).get("object"))
    return BillingEvent(
        id=id_,
        type=type_,
        created_at=_time(event.get("created")),
        customer_id=_id_of("customer", event, about),
        subscription_id=_id_of("subscription", event, about) or _id(_subscription_of(about)),
        tenant_id=_text(_fields(about.get("metadata")), TENANT_KEY),
    )


def _json(payload: bytes) -> Any:
    try:
        return from_json(payload)
    except ValueError:  # nesting deeper than any event's included
        raise ValueError(NO_EVENT) from None


def _id_of(kind: str, event: Mapping[str, Any], about: Mapping[str, Any]) -> str | None:
    """Return the id of the object of a kind: the event's own, or one that it refers to.

    A thin event (`v2.core.event`) carries no object, but names the related one.
    """
    related = _fields(event.get("related_object"))
    if related.get("type") in (kind, f"billing.{kind}"):
        return _text(related, "id")
    return _text(about, "id") if about.get("object") == kind else _id(about.get(kind))


def _subscription_of(about: Mapping[str, Any]) -> Any:
    """Return an invoice's subscription, which is in its parent since API version 2025-03-31, and on itself before."""
    return _fields(_fields(about.get("parent")).get("subscription_details")).get("subscription")


def _id(found: Any) -> str | None:
    """Return the id of an object that is given whole or by its id."""
    return found if isinstance(found, str) else _text(_fields(found), "id")


def _fields(found: Any) -> Mapping[str, Any]:
    """Return an object's fields; anything else has none."""
    return found if isinstance(found, Mapping) else {}


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    found = fields.get(name)
    return found if isinstance(found, str) and found else None


def _time(found: Any) -> datetime | None:
    """Return a time that is given in unix seconds, or as text by a thin event; None for one that no calendar has."""
    try:
        return datetime.fromisoformat(found) if isinstance(found, str) else datetime.fromtimestamp(found, UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        return None
