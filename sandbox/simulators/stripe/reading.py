"""List, search and expand Stripe's objects."""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Mapping
from typing import Any

from sandbox.simulators.stripe.forms import StripeError, allow, integer
from sandbox.simulators.stripe.objects import ENDED, Object, Objects, list_of

MAX_PAGE_SIZE = 100
PAGING = {"limit", "starting_after", "created"}
CLAUSE = re.compile(
    r"""metadata\[(["'])(?P<key>.+?)\1\]:(["'])(?P<value>.*?)\3|(?P<field>email|name):(["'])(?P<text>.*?)\6"""
)


def page(objects: list[Object], params: Mapping[str, Any], url: str) -> Object:
    """Return a page, newest first, after `starting_after`."""
    limit = _limit(params)
    found = [one for one in reversed(objects) if not one.get("deleted") and _is_created_as_asked(one, params)]
    if "starting_after" in params:
        ids = [one["id"] for one in found]
        if params["starting_after"] not in ids:
            raise StripeError(400, "No such object", "resource_missing", "starting_after")
        found = found[ids.index(params["starting_after"]) + 1 :]
    return list_of(found[:limit], url, len(found) > limit)


def customers(objects: Objects, params: Mapping[str, Any]) -> Object:
    allow(params, PAGING | {"email"})
    found = [one for one in objects.customers.values() if params.get("email") in (None, one.get("email"))]
    return page(found, params, "/v1/customers")


def tax_ids(objects: Objects, params: Mapping[str, Any]) -> Object:
    allow(params, PAGING | {"customer"})
    customer = str(params["customer"])
    return page(objects.tax_ids_of(customer), params, f"/v1/customers/{customer}/tax_ids")


def subscriptions(objects: Objects, params: Mapping[str, Any]) -> Object:
    """List subscriptions; without a status, those that are not canceled."""
    allow(params, PAGING | {"customer", "status", "price"})
    status = params.get("status")
    found = [
        one
        for one in objects.subscriptions.values()
        if params.get("customer") in (None, one["customer"]) and _has_status(one, status)
    ]
    return page(found, params, "/v1/subscriptions")


def search(objects: Objects, params: Mapping[str, Any], lag: float) -> Object:
    """Search customers with an index that is `lag` seconds old: those changed since then are not found."""
    allow(params, {"query", "limit", "page"})
    wanted = _clauses(str(params.get("query", "")))
    seen = [
        one
        for one in objects.customers.values()
        if not one.get("deleted") and objects.changed[one["id"]] <= time.time() - lag
    ]
    found = [one for one in reversed(seen) if all(_matches(one, *clause) for clause in wanted)]
    limit = _limit(params)
    result = list_of(found[:limit], "/v1/customers/search", len(found) > limit)
    return {**result, "object": "search_result", "next_page": None}


def expand(objects: Objects, shown: Object, paths: Any) -> Object:
    """Replace ids by their objects; only a subscription's customer is supported."""
    shown = copy.deepcopy(shown)
    for path in paths if isinstance(paths, list) else []:
        name = path.removeprefix("data.")
        for one in shown["data"] if path.startswith("data.") else [shown]:
            if name != "customer" or one.get("object") != "subscription":
                raise StripeError(400, f"This property cannot be expanded ({path}).", param="expand")
            one["customer"] = copy.deepcopy(objects.customers[one["customer"]])
    return shown


def _limit(params: Mapping[str, Any]) -> int:
    limit = integer(params, "limit", 10) or 0
    if not 1 <= limit <= MAX_PAGE_SIZE:
        raise StripeError(400, "This value must be between 1 and 100.", "parameter_invalid_integer", "limit")
    return limit


def _is_created_as_asked(one: Object, params: Mapping[str, Any]) -> bool:
    asked = params.get("created", {})
    bounds = asked if isinstance(asked, Mapping) else {"gte": asked, "lte": asked}
    tests = {"gt": int.__gt__, "gte": int.__ge__, "lt": int.__lt__, "lte": int.__le__}
    return all(tests[name](one["created"], integer(bounds, name) or 0) for name in bounds)


def _has_status(one: Object, status: str | None) -> bool:
    if status == "ended":
        return one["status"] in ENDED
    return status == "all" or (one["status"] == status if status else one["status"] != "canceled")


def _clauses(query: str) -> list[tuple[str, str, str]]:
    """Parse `metadata["key"]:"value" AND email:"text"` to [("metadata", "key", "value"), ("email", "", "text")]."""
    found = []
    for text in query.split(" AND "):
        clause = CLAUSE.fullmatch(text.strip())
        if clause is None:
            raise StripeError(400, "We were unable to parse your search query.", param="query")
        field = clause["field"]
        found.append((field, "", clause["text"]) if field else ("metadata", clause["key"], clause["value"]))
    return found


def _matches(one: Object, field: str, key: str, value: str) -> bool:
    held = one["metadata"].get(key) if field == "metadata" else one.get(field)
    return bool(held == value)
