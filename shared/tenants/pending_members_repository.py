"""Tenants whose group is not a member of its space yet, because OCIS did not know the group.

Stored fields of such a tenant: `ocisMembers` is `pending`; `membersDueAt` is the time of the next check;
`membersWait` how many seconds after the latest reconcile that was. The last two are removed once the group is a member.
"""

from __future__ import annotations

from bson import ObjectId
from pymongo import ASCENDING, IndexModel
from pymongo.database import Database

from shared.db.documents import Document, seconds_from_now, translate_errors, update_value
from shared.tenants.documents import tenant_of
from shared.tenants.model import Tenant
from shared.tenants.transitions import TRANSITIONS
from shared.workflows.model import Action

PENDING: Document = {"ocisMembers": "pending"}
INDEXES = [IndexModel([("membersDueAt", ASCENDING)], name="pending_members", partialFilterExpression=PENDING)]


class PendingMembersRepository:
    """Reads and writes the `tenants` collection. A claim is atomic, so any number of schedulers may call it."""

    def __init__(self, database: Database[Document]) -> None:
        self._tenants = database["tenants"]

    def claim(self, interval: float) -> Tenant | None:
        """Claim the tenant whose check is most overdue; schedule its next check in `interval` seconds."""
        due: Document = {
            **PENDING,
            "status": {"$in": sorted(TRANSITIONS[Action.RECONCILE].starts)},
            "$expr": {"$lte": [{"$ifNull": ["$membersDueAt", "$$NOW"]}, "$$NOW"]},
        }
        return update_value(
            self._tenants,
            due,
            [{"$set": {"membersDueAt": seconds_from_now(interval)}}],
            tenant_of,
            sort=[("membersDueAt", ASCENDING)],
        )

    def back_off(self, tenant_id: str, first: float, longest: float) -> None:
        """Double the wait until the tenant's next check, after a reconcile was started. `first`: the time before it."""
        doubled = {"$min": [longest, {"$multiply": [2, {"$ifNull": ["$membersWait", first]}]}]}
        due = {"$add": ["$$NOW", {"$multiply": ["$membersWait", 1000]}]}
        with translate_errors():
            self._tenants.update_one(
                {"_id": ObjectId(tenant_id), **PENDING},
                [{"$set": {"membersWait": doubled}}, {"$set": {"membersDueAt": due}}],
            )
