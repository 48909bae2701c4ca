"""How a breaker's document changes, as update pipelines on the database's clock.

`failing` lists tenants whose latest attempts failed: tenantId, slug, reason, since, at, isolated. A tenant is isolated
once the integration answered another tenant while it went on failing: its failures then open no breaker.
`openings` counts how often in a row the breaker opened for a new tenant; each doubles the time it stays open.
`refused` is a fingerprint of the credentials that were refused.
"""

from __future__ import annotations

from shared.db.documents import Document, Pipeline, seconds_from_now
from shared.integrations.outcomes import BREAKER_REASON
from shared.switches.model import Span, TenantRef

#: an upper bound of the list; in an outage the latest are enough to see what is wrong
MOST_TENANTS = 50

#: a tenant that failed longer ago than this, in seconds, is forgotten: its operation has ended
FORGET_AFTER = 24 * 3600.0

IS_OPEN: Document = {"$ne": [{"$ifNull": ["$openUntil", None]}, None]}
_FAILING: Document = {
    "$filter": {
        "input": {"$ifNull": ["$failing", []]},
        "as": "one",
        "cond": {"$gt": ["$$one.at", seconds_from_now(-FORGET_AFTER)]},
    }
}
FAILING_IDS: Document = {"$map": {"input": _FAILING, "as": "one", "in": "$$one.tenantId"}}
_ISOLATED: Document = {"$filter": {"input": _FAILING, "as": "one", "cond": "$$one.isolated"}}
_ISOLATED_IDS: Document = {"$map": {"input": _ISOLATED, "as": "one", "in": "$$one.tenantId"}}


def failed(
    tenant: TenantRef | None, cause: str, detail: str, limit: int, span: Span, *, is_probe: bool = False
) -> Pipeline:
    """Count a failed attempt; open the breaker when `limit` tenants that are not isolated fail, or a probe did."""
    counted = {"$size": {"$filter": {"input": _FAILING, "as": "one", "cond": {"$not": "$$one.isolated"}}}}
    trips = {"$and": [{"$not": IS_OPEN}, {"$gte": [counted, limit]}]}
    known = {"$in": [tenant.id, FAILING_IDS]} if tenant else False
    isolated = {"$in": [tenant.id, _ISOLATED_IDS]} if tenant else False
    count = {"$add": [{"$ifNull": ["$failures", 0]}, {"$cond": [isolated, 0, 1]}]}
    return [
        {"$set": {"failures": count, "known": known}},
        *([{"$set": {"failing": _with(tenant, cause)}}] if tenant else []),
        # a tenant that failed before says nothing new: its probe does not lengthen the time
        _when({"$or": [is_probe, trips]}, _opened(cause, detail, span, {"$not": {"$and": [IS_OPEN, "$known"]}})),
        {"$unset": "known"},
    ]


def credentials_refused(detail: str, span: Span, fingerprint: str | None, *, is_probe: bool = False) -> Pipeline:
    """Open the breaker: every further call with these credentials would be refused too."""
    opened = _opened(BREAKER_REASON, detail, span, True) | {"refused": fingerprint}
    return [
        {"$set": {"failures": {"$add": [{"$ifNull": ["$failures", 0]}, 1]}}},
        _when({"$or": [is_probe, {"$not": IS_OPEN}]}, opened),
    ]


def backed_off(cause: str, detail: str, seconds: float) -> Pipeline:
    """Open the breaker for the time the integration asked for. Many are asked at once: that is one opening."""
    opened = _opened(cause, detail, Span(seconds, seconds), {"$not": IS_OPEN})
    return [{"$set": opened | {"openUntil": {"$max": ["$openUntil", opened["openUntil"]]}}}]


def answered(tenant: TenantRef | None) -> Pipeline:
    """Close the breaker. Tenants that still fail are isolated from now on; the one that was answered fails no more."""
    others = {
        "$filter": {"input": _FAILING, "as": "one", "cond": {"$ne": ["$$one.tenantId", tenant.id if tenant else None]}}
    }
    isolated = {"$map": {"input": others, "as": "one", "in": {"$mergeObjects": ["$$one", {"isolated": True}]}}}
    cleared = {"openUntil": None, "openedAt": None, "cause": None, "failures": 0, "openings": 0, "refused": None}
    return [{"$set": cleared | {"failing": isolated}}]


def _with(tenant: TenantRef, cause: str) -> Document:
    """The list with this tenant at its end, as it was or new."""
    is_it = {"$eq": ["$$one.tenantId", tenant.id]}
    before = {"$first": {"$filter": {"input": _FAILING, "as": "one", "cond": is_it}}}
    others = {"$filter": {"input": _FAILING, "as": "one", "cond": {"$not": is_it}}}
    it = {
        "tenantId": tenant.id,
        "slug": tenant.slug,
        "reason": cause,
        "since": {"$ifNull": ["$$before.since", "$$NOW"]},
        "at": "$$NOW",
        "isolated": {"$ifNull": ["$$before.isolated", False]},
    }
    joined = {"$slice": [{"$concatArrays": [others, [it]]}, -MOST_TENANTS]}
    return {"$let": {"vars": {"before": before}, "in": joined}}


def _opened(cause: str, detail: str, span: Span, is_new: Document | bool) -> Document:
    openings = {"$add": [{"$ifNull": ["$openings", 0]}, {"$cond": [is_new, 1, 0]}]}
    doubled = {"$multiply": [round(span.first * 1000), {"$pow": [2, {"$max": [0, {"$subtract": [openings, 1]}]}]}]}
    milliseconds = {"$toLong": {"$min": [round(span.longest * 1000), doubled]}}
    return {
        "openUntil": {"$add": ["$$NOW", milliseconds]},
        "openedAt": {"$ifNull": ["$openedAt", "$$NOW"]},
        "openings": openings,
        "cause": {"$literal": cause},
        "detail": {"$literal": detail},
    }


def _when(condition: Document, fields: Document) -> Document:
    """Set these fields where the condition holds, else leave them as they are."""
    kept = {name: {"$cond": [condition, value, {"$ifNull": [f"${name}", None]}]} for name, value in fields.items()}
    return {"$set": kept}
