"""Lease fence: steps of a new operation wait until older attempts at the same integration have lost their leases.

Cancelling an operation does not stop attempts that are under way. Without the fence, such an attempt could overwrite in
the integration what a newer operation wrote. Dry runs write nothing, so nothing waits for their leases.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pymongo import ASCENDING, IndexModel
from pymongo.collection import Collection

from shared.db.documents import Document, Transaction
from shared.operations.model import Mode
from shared.workflows.model import INTEGRATION_OF_STEP

#: partial: only cancelled or expired operations with a live lease are in it
LEASED = IndexModel(
    [("tenantId", ASCENDING)], name="leased", partialFilterExpression={"leasedUntil": {"$type": "date"}}
)


def earliest_starts(
    collection: Collection[Document], tenant_id: str, steps: Sequence[str], session: Transaction
) -> dict[str, datetime]:
    """Return step name to the earliest time at which the step may run, only for steps that must wait."""
    by_integration: dict[str, datetime] = {}
    for name, until in _live_leases(collection, tenant_id, session).items():
        integration = _integration(name)
        by_integration[integration] = max(until, by_integration.get(integration, until))
    return {name: by_integration[_integration(name)] for name in steps if _integration(name) in by_integration}


def _live_leases(collection: Collection[Document], tenant_id: str, session: Transaction) -> dict[str, datetime]:
    """Return step name to the end of its latest lease that has not ended yet."""
    pipeline: list[Document] = [
        {"$match": {"tenantId": tenant_id, "leasedUntil": {"$type": "date"}, "mode": {"$ne": Mode.DRY_RUN}}},
        {"$unwind": "$steps"},
        {"$match": {"$expr": {"$gt": ["$steps.leaseUntil", "$$NOW"]}}},
        {"$group": {"_id": "$steps.name", "until": {"$max": "$steps.leaseUntil"}}},
    ]
    return {document["_id"]: document["until"] for document in collection.aggregate(pipeline, session=session)}


def _integration(step: str) -> str:
    return INTEGRATION_OF_STEP.get(step, step)
