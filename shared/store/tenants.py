"""The `tenants` collection. Races over slugs, domains and generations are settled by its indexes and conditions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from shared.domain.access import Scope
from shared.domain.errors import DomainTaken, SlugTaken
from shared.domain.operation import Operation, OperationStatus, StepRecord, StepStatus
from shared.domain.recipes import INTEGRATIONS, TRANSITIONS
from shared.domain.tenant import NewTenant, Status, Tenant, TenantChanges
from shared.domain.views import Page, TenantQuery
from shared.store.mongo import (
    Document,
    Transaction,
    inserting,
    literals,
    newest_first,
    object_id,
    our_errors,
    present,
    written,
)
from shared.store.tenant_rows import REMOTE_FIELDS, billing_document, tenant_of

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
    IndexModel([("plan", ASCENDING), ("_id", DESCENDING)], name="plan"),
    *[
        IndexModel([(f"provisioningStatus.{integration}", ASCENDING), ("_id", DESCENDING)], name=f"step_{integration}")
        for integration in INTEGRATIONS
    ],
]


class Tenants:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["tenants"]

    def make_indexes(self) -> None:
        with our_errors():
            self._rows.create_indexes(INDEXES)

    def insert(self, new: NewTenant, operation_id: str, session: Transaction) -> Tenant:
        """Record a pending tenant of generation 1. Raises SlugTaken or DomainTaken."""
        document: Document = {
            "_id": ObjectId(),
            "slug": new.slug,
            "name": new.name,
            "status": Status.PENDING,
            "plan": new.plan,
            "domains": list(new.domains),
            "billingInfo": billing_document(new.billing_info),
            "partnerId": new.partner_id,
            "provisioningStatus": dict.fromkeys(INTEGRATIONS, "pending"),
            "provisioningErrors": {},
            "operationId": ObjectId(operation_id),
            "generation": 1,
            "version": 1,
        }
        try:
            row = self._rows.find_one_and_update(
                {"_id": document["_id"]},
                inserting(document, createdAt="$$NOW", updatedAt="$$NOW"),
                upsert=True,
                return_document=ReturnDocument.AFTER,
                session=session,
            )
        except DuplicateKeyError as problem:
            raise _taken(problem, new.slug) from None
        return tenant_of(present(row))

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

    def ids_of_slugs(self, slugs: tuple[str, ...]) -> tuple[str, ...]:
        """Ids of the living tenants with these slugs."""
        with our_errors():
            rows = self._rows.find({"slug": {"$in": list(slugs)}, "status": {"$ne": Status.DELETED}}, {"_id": 1})
            return tuple(str(row["_id"]) for row in rows)

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
        return tuple(dict.fromkeys((*scope.tenant_ids, *resold)))

    def any_of_partner(self, partner_id: str, session: Transaction) -> bool:
        return self._rows.find_one({"partnerId": partner_id}, {"_id": 1}, session=session) is not None

    def page(self, scope: Scope, query: TenantQuery) -> Page[Tenant]:
        """Newest first."""
        rows, following = newest_first(
            self._rows, [_scope_filter(scope), *_query_filters(query)], query.limit, query.after
        )
        return Page(tuple(map(tenant_of, rows)), following)

    def accept(self, tenant: Tenant, changes: TenantChanges, operation_id: str | None, session: Transaction) -> Tenant:
        """Write accepted changes; with a new operation, raise the generation and point at it. Raises DomainTaken."""
        fields = literals(_change_document(changes))
        if operation_id is not None:
            fields |= {"operationId": ObjectId(operation_id), **_raised("generation")}
        try:
            row = self._rows.find_one_and_update(
                {"_id": ObjectId(tenant.id)}, written(fields), return_document=ReturnDocument.AFTER, session=session
            )
        except DuplicateKeyError as problem:
            raise _taken(problem, tenant.slug) from None
        return tenant_of(present(row))

    def save_remote(self, tenant_id: str, generation: int, fields: Mapping[str, Any]) -> bool:
        """Put remote ids on record, unless a newer change was accepted meanwhile. False when it was."""
        stray = set(fields) - set(REMOTE_FIELDS)
        if stray:
            raise ValueError(f"{', '.join(sorted(stray))}: not a remote field of any integration")
        return self._guarded(tenant_id, generation, {name: {"$literal": value} for name, value in fields.items()})

    def record_step(self, operation: Operation, step: StepRecord) -> bool:
        """Show how one step of a running operation stands, unless a newer change was accepted meanwhile."""
        return self._guarded(operation.tenant_id, operation.generation, _step_fields(step))

    def settle(self, operation: Operation, session: Transaction) -> Tenant | None:
        """Bring the tenant in line with its closed operation. None when a newer change was accepted meanwhile."""
        fields: Document = {}
        for step in operation.steps:
            fields |= _step_fields(step)
        allowed, end = TRANSITIONS[operation.action]
        if operation.status is OperationStatus.SUCCEEDED and end is not None:
            fields["status"] = {"$cond": [{"$in": ["$status", sorted(allowed)]}, end, "$status"]}
        row = self._rows.find_one_and_update(
            {"_id": ObjectId(operation.tenant_id), "generation": operation.generation},
            written(fields),
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return tenant_of(row) if row else None

    def _guarded(self, tenant_id: str, generation: int, fields: Document) -> bool:
        condition = {"_id": ObjectId(tenant_id), "generation": generation}
        with our_errors():
            done = self._rows.update_one(condition, written(fields))
        return done.matched_count == 1


def _raised(field: str) -> Document:
    return {field: {"$add": [f"${field}", 1]}}


def _step_fields(step: StepRecord) -> Document:
    shown = step.status if not step.is_open else StepStatus.PENDING
    message = {"$literal": step.message} if step.message and step.status is not StepStatus.SKIPPED else "$$REMOVE"
    return {f"provisioningStatus.{step.name}": shown, f"provisioningErrors.{step.name}": message}


def _taken(problem: DuplicateKeyError, slug: str) -> SlugTaken | DomainTaken:
    pattern = (problem.details or {}).get("keyPattern", {})
    return DomainTaken() if "domains" in pattern else SlugTaken(slug)


def _scope_filter(scope: Scope) -> Document:
    if scope.everything:
        return {}
    mine: list[Document] = [{"_id": {"$in": [ObjectId(tenant_id) for tenant_id in scope.tenant_ids]}}]
    if scope.partner_id is not None:
        mine.append({"partnerId": scope.partner_id})
    return {"$or": mine} if len(mine) > 1 else mine[0]


def _query_filters(query: TenantQuery) -> list[Document]:
    exact = {"status": query.status, "plan": query.plan, "partnerId": query.partner_id}
    filters: list[Document] = [{field: value} for field, value in exact.items() if value is not None]
    filters += [{f"provisioningStatus.{step}": "error"} for step in query.failed_steps]
    if query.prefix is not None:
        filters.append({"slug": {"$regex": f"^{re.escape(query.prefix)}"}})
    return filters


def _change_document(changes: TenantChanges) -> Document:
    fields: Document = {}
    for name in ("name", "plan"):
        if name in changes:
            fields[name] = changes[name]
    if "domains" in changes:
        fields["domains"] = list(changes["domains"])
    if "billing_info" in changes:
        fields["billingInfo"] = billing_document(changes["billing_info"])
    if "partner_id" in changes:
        fields["partnerId"] = changes["partner_id"]
    return fields
