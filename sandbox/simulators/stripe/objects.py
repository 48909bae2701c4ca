"""The objects of the Stripe simulator, and how they are created and changed."""

from __future__ import annotations

import itertools
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.simulators.stripe.forms import StripeError, allow, integer, merged, no_such

Object = dict[str, Any]

DAY = 86400
PERIOD = 30 * DAY
CUSTOMER_FIELDS = ("name", "email", "description", "phone")
CUSTOMER_PARAMS = {*CUSTOMER_FIELDS, "metadata", "address"}
COLLECTION_PARAMS = {"collection_method", "days_until_due", "payment_behavior"}
CREATE_PARAMS = {*COLLECTION_PARAMS, "customer", "items", "metadata", "trial_period_days"}
UPDATE_PARAMS = {"items", "metadata", "cancel_at_period_end", "cancel_at", "proration_behavior"}
#: type of a tax id to the form of its values; only the types that tests need
TAX_IDS = {
    "eu_vat": re.compile(r"DE\d{9}|ATU\d{8}|EL\d{9}|(?!DE|AT|EL)[A-Z]{2}[A-Z0-9]{7,12}"),
    "gb_vat": re.compile(r"GB(\d{9}|\d{12})"),
    "ch_vat": re.compile(r"CHE-\d{3}\.\d{3}\.\d{3} (MWST|TVA|IVA)"),
    "no_vat": re.compile(r"\d{9}MVA"),
}
ENDED = ("canceled", "incomplete_expired")
BOTH_ENDS = "Received both cancel_at_period_end and cancel_at parameters. Please pass in only one."
PAST_END = "Invalid timestamp: must be an integer Unix timestamp in the future."
NO_CARD = "This customer has no attached payment source or default payment method."


@dataclass
class Objects:
    """Customers and subscriptions by id, oldest first. `changed`: time of each one's last change, in unix seconds."""

    prices: set[str]
    customers: dict[str, Object] = field(default_factory=dict)
    subscriptions: dict[str, Object] = field(default_factory=dict)
    changed: dict[str, float] = field(default_factory=dict)
    with_card: set[str] = field(default_factory=set)
    tax_ids: dict[str, Object] = field(default_factory=dict)

    # -- customers

    def customer(self, id_: str) -> Object:
        if id_ not in self.customers:
            raise no_such("customer", id_)
        return self.customers[id_]

    def create_customer(self, params: Mapping[str, Any]) -> Object:
        made: Object = {
            **{"id": new_id("cus"), "object": "customer", "created": int(time.time()), "livemode": False},
            **{"address": None, "balance": 0, "currency": None, "delinquent": False, "metadata": {}},
            **dict.fromkeys(CUSTOMER_FIELDS),
        }
        self._fill_customer(made, params)
        self.customers[made["id"]] = made
        return made

    def update_customer(self, id_: str, params: Mapping[str, Any]) -> Object:
        found = self._alive(id_)
        self._fill_customer(found, params)
        return found

    def delete_customer(self, id_: str) -> Object:
        """Delete a customer and end its subscriptions; a record of the deletion stays."""
        self._alive(id_)
        for one in self.subscriptions.values():
            if one["customer"] == id_ and one["status"] not in ENDED:
                self.end(one)
        self.customers[id_] = {"id": id_, "object": "customer", "deleted": True}
        return self.customers[id_]

    def _alive(self, id_: str) -> Object:
        found = self.customer(id_)
        if found.get("deleted"):
            raise no_such("customer", id_)
        return found

    def _fill_customer(self, customer: Object, params: Mapping[str, Any]) -> None:
        allow(params, CUSTOMER_PARAMS)
        if not str(params.get("email", "")).isascii():
            raise StripeError(400, "Invalid email address.", "email_invalid", "email")
        customer |= {name: params[name] or None for name in CUSTOMER_FIELDS if name in params}
        if "metadata" in params:
            customer["metadata"] = merged(customer["metadata"], params["metadata"])
        if "address" in params:
            customer["address"] = {key: value or None for key, value in params["address"].items()} or None
        self.changed[customer["id"]] = time.time()

    # -- tax ids

    def create_tax_id(self, params: Mapping[str, Any]) -> Object:
        """Create a tax id of a customer; its value must have the form of its type."""
        allow(params, {"customer", "type", "value"})
        customer = self._alive(str(params["customer"]))
        form = TAX_IDS.get(str(params.get("type")))
        if form is None:
            raise StripeError(400, "Invalid type.", "parameter_invalid_empty", "type")
        if not form.fullmatch(str(params.get("value", ""))):
            raise StripeError(400, "Invalid value for this type of tax id.", "tax_id_invalid", "value")
        made: Object = {
            **{"id": new_id("txi"), "object": "tax_id", "customer": customer["id"], "created": int(time.time())},
            **{"type": params["type"], "value": params["value"], "country": str(params["value"])[:2]},
        }
        self.tax_ids[made["id"]] = made
        return made

    def tax_ids_of(self, customer: str) -> list[Object]:
        self.customer(customer)
        return [one for one in self.tax_ids.values() if one["customer"] == customer]

    def delete_tax_id(self, id_: str) -> Object:
        if id_ not in self.tax_ids:
            raise no_such("tax_id", id_)
        del self.tax_ids[id_]
        return {"id": id_, "object": "tax_id", "deleted": True}

    # -- subscriptions

    def subscription(self, id_: str) -> Object:
        if id_ not in self.subscriptions:
            raise no_such("subscription", id_)
        return self.subscriptions[id_]

    def create_subscription(self, params: Mapping[str, Any]) -> Object:
        allow(params, CREATE_PARAMS)
        customer = str(params.get("customer", ""))
        if customer not in self.customers or self.customers[customer].get("deleted"):
            raise no_such("customer", customer, "customer", 400)
        prices = self._prices(params)
        trial = integer(params, "trial_period_days", 0) or 0
        status = self._first_status(params, customer, trial)
        now = int(time.time())
        id_, ends_at = new_id("sub"), now + (trial * DAY or PERIOD)
        made: Object = {
            **{"id": id_, "object": "subscription", "created": now, "livemode": False, "currency": "eur"},
            **{"customer": customer, "status": status, "start_date": now, "billing_cycle_anchor": now},
            **{"metadata": merged({}, params.get("metadata", {})), "latest_invoice": None},
            **{"cancel_at_period_end": False, "cancel_at": None, "canceled_at": None, "ended_at": None},
            **{"trial_start": now if trial else None, "trial_end": ends_at if trial else None},
            "collection_method": params.get("collection_method", "charge_automatically"),
            "days_until_due": integer(params, "days_until_due"),
            "items": list_of([_item(id_, price, now, ends_at) for price in prices], "/v1/subscription_items"),
        }
        self.subscriptions[id_] = made
        self.changed[id_] = time.time()
        return made

    def update_subscription(self, id_: str, params: Mapping[str, Any]) -> Object:
        allow(params, UPDATE_PARAMS)
        found = self.subscription(id_)
        if found["status"] in ENDED and set(params) - {"metadata"}:
            raise StripeError(400, "A canceled subscription can only update its cancellation_details and metadata.")
        ending = _ending(found, params)
        self._change_items(found, params.get("items", []))
        if "metadata" in params:
            found["metadata"] = merged(found["metadata"], params["metadata"])
        found |= ending
        self.changed[id_] = time.time()
        return found

    def cancel_subscription(self, id_: str) -> Object:
        found = self.subscription(id_)
        if found["status"] in ENDED:
            raise no_such("subscription", id_)
        self.end(found)
        return found

    def end(self, subscription: Object) -> None:
        now = int(time.time())
        subscription |= {"status": "canceled", "canceled_at": now, "ended_at": now}

    def _prices(self, params: Mapping[str, Any]) -> list[str]:
        items = params.get("items")
        if not isinstance(items, list) or not items:
            raise StripeError(400, "Missing required param: items.", "parameter_missing", "items")
        prices = [str(item.get("price", "")) for item in items]
        for number, price in enumerate(prices):
            if price not in self.prices:
                raise no_such("price", price, f"items[{number}][price]", 400)
        return prices

    def _first_status(self, params: Mapping[str, Any], customer: str, trial: int) -> str:
        if trial:
            return "trialing"
        if params.get("collection_method") == "send_invoice":
            if "days_until_due" not in params:
                raise StripeError(400, "days_until_due is required.", "parameter_missing", "days_until_due")
            return "active"
        if customer in self.with_card:
            return "active"
        if params.get("payment_behavior") != "default_incomplete":
            raise StripeError(400, NO_CARD, "resource_missing")
        return "incomplete"

    def _change_items(self, subscription: Object, changes: list[Mapping[str, Any]]) -> None:
        held = {item["id"]: item for item in subscription["items"]["data"]}
        for number, change in enumerate(changes):
            if change.get("id") not in held:
                raise no_such("subscription item", str(change.get("id")), f"items[{number}][id]", 400)
            if change.get("price") not in self.prices:
                raise no_such("price", str(change.get("price")), f"items[{number}][price]", 400)
            held[change["id"]]["price"] = price_object(change["price"])


