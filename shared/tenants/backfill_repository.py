"""Which tenants an integration has still to be brought to, because it was not configured when they were set up.

`unconfigured` on a tenant: the integrations its latest steps found not configured. A tenant from before an integration
existed shows no status for it at all. `backfillAfter`: not before then again.
"""

from __future__ import annotations

from collections.abc import Collection

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.database import Database

from shared.db.documents import Document, Transaction, our_errors, seconds_from_now, written
from shared.tenants.documents import tenant_of
from shared.tenants.model import Tenant
from shared.tenants.transitions import TRANSITIONS
from shared.workflows.model import Action


class BackfillRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["tenants"]

    def unfilled(self, integration: str, limit: int) -> list[Tenant]:
        """Tenants that might be reconciled and were never brought to the integration, as it was not configured."""
        with our_errors():
            found = [
                row for condition in unfilled_conditions(integration) for row in self._rows.find(condition).limit(limit)
            ]
        return [tenant_of(row) for row in found[:limit]]

    def fill(self, tenant_id: str, integration: str, again_after: float, session: Transaction) -> Tenant | None:
        """Show that the integration is waited for. Should it not be reached, look again after so many seconds.

        None when it has been brought there since, or is to be by somebody else.
        """
        fields = filling(integration) | {"backfillAfter": seconds_from_now(again_after)}
        still = {"_id": ObjectId(tenant_id), "$or": list(unfilled_conditions(integration))}
        row = self._rows.find_one_and_update(
            still, written(fields), return_document=ReturnDocument.AFTER, session=session
        )
        return tenant_of(row) if row else None


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
