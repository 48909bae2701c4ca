"""Read Stripe's objects as our small values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import stripe

from shared.billing.stripe_events import TENANT_KEY, our_status
from shared.integrations.outcomes import NotFound, TemporaryError
from shared.tenants.model import Address
from worker.integrations.stripe.models import BilledSubscription, Customer
from worker.integrations.stripe.tax_ids import TaxId, kept_tax_id

#: the key of a customer's metadata that names the tax id that we created
TAX_ID_KEY = "dezky_tax_id"
#: the key of a subscription's metadata that says why the platform let it end, for an unpriced plan only
ENDED_KEY = "dezky_ended"


def customer_of(found: stripe.Customer) -> Customer:
    body = found.to_dict()
    if body.get("deleted"):
        raise NotFound("The customer was deleted in Stripe.")
    return Customer(
        body["id"],
        _tenant_id(body),
        body.get("name") or "",
        body.get("email") or "",
        _address(body.get("address")),
        kept_tax_id((body.get("metadata") or {}).get(TAX_ID_KEY)),
    )


def tax_id_in(found: stripe.TaxId) -> TaxId:
    return TaxId(found.type, found.value, found.id)


def _address(found: Mapping[str, Any] | None) -> Address:
    known = {field: (found or {}).get(field) or "" for field in ("line1", "line2", "city", "postal_code", "country")}
    return Address(**known)


def subscription_of(found: stripe.Subscription) -> BilledSubscription:
    body = found.to_dict()
    try:
        item = body["items"]["data"][0]
        return BilledSubscription(
            id=body["id"],
            tenant_id=_tenant_id(body),
            customer_id=str(body["customer"]),
            status=our_status(body["status"]),
            item_id=item["id"],
            price_id=item["price"]["id"],
            period_ends_at=_time(item.get("current_period_end")),
            ends_with_period=bool(body.get("cancel_at_period_end")),
            ends_at=_time(body.get("cancel_at")),
            never_began=body["status"] == "incomplete_expired",
            ended_for_plan=bool((body.get("metadata") or {}).get(ENDED_KEY)),
        )
    except (KeyError, IndexError, TypeError, ValueError):
        raise TemporaryError("unexpected_answer", "The answer is not a subscription that we know.") from None


def _time(seconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def _tenant_id(body: Mapping[str, Any]) -> str | None:
    return (body.get("metadata") or {}).get(TENANT_KEY)
