"""The `subscriptions` collection. A unique index allows one live subscription per tenant."""

from __future__ import annotations

from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from shared.core.errors import SubscriptionExists
from shared.db.documents import (
    Document,
    Page,
    Transaction,
    find_by_id,
    find_value,
    insert_record,
    literals,
    newest_page,
    translate_errors,
    update_record,
    versioned_update,
)
from shared.db.mapping import mapper
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
        self._subscriptions = database["subscriptions"]

    def insert(self, new: NewSubscription, session: Transaction, at: datetime | None = None) -> Subscription:
        """Insert a subscription. Raises SubscriptionExists if there is a live one. `at`: see `insert_record`."""
        document = {"_id": ObjectId(), "tenantId": new.tenant_id, "version": 1}
        document |= {field: getattr(new, name) for name, field in _FIELDS.items()}
        try:
            stored = insert_record(self._subscriptions, document, session, at)
        except DuplicateKeyError:
            raise SubscriptionExists from None
        return subscription_of(stored)

    def find(self, subscription_id: str, session: Transaction | None = None) -> Subscription | None:
        return find_by_id(self._subscriptions, subscription_id, subscription_of, session)

    def find_live(self, tenant_id: str, session: Transaction | None = None) -> Subscription | None:
        return find_value(
            self._subscriptions, {"tenantId": tenant_id, "status": {"$in": list(LIVE)}}, subscription_of, session
        )

    def find_billed(self, tenant_id: str, stripe_subscription_id: str, session: Transaction) -> Subscription | None:
        """Return the tenant's record with this Stripe id, else its live one, which Stripe does not know yet."""
        billed = {"tenantId": tenant_id, "stripeSubscriptionId": stripe_subscription_id}
        document = self._subscriptions.find_one(billed, session=session)
        return subscription_of(document) if document else self.find_live(tenant_id, session)

    def of_tenants(self, tenant_ids: tuple[str, ...]) -> tuple[Subscription, ...]:
        """Return all subscriptions of these tenants, newest first."""
        with translate_errors():
            documents = self._subscriptions.find({"tenantId": {"$in": list(tenant_ids)}}).sort("_id", DESCENDING)
            return tuple(map(subscription_of, documents))

    def page(self, tenant_ids: tuple[str, ...] | None, query: SubscriptionQuery) -> Page[Subscription]:
        """Return a page of subscriptions of these tenants (None: of all), newest first."""
        conditions: list[Document] = [
            {} if tenant_ids is None else {"tenantId": {"$in": list(tenant_ids)}},
            {"tenantId": query.tenant_id} if query.tenant_id else {},
            {"status": query.status} if query.status else {},
        ]
        return newest_page(self._subscriptions, conditions, query.limit, query.after, subscription_of)

    def change(self, subscription: Subscription, changes: SubscriptionChanges, session: Transaction) -> Subscription:
        """Change a subscription. Raises SubscriptionExists when it would be the tenant's second live one."""
        fields = literals({_FIELDS[name]: value for name, value in changes.items()})
        try:
            document = update_record(self._subscriptions, subscription.id, fields, session)
        except DuplicateKeyError:
            raise SubscriptionExists from None
        return subscription_of(document)

    def cancel_all(self, tenant_id: str, session: Transaction) -> None:
        """Cancel the tenant's live subscription."""
        canceled = versioned_update(literals({"status": SubscriptionStatus.CANCELED}))
        self._subscriptions.update_many(
            {"tenantId": tenant_id, "status": {"$in": list(LIVE)}}, canceled, session=session
        )

    def delete(self, subscription_id: str, session: Transaction) -> None:
        self._subscriptions.delete_one({"_id": ObjectId(subscription_id)}, session=session)


subscription_of = mapper(Subscription, version=lambda document: document.get("version", 1))
