"""Documents of the `tenants` collection: their indexes, and the mapping to values and back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel

from shared.db.documents import Document
from shared.db.mapping import each, mapper, nested, plain
from shared.integrations.catalog import FORMER_FIELDS, INTEGRATIONS, STORED_FIELDS
from shared.tenants.model import Drift, NotChecked, Tenant

INDEXES = [
    IndexModel([("slug", ASCENDING)], name="slug", unique=True),
    # multikey and unique: no two tenants can have the same domain
    IndexModel(
        [("domains", ASCENDING)],
        name="domains",
        unique=True,
        partialFilterExpression={"domains.0": {"$exists": True}},
    ),
    IndexModel([("partnerId", ASCENDING), ("_id", DESCENDING)], name="partner"),
    IndexModel([("status", ASCENDING), ("_id", DESCENDING)], name="status"),
    IndexModel([("status", ASCENDING), ("driftDueAt", ASCENDING)], name="drift"),
    IndexModel([("retryAt", ASCENDING)], name="retry", sparse=True),
    IndexModel([("pause.since", ASCENDING), ("_id", DESCENDING)], name="paused", sparse=True),
    IndexModel([("purgeAfter", ASCENDING)], name="purge", sparse=True),
    IndexModel([("plan", ASCENDING), ("_id", DESCENDING)], name="plan"),
    IndexModel([("unconfigured", ASCENDING)], name="unconfigured", sparse=True),
    IndexModel([("search", ASCENDING), ("_id", DESCENDING)], name="search"),
    # integrations in which the latest drift check found drift; the field is absent without drift
    IndexModel(
        [("drifted", ASCENDING), ("drift.lookedAt", ASCENDING)],
        name="drifted",
        partialFilterExpression={"drifted": {"$exists": True}},
    ),
    *[
        IndexModel([(f"provisioningStatus.{integration}", ASCENDING), ("_id", DESCENDING)], name=f"step_{integration}")
        for integration in INTEGRATIONS
    ],
]


def _remote(document: Document) -> dict[str, Any]:
    """Return the remote fields; a list that an older build keeps under its former name is added to the present one."""
    found = {field: document[field] for field in STORED_FIELDS if document.get(field) is not None}
    for field, former in FORMER_FIELDS.items():
        if document.get(former):
            found[field] = sorted({*found.get(field, ()), *document[former]})
    return found


def document_of(tenant: Tenant) -> Document:
    """Return the document of a tenant that no step has added anything to, without personal data."""
    impersonal = replace(tenant, billing_info=None, owner=None)
    return {name: value for name, value in plain(impersonal).items() if value is not None} | {"_id": tenant.id}


_not_checked = mapper(NotChecked, checked_at="lookedAt")
_drift = mapper(Drift, checked_at="lookedAt", not_checked=each("notChecked", _not_checked))

tenant_of = mapper(
    Tenant,
    remote=_remote,
    drift=nested("drift", _drift),
)
