"""The page of collections and indexes."""

from __future__ import annotations

from collections.abc import Iterator

from pymongo import IndexModel

from shared.application.indexes import REQUIRED_INDEXES
from tools.reference import MARK

HEAD = f"""\
# Collections and indexes

{MARK}

The API creates these indexes at its first start and answers 503 until all are there. Numbered migrations change what
an older release wrote. Collections without such indexes are not listed: switches (circuit breakers, pauses,
observe-only mode), quotas, rate limits, tombstones, migrations."""

#: description of each collection
COLLECTIONS = {
    "tenants": "One document per tenant. It stays after a purge, so slug and domains are never given again.",
    "operations": "One document per operation with its steps, attempts and leases. It is the outbox as well.",
    "domains": "One document per domain of a tenant: proof, state, and the records that DNS last showed.",
    "domainFamilies": "One document per domain below a registry's suffix: transactions that add domains below it "
    "write to it, so that of two at once the second finds the first one's domain.",
    "users": "People's records: subject, roles, tenants, partner.",
    "deleted_subjects": "Hashes of the subjects of deleted users, until their tokens have expired.",
    "emergency_tokens": "Hashes of tokens for the time in which Authentik is down.",
    "partners": "Resellers.",
    "subscriptions": "A tenant's plan and its payment, with ids and state of Stripe.",
    "events": "The audit log and event feed.",
    "idempotency": "Answers to requests with an `Idempotency-Key`, and what they changed, until it expires.",
    "webhooks": "Receivers of events, with encrypted secrets.",
    "deliveries": "One document per event and webhook, with its attempts.",
    "orphans": "Objects in the products that carry our marker and belong to no tenant.",
    "orphan_looks": "One document per integration: when its next orphan scan is due, and how the last one ended.",
    "bulk_operations": "Bulk operations: selector, progress, author.",
    "bulk_items": "One document per tenant of a bulk operation.",
    "diagnostics": "Runs of the doctor, and what they found.",
}


def page() -> str:
    """Return the page. Raises KeyError for a collection that is described nowhere."""
    lines = [HEAD]
    for name, indexes in REQUIRED_INDEXES.items():
        lines += ["", f"## `{name}`", "", COLLECTIONS[name], "", "| index | keys | kind |", "|---|---|---|"]
        lines += map(_row, indexes)
    return "\n".join(lines) + "\n"


def _row(index: IndexModel) -> str:
    described = index.document
    keys = ", ".join(f"`{key}`{_direction(way)}" for key, way in described["key"].items())
    return f"| `{described['name']}` | {keys} | {', '.join(_kinds(described))} |"


def _direction(way: object) -> str:
    return "" if way == 1 else " descending" if way == -1 else f" ({way})"


def _kinds(described: dict[str, object]) -> Iterator[str]:
    yield from (word for word in ("unique", "sparse") if described.get(word))
    if "partialFilterExpression" in described:
        yield "partial"
    if "expireAfterSeconds" in described:
        yield "expires"
