"""Faults of the products' simulators that a run injects, and those that it excludes."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

PRODUCTS = ("authentik", "stalwart", "ocis")
Rule = dict[str, Any]

#: faults of any product, with their weights
_COMMON: tuple[tuple[int, Rule], ...] = (
    (3, {"kind": "latency", "delay": 0.4}),
    (2, {"kind": "hang", "delay": 6, "probability": 0.3}),
    (2, {"kind": "drip", "delay": 0.02, "probability": 0.5}),
    (2, {"kind": "drip", "delay": 0.6, "probability": 0.1}),
    (3, {"kind": "reset", "probability": 0.5}),
    (4, {"kind": "lost", "probability": 0.5}),
    (2, {"kind": "status", "status": 500, "probability": 0.6}),
    (2, {"kind": "status", "status": 502}),
    (3, {"kind": "status", "status": 503, "probability": 0.7, "headers": {"Retry-After": "1"}}),
    (3, {"kind": "applied_then_status", "status": 500, "probability": 0.5}),
    (2, {"kind": "applied_then_status", "status": 504, "probability": 0.5}),
    (3, {"kind": "rate_limited", "retry_after": 1, "probability": 0.6}),
    (2, {"kind": "wrong_body", "probability": 0.4}),
    (2, {"kind": "empty_body", "probability": 0.4}),
)
#: faults of one product. `idp_down`, `mfa` and `role_lost` are permanent errors: they end a step at once, and the first
#: opens the circuit breaker for a minute.
_OWN: Mapping[str, tuple[tuple[int, Rule], ...]] = {
    "authentik": (
        (3, {"kind": "twin_first", "probability": 0.5}),
        (2, {"kind": "starting", "probability": 0.5}),
        (2, {"kind": "database_down", "probability": 0.5}),
    ),
    "stalwart": (
        (3, {"kind": "server_unavailable", "probability": 0.4}),
        (4, {"kind": "partial_commit", "probability": 0.5}),
        (2, {"kind": "race_lost", "path": "Account", "probability": 0.5}),
        (2, {"kind": "tasks_in_between", "probability": 0.5}),
        (2, {"kind": "text_surplus", "probability": 0.5}),
        (3, {"kind": "max_concurrent_requests", "probability": 0.5}),
    ),
    "ocis": (
        (4, {"kind": "storage_down", "probability": 0.6}),
        (3, {"kind": "graph_down", "probability": 0.6}),
        (4, {"kind": "create_then_500", "probability": 0.5}),
        (2, {"kind": "role_lost", "probability": 0.3}),
        (2, {"kind": "role_pending", "probability": 0.2}),
        (2, {"kind": "proxy_page", "probability": 0.4}),
        (2, {"kind": "mfa", "probability": 0.3}),
        (1, {"kind": "idp_down", "probability": 0.3}),
    ),
}
#: kinds of faults that a simulator knows and no run injects, and why
_FALSE_SUCCESS = "a false success is found by the next drift check, which a run does not wait for"
_STALE = "an operation that closes objects sees only those that reads show"
_FOREIGN = "only a person can resolve a foreign object with the tenant's name or ownership marker"
LEFT_OUT: Mapping[str, Mapping[str, str]] = {
    "authentik": {
        "race_lost": _FOREIGN,
        "slow_down": "it concerns devices that sign in, and none does here",
        "ignored": _FALSE_SUCCESS,
        "stale_reads": _STALE,
    },
    "stalwart": {"ignored": _FALSE_SUCCESS},
    "ocis": {
        "second_creator": _FOREIGN,
        "members_hidden": "a server hides members from all callers or from none, and does not change that by itself",
        "ignored": _FALSE_SUCCESS,
        "stale_reads": _STALE,
    },
}
#: only the APIs fail, not the endpoints with the keys that verify tokens
_PATHS = {"authentik": "^/api", "stalwart": "^/jmap", "ocis": "^/graph"}


def kinds_of(product: str) -> frozenset[str]:
    """Return the kinds of faults that a run may inject into a product."""
    return frozenset(rule["kind"] for _, rule in (*_COMMON, *_OWN[product]))


def make_rule(product: str, chance: random.Random) -> Rule:
    """Return one rule for a product's simulator."""
    rows = (*_COMMON, *_OWN[product])
    _, rule = chance.choices(rows, [weight for weight, _ in rows])[0]
    return ({"path": _PATHS[product]} | rule) if rule in [one for _, one in _COMMON] else dict(rule)
