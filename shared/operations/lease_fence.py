"""The barrier between two operations of one tenant: what an attempt that was stopped may still be writing outside.

Stopping an operation does not stop its attempts under way. So a newer one's steps wait for the leases that are left on
the same integration, else an older write could land over a newer one. But not for those of a plan: it writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pymongo import ASCENDING, IndexModel
from pymongo.collection import Collection

from shared.db.documents import Document, Transaction
from shared.operations.model import Mode
from shared.workflows.model import INTEGRATION_OF_STEP

#: stopped operations some attempt of which was under way; few ever are, however many a tenant had
LEASED = IndexModel(
    [("tenantId", ASCENDING)], name="leased", partialFilterExpression={"leasedUntil": {"$type": "date"}}
)


def waits(
    rows: Collection[Document], tenant_id: str, steps: Sequence[str], session: Transaction
) -> dict[str, datetime]:
    """Step name: the time before which it must not be run, for those that must wait."""
    by_integration: dict[str, datetime] = {}
    for name, until in _live_leases(rows, tenant_id, session).items():
        integration = _integration(name)
        by_integration[integration] = max(until, by_integration.get(integration, until))
    return {name: by_integration[_integration(name)] for name in steps if _integration(name) in by_integration}


def _live_leases(rows: Collection[Document], tenant_id: str, session: Transaction) -> dict[str, datetime]:
    """Step name: end of the longest lease that is still alive."""
    pipeline: list[Document] = [
        {"$match": {"tenantId": tenant_id, "leasedUntil": {"$type": "date"}, "mode": {"$ne": Mode.PLAN}}},
        {"$unwind": "$steps"},
        {"$match": {"$expr": {"$gt": ["$steps.leaseUntil", "$$NOW"]}}},
        {"$group": {"_id": "$steps.name", "until": {"$max": "$steps.leaseUntil"}}},
    ]
    return {row["_id"]: row["until"] for row in rows.aggregate(pipeline, session=session)}


def _integration(step: str) -> str:
    return INTEGRATION_OF_STEP.get(step, step)
