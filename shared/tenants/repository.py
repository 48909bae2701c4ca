"""The `tenants` collection. Races over slugs, domains and generations are settled by its indexes and conditions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from shared.accounts.scope import Scope
from shared.core.errors import DomainTaken, SlugTaken
from shared.db.documents import (
    Document,
    Transaction,
    changed,
    literals,
    made,
    make_indexes,
    object_id,
    our_errors,
    seconds_from_now,
    written,
)
from shared.integrations.catalog import INTEGRATIONS
from shared.operations.model import Operation
from shared.switches.pause import Pause
from shared.tenants.documents import billing_document, owner_document, tenant_of
from shared.tenants.filters import change_document, own_filter, query_filters, scope_filter, search_fields, search_terms
from shared.tenants.model import Due, NewTenant, Status, Tenant, TenantChanges
from shared.tenants.updates import LifecycleChange, begun, drifted_in, is_news, raised, remote_fields, settled, shown
from shared.tenants.views import TenantQuery

INDEXES = [
    IndexModel([("slug", ASCENDING)], name="slug", unique=True),
    # multikey: no two tenants may share any one domain
    IndexModel(
        [("domains", ASCENDING)],
        name="domains",
        unique=True,
        partialFilterExpression={"domains.0": {"$exists": True}},
    ),
    IndexModel([("partnerId", ASCENDING), ("_id", DESCENDING)], name="partner"),
    IndexModel([("status", ASCENDING), ("_id", DESCENDING)], name="status"),
    IndexModel([("status", ASCENDING), ("driftDueAt", ASCENDING)], name="drift"),
    IndexModel([("retryAt", ASCENDING)], name="retry", sparse=True),
    IndexModel([("pause.since", ASCENDING), ("_id", DESCENDING)], name="paused", sparse=True),
    IndexModel([("purgeAfter", ASCENDING)], name="purge", sparse=True),
    IndexModel([("plan", ASCENDING), ("_id", DESCENDING)], name="plan"),
    IndexModel([("unconfigured", ASCENDING)], name="unconfigured", sparse=True),
    IndexModel([("search", ASCENDING), ("_id", DESCENDING)], name="search"),
    # integrations for which the latest comparison found changes to make; absent where it found none
    IndexModel(
        [("drifted", ASCENDING), ("drift.lookedAt", ASCENDING)],
        name="drifted",
        partialFilterExpression={"drifted": {"$exists": True}},
    ),
    *[
        IndexModel([(f"provisioningStatus.{integration}", ASCENDING), ("_id", DESCENDING)], name=f"step_{integration}")
        for integration in INTEGRATIONS
    ],
]


class TenantRepository:
    def __init__(self, database: Database[Document], absent: Collection[str] = ()) -> None:
        """`absent`: integrations that new tenants show nothing of."""
        self._rows = database["tenants"]
        self._shown = tuple(name for name in INTEGRATIONS if name not in absent)

    def make_indexes(self) -> None:
        make_indexes(self._rows, INDEXES)

    def insert(self, new: NewTenant, operation_id: str, session: Transaction, at: datetime | None = None) -> Tenant:
        """Record a pending tenant of generation 1. Raises SlugTaken or DomainTaken. `at`: see `made`."""
        document: Document = {
            "_id": ObjectId(),
            "slug": new.slug,
            "name": new.name,
            "status": Status.PENDING,
            "plan": new.plan,
            "domains": list(new.domains),
            "billingInfo": billing_document(new.billing_info),
            "partnerId": new.partner_id,
            "owner": owner_document(new.owner),
            "search": search_terms(new.slug, new.name, new.domains, new.owner.email if new.owner else None),
            "provisioningStatus": dict.fromkeys(self._shown, "pending"),
            "provisioningErrors": {},
            "operationId": ObjectId(operation_id),
            "generation": 1,
            "version": 1,
        }
        try:
            row = made(self._rows, document, session, at)
        except DuplicateKeyError as problem:
            raise _taken(problem, new.slug) from None
        return tenant_of(row)

    def find(self, slug: str, session: Transaction | None = None) -> Tenant | None:
        with our_errors():
            row = self._rows.find_one({"slug": slug}, session=session)
        return tenant_of(row) if row else None

    def find_by_id(self, tenant_id: str, session: Transaction | None = None) -> Tenant | None:
        key = object_id(tenant_id)
        with our_errors():
            row = self._rows.find_one({"_id": key}, session=session) if key else None
        return tenant_of(row) if row else None

    def by_ids(self, tenant_ids: tuple[str, ...], session: Transaction | None = None) -> list[Tenant]:
        """Those that exist, in no particular order."""
        keys = [key for key in map(object_id, tenant_ids) if key]
        with our_errors():
            return [tenant_of(row) for row in self._rows.find({"_id": {"$in": keys}}, session=session)]

    def matching(self, scope: Scope, query: TenantQuery, among: tuple[str, ...] | None, limit: int) -> Iterator[Tenant]:
        """Yield tenants of the scope that meet the query, in no particular order. `among`: none but these."""
        conditions = [scope_filter(scope), *query_filters(query)]
        if among is not None:
            conditions.append({"_id": {"$in": [key for key in map(object_id, among) if key]}})
        wanted = [one for one in conditions if one]
        with our_errors():
            for row in self._rows.find({"$and": wanted} if wanted else {}).limit(limit):
                yield tenant_of(row)

    def ids_of_slugs(self, slugs: tuple[str, ...], *, with_group: bool = False) -> tuple[str, ...]:
        """Ids of the living tenants with these slugs. `with_group`: whose own Authentik group is on record."""
        condition: Document = {"slug": {"$in": list(slugs)}, "status": {"$ne": Status.DELETED}}
        if with_group:
            condition["authentikGroupId"] = {"$type": "string"}
        with our_errors():
            return tuple(str(row["_id"]) for row in self._rows.find(condition, {"_id": 1}))

    def ids_of_partner(self, partner_id: str) -> tuple[str, ...]:
        """All of a partner's tenants, from the index alone."""
        with our_errors():
            rows = self._rows.find({"partnerId": partner_id}, {"_id": 1}).hint("partner")
            return tuple(str(row["_id"]) for row in rows)

    def ids_in(self, scope: Scope) -> tuple[str, ...] | None:
        """Ids of all tenants of a scope; None for everything."""
        if scope.everything:
            return None
        resold = self.ids_of_partner(scope.partner_id) if scope.partner_id is not None else ()
        with our_errors():
            own = (
                [str(row["_id"]) for row in self._rows.find(own_filter(scope), {"_id": 1})] if scope.tenant_ids else []
            )
        return tuple(dict.fromkeys((*own, *resold)))

    def any_of_partner(self, partner_id: str, session: Transaction) -> bool:
        return self._rows.find_one({"partnerId": partner_id}, {"_id": 1}, session=session) is not None

    def accept(self, tenant: Tenant, changes: TenantChanges, operation_id: str | None, session: Transaction) -> Tenant:
        """Write accepted changes; with a new operation, raise the generation and point at it. Raises DomainTaken."""
        fields = literals(change_document(changes) | search_fields(tenant, changes))
        if operation_id is not None:
            fields |= {"operationId": ObjectId(operation_id), **raised("generation")}
        try:
            row = changed(self._rows, tenant.id, fields, session)
        except DuplicateKeyError as problem:
            raise _taken(problem, tenant.slug) from None
        return tenant_of(row)

    def begin(self, tenant: Tenant, beginning: LifecycleChange, operation_id: str, session: Transaction) -> Tenant:
        """Accept an action of the tenant's life: raise the generation, point at its operation, close what it closes."""
        fields = {"operationId": ObjectId(operation_id), **raised("generation"), **begun(beginning)}
        row = changed(self._rows, tenant.id, fields, session)
        return tenant_of(row)

    def show_pause(self, tenant_id: str, pause: Pause | None, session: Transaction) -> Tenant:
        """Show that the tenant is paused, or no more; what holds its steps is the switch."""
        shown_as = {"reason": {"$literal": pause.reason}, "since": pause.since, "by": pause.by} if pause else "$$REMOVE"
        return tenant_of(changed(self._rows, tenant_id, {"pause": shown_as}, session))

    def take_drift_turn(self, interval: float, anew: datetime | None = None) -> Tenant | None:
        """Take the tenant whose last drift check is the oldest, if that is `interval` seconds ago.

        Active, suspended and deleted tenants have turns. `anew`: turns before that time are taken again.
        """
        latest: object = {"$max": ["$$NOW", anew + timedelta(seconds=interval)]} if anew is not None else "$$NOW"
        # one that was never looked at has no time yet, which sorts and compares before every other
        checked = {"$in": [Status.ACTIVE, Status.SUSPENDED, Status.DELETED]}
        late = {"status": checked, "purgedAt": None, "$expr": {"$lte": ["$driftDueAt", latest]}}
        with our_errors():
            row = self._rows.find_one_and_update(
                late,
                [{"$set": {"driftDueAt": seconds_from_now(interval)}}],
                sort=[("driftDueAt", ASCENDING)],
                return_document=ReturnDocument.AFTER,
            )
        return tenant_of(row) if row else None

    def note_drift(self, operation: Operation, session: Transaction) -> None:
        """Show what a plan found, unless a newer change was accepted meanwhile."""
        found = {step.name: list(step.changes) for step in operation.steps if step.changes}
        self._rows.update_one(
            {"_id": ObjectId(operation.tenant_id), "generation": operation.generation},
            [{"$set": {"drift": {"lookedAt": "$$NOW", "changes": {"$literal": found}}, "drifted": drifted_in(found)}}],
            session=session,
        )

    def due(self, limit: int) -> list[Due]:
        """Tenants whose time has come: a failed action to begin again, or a grace that has run out."""
        late = {"$expr": {"$lte": ["$retryAt", "$$NOW"]}, "retryAt": {"$exists": True}, "purgedAt": None}
        over = {"$expr": {"$lte": ["$purgeAfter", "$$NOW"]}, "purgeAfter": {"$exists": True}}
        with our_errors():
            again = list(self._rows.find(late).sort("retryAt", ASCENDING).limit(limit))
            ended = list(self._rows.find(over).sort("purgeAfter", ASCENDING).limit(limit))
        return [Due(tenant_of(row), False) for row in again] + [Due(tenant_of(row), True) for row in ended]

    def save_remote(self, tenant_id: str, generation: int, fields: Mapping[str, Any]) -> bool:
        """Put remote ids on record, unless a newer change was accepted meanwhile. False when it was."""
        return self._guarded(tenant_id, generation, remote_fields(fields))

    def record_steps(self, operation: Operation) -> bool:
        """Show how a running operation's steps stand, unless something later was shown or accepted meanwhile."""
        return self._guarded(operation.tenant_id, operation.generation, shown(operation), is_news(operation))

    def is_current(self, tenant_id: str, generation: int, session: Transaction) -> bool:
        """Whether no newer change was accepted; none can be until the transaction has ended, as this is a write."""
        condition = {"_id": ObjectId(tenant_id), "generation": generation}
        done = self._rows.update_one(condition, [{"$set": {"fencedAt": "$$NOW"}}], session=session)
        return done.matched_count == 1

    def settle(self, operation: Operation, session: Transaction) -> Tenant | None:
        """Bring the tenant in line with its closed operation. None when a newer change was accepted meanwhile."""
        row = self._rows.find_one_and_update(
            {"_id": ObjectId(operation.tenant_id), "generation": operation.generation},
            written(settled(operation)),
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return tenant_of(row) if row else None

    def _guarded(self, tenant_id: str, generation: int, fields: Document, expr: Document | None = None) -> bool:
        condition = {"_id": ObjectId(tenant_id), "generation": generation} | ({"$expr": expr} if expr else {})
        with our_errors():
            done = self._rows.update_one(condition, written(fields))
        return done.matched_count == 1


def _taken(problem: DuplicateKeyError, slug: str) -> SlugTaken | DomainTaken:
    pattern = (problem.details or {}).get("keyPattern", {})
    return DomainTaken() if "domains" in pattern else SlugTaken(slug)
