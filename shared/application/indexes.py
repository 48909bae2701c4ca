"""The required indexes by collection. Unique ones enforce rules; the others serve queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pymongo import IndexModel

from shared.accounts import deleted_subjects, emergency_token, partner_repository, user_repository
from shared.billing import sync_queue
from shared.bulk import repository as bulk
from shared.db import idempotency_keys
from shared.diagnostics import repository as diagnostics
from shared.domains import repository as domains
from shared.events import repository as events
from shared.operations.documents import INDEXES as OPERATIONS
from shared.orphans import repository as orphans
from shared.orphans import scan_repository as scans
from shared.subscriptions import repository as subscriptions
from shared.tenants import documents as tenants
from shared.tenants import pending_members_repository as pending_members
from shared.webhooks import delivery_repository, repository

REQUIRED_INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "tenants": [*tenants.INDEXES, *pending_members.INDEXES],
    "operations": OPERATIONS,
    "domains": domains.INDEXES,
    "domainFamilies": domains.FAMILY_INDEXES,
    "users": user_repository.INDEXES,
    "deleted_subjects": deleted_subjects.INDEXES,
    "emergency_tokens": emergency_token.INDEXES,
    "partners": partner_repository.INDEXES,
    "subscriptions": [*subscriptions.INDEXES, *sync_queue.INDEXES],
    "events": events.INDEXES,
    "idempotency": idempotency_keys.INDEXES,
    "webhooks": repository.INDEXES,
    "deliveries": delivery_repository.INDEXES,
    "orphans": orphans.INDEXES,
    "orphan_looks": scans.INDEXES,
    "bulk_operations": bulk.INDEXES,
    "bulk_items": bulk.ITEM_INDEXES,
    "diagnostics": diagnostics.INDEXES,
}
