"""Which tenants an integration has still to be brought to, because it was not configured when they were set up.

`unconfigured` on a tenant: the integrations its latest steps found not configured. A tenant from before an integration
existed shows no status for it at all. `backfillAfter`: not before then again.
"""

from __future__ import annotations

from collections.abc import Collection

from shared.domain.operation import Action
from shared.domain.recipes import TRANSITIONS
from shared.store.mongo import Document


def left_out(unconfigured: Collection[str], touched: Collection[str]) -> Document:
    """Fields once steps have ended: what they found not configured, less what they did reach."""
    known = {"$setDifference": [{"$ifNull": ["$unconfigured", []]}, sorted(touched)]}
    return {"unconfigured": {"$setUnion": [known, sorted(unconfigured)]}}


def filling(integration: str) -> Document:
    """Fields as a reconcile begins that brings the integration to a tenant."""
    return {f"provisioningStatus.{integration}": "pending", **left_out((), (integration,))}


def unfilled_conditions(integration: str) -> tuple[Document, ...]:
    """Two queries, each with an index of its own: found not configured, and never heard of."""
    ready: Document = {
        "status": {"$in": sorted(TRANSITIONS[Action.RECONCILE].starts)},
        "$expr": {"$lte": [{"$ifNull": ["$backfillAfter", "$$NOW"]}, "$$NOW"]},
    }
    return {"unconfigured": integration, **ready}, {f"provisioningStatus.{integration}": None, **ready}
