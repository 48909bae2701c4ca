"""Tenants that need a backfill: an integration was not configured when they were provisioned.

Stored fields of a tenant: `unconfigured` lists integrations that its latest steps found not configured;
`backfillAfter` is the earliest time of the next try. A tenant older than an integration has no
`provisioningStatus` for it.
"""

from __future__ import annotations

from collections.abc import Collection

from bson import ObjectId
from pymongo.database import Database

from shared.db.documents import (
    Document,
    Transaction,
    seconds_from_now,
    translate_errors,
    update_value,
    versioned_update,
)
from shared.tenants.documents import tenant_of
from shared.tenants.model import Tenant
from shared.tenants.transitions import TRANSITIONS
from shared.workflows.model import Action


class BackfillRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._tenants = database["tenants"]

    def candidates(self, integration: str, limit: int) -> list[Tenant]:
        """Return tenants that need a backfill of the integration and can be reconciled now."""
        with translate_errors():
            found = [
                document
                for condition in candidate_conditions(integration)
                for document in self._tenants.find(condition).limit(limit)
            ]
        return [tenant_of(document) for document in found[:limit]]

    def claim(self, tenant_id: str, integration: str, again_after: float, session: Transaction) -> Tenant | None:
        """Claim a tenant and show the integration as pending. It is a candidate again after `again_after` seconds.

        Return None when the tenant needs no backfill any more, or another process has claimed it.
        """
        fields = backfill_fields(integration) | {"backfillAfter": seconds_from_now(again_after)}
        condition = {"_id": ObjectId(tenant_id), "$or": list(candidate_conditions(integration))}
        return update_value(self._tenants, condition, versioned_update(fields), tenant_of, session)

    def postpone(self, tenant_id: str, seconds: float) -> None:
        """Let the tenant be no candidate for so long."""
        with translate_errors():
            self._tenants.update_one(
                {"_id": ObjectId(tenant_id)}, [{"$set": {"backfillAfter": seconds_from_now(seconds)}}]
            )


def unconfigured_fields(unconfigured: Collection[str], touched: Collection[str]) -> Document:
    """Return the update of `unconfigured` after steps have ended. `touched`: integrations that they reached."""
    known = {"$setDifference": [{"$ifNull": ["$unconfigured", []]}, sorted(touched)]}
    return {"unconfigured": {"$setUnion": [known, sorted(unconfigured)]}}


def backfill_fields(integration: str) -> Document:
    """Return the fields of a tenant whose backfill starts."""
    return {f"provisioningStatus.{integration}": "pending", **unconfigured_fields((), (integration,))}


def candidate_conditions(integration: str) -> tuple[Document, ...]:
    """Return two queries, each with its own index: integration not configured, and no status of it at all."""
    ready: Document = {
        "status": {"$in": sorted(TRANSITIONS[Action.RECONCILE].starts)},
        "$expr": {"$lte": [{"$ifNull": ["$backfillAfter", "$$NOW"]}, "$$NOW"]},
    }
    return {"unconfigured": integration, **ready}, {f"provisioningStatus.{integration}": None, **ready}
