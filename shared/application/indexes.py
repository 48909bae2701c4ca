"""The required indexes by collection. Unique ones enforce rules; the others serve queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pymongo import IndexModel

from shared.accounts import partner_repository, user_repository
from shared.bulk import repository as bulk
from shared.domains import repository as domains
from shared.events import repository as events
from shared.operations.indexes import INDEXES as OPERATIONS
from shared.subscriptions import repository as subscriptions
from shared.tenants import documents as tenants
from shared.webhooks import delivery_repository, repository

REQUIRED_INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "tenants": tenants.INDEXES,
    "operations": OPERATIONS,
    "domains": domains.INDEXES,
    "users": user_repository.INDEXES,
    "partners": partner_repository.INDEXES,
    "subscriptions": subscriptions.INDEXES,
    "events": events.INDEXES,
    "webhooks": repository.INDEXES,
    "deliveries": delivery_repository.INDEXES,
    "bulk_operations": bulk.INDEXES,
    "bulk_items": bulk.ITEM_INDEXES,
}
