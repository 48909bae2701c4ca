"""The `subscriptions` collection: what a tenant pays for. One live subscription for each tenant, by index."""

from __future__ import annotations

from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from shared.core.errors import SubscriptionExists
from shared.db.documents import (
    Document,
    Transaction,
    changed,
    literals,
    made,
    make_indexes,
    newest_first,
    object_id,
    our_errors,
    written,
)
from shared.db.paging import Page
from shared.subscriptions.model import (
    LIVE,
    NewSubscription,
    Subscription,
    SubscriptionChanges,
    SubscriptionQuery,
    SubscriptionStatus,
)

INDEXES = [
    IndexModel(
        [("tenantId", ASCENDING)], name="live", unique=True, partialFilterExpression={"status": {"$in": list(LIVE)}}
    ),
    IndexModel([("tenantId", ASCENDING), ("_id", DESCENDING)], name="tenant"),
    IndexModel([("status", ASCENDING), ("_id", DESCENDING)], name="status"),
]

_FIELDS = {
    "plan": "plan",
    "status": "status",
    "stripe_customer_id": "stripeCustomerId",
    "stripe_subscription_id": "stripeSubscriptionId",
    "current_period_end": "currentPeriodEnd",
}


class SubscriptionRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["subscriptions"]

    def make_indexes(self) -> None:
        make_indexes(self._rows, INDEXES)

    def insert(self, new: NewSubscription, session: Transaction, at: datetime | None = None) -> Subscription:
        """Raises SubscriptionExists when the tenant has a live one. `at`: see `made`."""
        document = {"_id": ObjectId(), "tenantId": new.tenant_id, "version": 1}
        document |= {field: getattr(new, name) for name, field in _FIELDS.items()}
        try:
            row = made(self._rows, document, session, at)
        except DuplicateKeyError:
            raise SubscriptionExists from None
        return subscription_of(row)

    def find(self, subscription_id: str, session: Transaction | None = None) -> Subscription | None:
        key = object_id(subscription_id)
        with our_errors():
            row = self._rows.find_one({"_id": key}, session=session) if key else None
        return subscription_of(row) if row else None

    def find_live(self, tenant_id: str, session: Transaction | None = None) -> Subscription | None:
        with our_errors():
            row = self._rows.find_one({"tenantId": tenant_id, "status": {"$in": list(LIVE)}}, session=session)
        return subscription_of(row) if row else None

    def find_billed(self, tenant_id: str, stripe_subscription_id: str, session: Transaction) -> Subscription | None:
        """The tenant's record of this subscription at Stripe, else its live one, which is not known there yet."""
        billed = {"tenantId": tenant_id, "stripeSubscriptionId": stripe_subscription_id}
        row = self._rows.find_one(billed, session=session)
        return subscription_of(row) if row else self.find_live(tenant_id, session)

    def of_tenants(self, tenant_ids: tuple[str, ...]) -> tuple[Subscription, ...]:
        """All subscriptions of these tenants, newest first."""
        with our_errors():
            rows = self._rows.find({"tenantId": {"$in": list(tenant_ids)}}).sort("_id", DESCENDING)
            return tuple(map(subscription_of, rows))

    def page(self, tenant_ids: tuple[str, ...] | None, query: SubscriptionQuery) -> Page[Subscription]:
        """Newest first, of these tenants, or of all when None."""
        conditions: list[Document] = [
            {} if tenant_ids is None else {"tenantId": {"$in": list(tenant_ids)}},
            {"tenantId": query.tenant_id} if query.tenant_id else {},
            {"status": query.status} if query.status else {},
        ]
        rows, following = newest_first(self._rows, conditions, query.limit, query.after)
        return Page(tuple(map(subscription_of, rows)), following)

    def change(self, subscription: Subscription, changes: SubscriptionChanges, session: Transaction) -> Subscription:
        """Raises SubscriptionExists when it would become the tenant's second live one."""
        fields = literals({_FIELDS[name]: value for name, value in changes.items()})
        try:
            row = changed(self._rows, subscription.id, fields, session)
        except DuplicateKeyError:
            raise SubscriptionExists from None
        return subscription_of(row)

    def cancel_all(self, tenant_id: str, session: Transaction) -> None:
        """End whatever the tenant still pays for."""
        ended = written(literals({"status": SubscriptionStatus.CANCELED}))
        self._rows.update_many({"tenantId": tenant_id, "status": {"$in": list(LIVE)}}, ended, session=session)

    def delete(self, subscription_id: str, session: Transaction) -> None:
        self._rows.delete_one({"_id": ObjectId(subscription_id)}, session=session)


def subscription_of(row: Document) -> Subscription:
    """The subscription a row of the collection stands for."""
    return Subscription(
        id=str(row["_id"]),
        tenant_id=row["tenantId"],
        plan=row["plan"],
        status=SubscriptionStatus(row["status"]),
        stripe_customer_id=row.get("stripeCustomerId"),
        stripe_subscription_id=row.get("stripeSubscriptionId"),
        current_period_end=row.get("currentPeriodEnd"),
        version=row.get("version", 1),
        created_at=row["createdAt"],
        updated_at=row["updatedAt"],
    )
