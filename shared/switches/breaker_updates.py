"""Update pipelines of a breaker's document, on the database's clock.

`failing` lists tenants whose latest attempts failed: tenantId, slug, reason, wait, since, at, isolated. A failing
tenant becomes isolated when the integration answers another tenant; its failures then do not count for the breaker.
`openings` counts how many times in a row the breaker opened because of another tenant; each doubles the time it stays
open. `refused` is a hash of the refused credentials.
"""

from __future__ import annotations

from shared.db.documents import Document, Pipeline, seconds_from_now
from shared.integrations.outcomes import BREAKER_REASON
from shared.switches.model import CREDENTIALS_OPEN_DURATION, OpenDuration, TenantRef

#: upper limit of `failing`; in an outage the latest tenants are enough
MAX_FAILING_TENANTS = 50

#: seconds after which a failing tenant is dropped: its operation has ended by then
FAILING_RETENTION = 24 * 3600.0

IS_OPEN: Document = {"$ne": [{"$ifNull": ["$openUntil", None]}, None]}
_FAILING: Document = {
    "$filter": {
        "input": {"$ifNull": ["$failing", []]},
        "as": "one",
        "cond": {"$gt": ["$$one.at", seconds_from_now(-FAILING_RETENTION)]},
    }
}
FAILING_IDS: Document = {"$map": {"input": _FAILING, "as": "one", "in": "$$one.tenantId"}}
_COUNTED: Document = {"$filter": {"input": _FAILING, "as": "one", "cond": {"$not": "$$one.isolated"}}}
_ISOLATED: Document = {"$filter": {"input": _FAILING, "as": "one", "cond": "$$one.isolated"}}
_ISOLATED_IDS: Document = {"$map": {"input": _ISOLATED, "as": "one", "in": "$$one.tenantId"}}


def failed(
    tenant: TenantRef | None,
    cause: str,
    detail: str,
    limit: int,
    duration: OpenDuration,
    *,
    wait: float = 0.0,
    is_probe: bool = False,
) -> Pipeline:
    """Count a failed attempt. Open the breaker when `limit` tenants that are not isolated fail, or a probe failed.

    `wait`: seconds that this attempt was asked to wait. The breaker stays open so long if all who count were asked.
    """
    counted = {"$size": _COUNTED}
    asked = {"$min": {"$map": {"input": _COUNTED, "as": "one", "in": {"$ifNull": ["$$one.wait", 0]}}}}
    trips = {"$and": [{"$not": IS_OPEN}, {"$gte": [counted, limit]}]}
    known = {"$in": [tenant.id, FAILING_IDS]} if tenant else False
    isolated = {"$in": [tenant.id, _ISOLATED_IDS]} if tenant else False
    count = {"$add": [{"$ifNull": ["$failures", 0]}, {"$cond": [isolated, 0, 1]}]}
    return [
        {"$set": {"failures": count, "known": known}},
        *([{"$set": {"failing": _with(tenant, cause, wait)}}] if tenant else []),
        # a probe of a tenant that failed before is no new evidence, so it does not double the time
        _when(
            {"$or": [is_probe, trips]}, _open(cause, detail, duration, {"$not": {"$and": [IS_OPEN, "$known"]}}, asked)
        ),
        {"$unset": "known"},
    ]


def credentials_refused(detail: str, fingerprint: str | None, *, is_probe: bool = False) -> Pipeline:
    """Open the breaker, because the integration would refuse every further call with these credentials."""
    opened = _open(BREAKER_REASON, detail, CREDENTIALS_OPEN_DURATION, True) | {"refused": fingerprint}
    return [
        {"$set": {"failures": {"$add": [{"$ifNull": ["$failures", 0]}, 1]}}},
        _when({"$or": [is_probe, {"$not": IS_OPEN}]}, opened),
    ]


def backed_off(cause: str, detail: str, seconds: float) -> Pipeline:
    """Open the breaker for the time that the integration asked for. Concurrent attempts count as one opening."""
    opened = _open(cause, detail, OpenDuration(seconds, seconds), {"$not": IS_OPEN})
    return [{"$set": opened | {"openUntil": {"$max": ["$openUntil", opened["openUntil"]]}}}]


def answered(tenant: TenantRef | None) -> Pipeline:
    """Close the breaker, drop the answered tenant from `failing`, and isolate the others that are still failing."""
    others = {
        "$filter": {"input": _FAILING, "as": "one", "cond": {"$ne": ["$$one.tenantId", tenant.id if tenant else None]}}
    }
    isolated = {"$map": {"input": others, "as": "one", "in": {"$mergeObjects": ["$$one", {"isolated": True}]}}}
    cleared = {"openUntil": None, "openedAt": None, "cause": None, "failures": 0, "openings": 0, "refused": None}
    return [{"$set": cleared | {"failing": isolated}}]


def _with(tenant: TenantRef, cause: str, wait: float) -> Document:
    """Return `failing` with this tenant moved or added to the end."""
    is_same = {"$eq": ["$$one.tenantId", tenant.id]}
    before = {"$first": {"$filter": {"input": _FAILING, "as": "one", "cond": is_same}}}
    others = {"$filter": {"input": _FAILING, "as": "one", "cond": {"$not": is_same}}}
    latest = {
        "tenantId": tenant.id,
        "slug": tenant.slug,
        "reason": cause,
        "wait": wait,
        "since": {"$ifNull": ["$$before.since", "$$NOW"]},
        "at": "$$NOW",
        "isolated": {"$ifNull": ["$$before.isolated", False]},
    }
    joined = {"$slice": [{"$concatArrays": [others, [latest]]}, -MAX_FAILING_TENANTS]}
    return {"$let": {"vars": {"before": before}, "in": joined}}


def _open(
    cause: str, detail: str, duration: OpenDuration, is_new: Document | bool, asked: Document | float = 0.0
) -> Document:
    """Return the fields of an open breaker. `asked`: seconds that it stays open at least."""
    openings = {"$add": [{"$ifNull": ["$openings", 0]}, {"$cond": [is_new, 1, 0]}]}
    doubled = {"$multiply": [round(duration.first * 1000), {"$pow": [2, {"$max": [0, {"$subtract": [openings, 1]}]}]}]}
    at_least = {"$multiply": [{"$ifNull": [asked, 0]}, 1000]}
    milliseconds = {"$toLong": {"$max": [at_least, {"$min": [round(duration.longest * 1000), doubled]}]}}
    return {
        "openUntil": {"$add": ["$$NOW", milliseconds]},
        "openedAt": {"$ifNull": ["$openedAt", "$$NOW"]},
        "openings": openings,
        "cause": {"$literal": cause},
        "detail": {"$literal": detail},
    }


def _when(condition: Document, fields: Document) -> Document:
    """Return a stage that sets these fields if the condition is true."""
    kept = {name: {"$cond": [condition, value, {"$ifNull": [f"${name}", None]}]} for name, value in fields.items()}
    return {"$set": kept}
