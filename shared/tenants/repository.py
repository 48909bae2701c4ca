"""The `tenants` collection. Unique indexes and conditional updates settle races over slugs, domains and generations."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from bson import ObjectId
from pymongo import ASCENDING
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from shared.accounts.scope import Scope
from shared.core.errors import DomainTaken, SlugTaken
from shared.db.documents import (
    Document,
    Transaction,
    find_by_id,
    find_value,
    insert_record,
    literals,
    object_id,
    seconds_from_now,
    translate_errors,
    update_record,
    update_value,
    versioned_update,
)
from shared.db.mapping import plain
from shared.integrations.catalog import INTEGRATIONS
from shared.operations.model import Operation
from shared.switches.model import Pause
from shared.tenants import filters, updates
from shared.tenants.documents import tenant_of
from shared.tenants.model import DueTenant, NewTenant, Status, Tenant, TenantChanges
from shared.tenants.transitions import require_not_purged
from shared.tenants.updates import LifecycleChange
from shared.tenants.views import TenantQuery


class TenantRepository:
    def __init__(self, database: Database[Document], absent: Collection[str] = ()) -> None:
        """`absent`: integrations for which new tenants get no status."""
        self._tenants = database["tenants"]
        self._shown = tuple(name for name in INTEGRATIONS if name not in absent)

    def insert(self, new: NewTenant, operation_id: str, session: Transaction, at: datetime | None = None) -> Tenant:
        """Record a pending tenant of generation 1. Raises SlugTaken or DomainTaken. `at`: see `insert_record`."""
        document: Document = {
            "_id": ObjectId(),
            "slug": new.slug,
            "name": new.name,
            "status": Status.PENDING,
            "plan": new.plan,
            "domains": list(new.domains),
            "billingInfo": plain(new.billing_info),
            "partnerId": new.partner_id,
            "owner": plain(new.owner),
            "search": filters.search_terms(new.slug, new.name, new.domains, new.owner.email if new.owner else None),
            "provisioningStatus": dict.fromkeys(self._shown, "pending"),
            "provisioningErrors": {},
            "operationId": ObjectId(operation_id),
            "generation": 1,
            "version": 1,
        }
        try:
            stored = insert_record(self._tenants, document, session, at)
        except DuplicateKeyError as problem:
            raise _taken(problem, new.slug) from None
        return tenant_of(stored)

    def find(self, slug: str, session: Transaction | None = None) -> Tenant | None:
        return find_value(self._tenants, {"slug": slug}, tenant_of, session)

    def find_by_id(self, tenant_id: str, session: Transaction | None = None) -> Tenant | None:
        return find_by_id(self._tenants, tenant_id, tenant_of, session)

    def by_ids(self, tenant_ids: tuple[str, ...], session: Transaction | None = None) -> list[Tenant]:
        """Return those that exist, in no particular order."""
        keys = [key for key in map(object_id, tenant_ids) if key]
        with translate_errors():
            return [tenant_of(document) for document in self._tenants.find({"_id": {"$in": keys}}, session=session)]

    def matching(self, scope: Scope, query: TenantQuery, among: tuple[str, ...] | None, limit: int) -> Iterator[Tenant]:
        """Yield tenants of the scope that match the query, in no particular order. `among`: limit to these ids."""
        conditions = [filters.scope_filter(scope), *filters.query_filters(query)]
        if among is not None:
            conditions.append({"_id": {"$in": [key for key in map(object_id, among) if key]}})
        wanted = [one for one in conditions if one]
        with translate_errors():
            for document in self._tenants.find({"$and": wanted} if wanted else {}).limit(limit):
                yield tenant_of(document)

    def ids_of_slugs(self, slugs: tuple[str, ...], *, with_group: bool = False) -> tuple[str, ...]:
        """Return the ids of tenants with these slugs that are not deleted.

        `with_group`: only tenants whose Authentik group is recorded.
        """
        recorded: Document = {"authentikGroupId": {"$type": "string"}} if with_group else {}
        condition: Document = {"slug": {"$in": list(slugs)}, "status": {"$ne": Status.DELETED}, **recorded}
        with translate_errors():
            return tuple(str(document["_id"]) for document in self._tenants.find(condition, {"_id": 1}))

    def ids_of_partner(self, partner_id: str) -> tuple[str, ...]:
        """Return the ids of a partner's tenants; the index covers the query."""
        with translate_errors():
            documents = self._tenants.find({"partnerId": partner_id}, {"_id": 1}).hint("partner")
            return tuple(str(document["_id"]) for document in documents)

    def ids_in(self, scope: Scope) -> tuple[str, ...] | None:
        """Return the ids of all tenants of a scope; None for a scope without limits."""
        if scope.everything:
            return None
        resold = self.ids_of_partner(scope.partner_id) if scope.partner_id is not None else ()
        if not scope.tenant_ids:
            return resold
        with translate_errors():
            own = [str(document["_id"]) for document in self._tenants.find(filters.own_filter(scope), {"_id": 1})]
        return tuple(dict.fromkeys((*own, *resold)))

    def any_of_partner(self, partner_id: str, session: Transaction) -> bool:
        """Return whether the partner has tenants that are not purged: a purged tenant can get no other partner."""
        return (
            self._tenants.find_one({"partnerId": partner_id, "purgedAt": None}, {"_id": 1}, session=session) is not None
        )

    def accept(
        self, tenant: Tenant, changes: TenantChanges, operation_id: str | None, session: Transaction, *, is_fence: bool
    ) -> Tenant:
        """Write accepted changes. If `is_fence`, also raise the generation. Raises DomainTaken."""
        fields = literals(filters.change_document(changes) | filters.search_fields(tenant, changes))
        if operation_id is not None:
            fields["operationId"] = ObjectId(operation_id)
        fields |= updates.NEXT_GENERATION if is_fence else {}
        try:
            document = update_record(self._tenants, tenant.id, fields, session)
        except DuplicateKeyError as problem:
            raise _taken(problem, tenant.slug) from None
        return tenant_of(document)

    def accept_lifecycle_change(
        self, tenant: Tenant, change: LifecycleChange, operation_id: str, session: Transaction
    ) -> Tenant:
        """Accept a lifecycle action: raise the generation, set its operation and the status that applies at once."""
        fields = {
            "operationId": ObjectId(operation_id),
            **updates.NEXT_GENERATION,
            **updates.lifecycle_fields(change),
        }
        document = update_record(self._tenants, tenant.id, fields, session)
        return tenant_of(document)

    def show_pause(self, tenant_id: str, pause: Pause | None, session: Transaction) -> None:
        """Copy a pause to the tenant's record for display, or remove it. Steps are deferred by the switch only."""
        shown_as = {"reason": {"$literal": pause.reason}, "since": pause.since, "by": pause.by} if pause else "$$REMOVE"
        update_record(self._tenants, tenant_id, {"pause": shown_as}, session)

    def claim_drift_check(self, interval: float, invalid_before: datetime | None = None) -> Tenant | None:
        """Claim the tenant whose drift check is most overdue; schedule its next in `interval` seconds.

        `invalid_before`: checks before that time do not count, so their tenants are due. Pending, purged and
        paused tenants are not checked.
        """
        latest: object = "$$NOW"
        if invalid_before is not None:
            latest = {"$max": ["$$NOW", invalid_before + timedelta(seconds=interval)]}
        # a tenant that was never checked has no `driftDueAt`, which sorts and compares before every date
        checked = {"$in": [Status.ACTIVE, Status.SUSPENDED, Status.DELETED]}
        due = {"status": checked, "purgedAt": None, "pause": None, "$expr": {"$lte": ["$driftDueAt", latest]}}
        return update_value(
            self._tenants,
            due,
            [{"$set": {"driftDueAt": seconds_from_now(interval)}}],
            tenant_of,
            sort=[("driftDueAt", ASCENDING)],
        )

    def record_drift(self, operation: Operation, session: Transaction) -> None:
        """Record the drift that a dry run found, unless a newer change was accepted meanwhile."""
        condition = filters.generation_filter(operation.tenant_id, operation.generation)
        document = self._tenants.find_one(condition, session=session)
        if document is not None and (fields := updates.drift_fields(operation, tenant_of(document).drift)):
            self._tenants.update_one(condition, [{"$set": fields}], session=session)

    def due(self, limit: int) -> list[DueTenant]:
        """Return tenants with a failed action to start again, then tenants to purge; at most `limit` of each."""
        retry_due = {"$expr": {"$lte": ["$retryAt", "$$NOW"]}, "retryAt": {"$exists": True}, "purgedAt": None}
        purge_due = {"$expr": {"$lte": ["$purgeAfter", "$$NOW"]}, "purgeAfter": {"$exists": True}}
        with translate_errors():
            to_retry = list(self._tenants.find(retry_due).sort("retryAt", ASCENDING).limit(limit))
            to_purge = list(self._tenants.find(purge_due).sort("purgeAfter", ASCENDING).limit(limit))
        return [DueTenant(tenant_of(document), False) for document in to_retry] + [
            DueTenant(tenant_of(document), True) for document in to_purge
        ]

    def save_remote(self, tenant_id: str, generation: int, fields: Document, until: datetime | None = None) -> bool:
        """Save remote ids. Return False and write nothing after a newer change or `until`: the end of the lease."""
        return self._guarded(filters.generation_filter(tenant_id, generation, until), updates.remote_fields(fields))

    def record_steps(self, operation: Operation) -> bool:
        """Copy the state of a running operation's steps to the tenant.

        Return False and write nothing when the tenant shows a later state, or a newer change was accepted.
        """
        shows_less = {
            **filters.generation_filter(operation.tenant_id, operation.generation),
            "$expr": updates.is_newer(operation),
        }
        return self._guarded(shows_less, updates.step_fields(operation))

    def lock_generation(self, id_: str, generation: int, session: Transaction, until: datetime | None = None) -> bool:
        """Return whether the tenant's generation is current and `until`, the end of a lease, has not passed.

        The write conflicts with that of any newer change, so none can be accepted until the transaction ends.
        """
        fenced = [{"$set": {"fencedAt": "$$NOW"}}]
        done = self._tenants.update_one(filters.generation_filter(id_, generation, until), fenced, session=session)
        return done.matched_count == 1

    def lock_unpurged(self, tenant: Tenant, session: Transaction) -> None:
        """Raise ActionNotPossible for a purged tenant. No purge can be settled until the transaction ends.

        `tenant`: as read within this transaction.
        """
        require_not_purged(tenant)
        self.lock_generation(tenant.id, tenant.generation, session)

    def settle(self, operation: Operation, session: Transaction) -> Tenant | None:
        """Write the result of a closed operation. Return None when a newer change was accepted meanwhile."""
        return update_value(
            self._tenants,
            filters.generation_filter(operation.tenant_id, operation.generation),
            versioned_update(updates.settlement_fields(operation)),
            tenant_of,
            session,
        )

    def _guarded(self, condition: Document, fields: Document) -> bool:
        with translate_errors():
            return self._tenants.update_one(condition, versioned_update(fields)).matched_count == 1


def _taken(problem: DuplicateKeyError, slug: str) -> SlugTaken | DomainTaken:
    pattern = (problem.details or {}).get("keyPattern", {})
    return DomainTaken() if "domains" in pattern else SlugTaken(slug)