def _ending(subscription: Object, params: Mapping[str, Any]) -> Object:
    """Return the fields for a changed end: with the period, or at a date."""
    if {"cancel_at_period_end", "cancel_at"} <= set(params):
        raise StripeError(400, BOTH_ENDS)
    if params.get("cancel_at_period_end") == "true":
        return {"cancel_at_period_end": True, "cancel_at": subscription["items"]["data"][0]["current_period_end"]}
    if "cancel_at_period_end" in params:
        # a date that was set stays
        return {"cancel_at_period_end": False, "cancel_at": None} if subscription["cancel_at_period_end"] else {}
    if "cancel_at" not in params:
        return {}
    ends_at = integer(params, "cancel_at") if params["cancel_at"] != "" else None
    if ends_at is not None and ends_at <= time.time():
        raise StripeError(400, PAST_END, "timestamp_in_past", "cancel_at")
    return {"cancel_at_period_end": False, "cancel_at": ends_at}


_numbers = itertools.count(1)


def new_id(kind: str) -> str:
    return f"{kind}_{next(_numbers):04d}{secrets.token_hex(8)}"


def price_object(id_: str) -> Object:
    return {"id": id_, "object": "price", "active": True, "currency": "eur", "recurring": {"interval": "month"}}


def list_of(data: list[Object], url: str, has_more: bool = False) -> Object:
    return {"object": "list", "url": url, "has_more": has_more, "data": data}


def _item(subscription: str, price: str, starts_at: int, ends_at: int) -> Object:
    return {
        **{"id": new_id("si"), "object": "subscription_item", "subscription": subscription, "quantity": 1},
        **{"price": price_object(price), "created": starts_at, "metadata": {}},
        **{"current_period_start": starts_at, "current_period_end": ends_at},
    }
