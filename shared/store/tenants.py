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
from shared.domain.tenant import Address, BillingInfo, NewTenant, Status, Tenant
from shared.domain.views import Page, TenantQuery
from shared.store.mongo import Document, Transaction, inserting, object_id, our_errors, present

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

_REMOTE_FIELDS = tuple(field for fields in INTEGRATIONS.values() for field in fields)


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
            "billingInfo": _billing_document(new.billing_info),
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
        return _tenant(present(row))

    def find(self, slug: str) -> Tenant | None:
        with our_errors():
            row = self._rows.find_one({"slug": slug})
        return _tenant(row) if row else None

    def find_by_id(self, tenant_id: str) -> Tenant | None:
        with our_errors():
            row = self._rows.find_one({"_id": ObjectId(tenant_id)})
        return _tenant(row) if row else None

    def ids_of_slugs(self, slugs: tuple[str, ...]) -> tuple[str, ...]:
        """Ids of the living tenants with these slugs."""
        with our_errors():
            rows = self._rows.find({"slug": {"$in": list(slugs)}, "status": {"$ne": Status.DELETED}}, {"_id": 1})
            return tuple(str(row["_id"]) for row in rows)

    def page(self, scope: Scope, query: TenantQuery) -> Page[Tenant]:
        """Newest first; pages stay stable while tenants are added, because they follow the id."""
        conditions = [_scope_filter(scope), *_query_filters(query)]
        with our_errors():
            rows = list(
                self._rows.find({"$and": [c for c in conditions if c] or [{}]})
                .sort("_id", DESCENDING)
                .limit(query.limit + 1)
            )
        found = tuple(_tenant(row) for row in rows[: query.limit])
        return Page(found, found[-1].id if len(rows) > query.limit else None)

    def accept_change(self, tenant_id: str, operation_id: str, session: Transaction) -> Tenant:
        """Raise the generation for a newly accepted operation, and point at it."""
        row = self._rows.find_one_and_update(
            {"_id": ObjectId(tenant_id)},
            _written({"operationId": ObjectId(operation_id), **_raised("generation")}),
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return _tenant(present(row))

    def save_remote(self, tenant_id: str, generation: int, fields: Mapping[str, Any]) -> bool:
        """Put remote ids on record, unless a newer change was accepted meanwhile. False when it was."""
        stray = set(fields) - set(_REMOTE_FIELDS)
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
            _written(fields),
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return _tenant(row) if row else None

    def _guarded(self, tenant_id: str, generation: int, fields: Document) -> bool:
        condition = {"_id": ObjectId(tenant_id), "generation": generation}
        with our_errors():
            done = self._rows.update_one(condition, _written(fields))
        return done.matched_count == 1


def _written(fields: Document) -> list[Document]:
    return [{"$set": {**fields, **_raised("version"), "updatedAt": "$$NOW"}}]


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
    return {"$or": mine}


def _query_filters(query: TenantQuery) -> list[Document]:
    exact = {"status": query.status, "plan": query.plan, "partnerId": query.partner_id}
    filters: list[Document] = [{field: value} for field, value in exact.items() if value is not None]
    if query.failed_step is not None:
        filters.append({f"provisioningStatus.{query.failed_step}": "error"})
    if query.prefix is not None:
        filters.append({"slug": {"$regex": f"^{re.escape(query.prefix)}"}})
    after = object_id(query.after) if query.after else None
    if after is not None:
        filters.append({"_id": {"$lt": after}})
    return filters


def _billing_document(billing: BillingInfo | None) -> Document | None:
    if billing is None:
        return None
    address = billing.address
    return {
        "company": billing.company,
        "vatId": billing.vat_id,
        "email": billing.email,
        "address": {
            "line1": address.line1,
            "line2": address.line2,
            "city": address.city,
            "postalCode": address.postal_code,
            "country": address.country,
        },
    }


def _billing(document: Document | None) -> BillingInfo | None:
    if document is None:
        return None
    address = document.get("address", {})
    return BillingInfo(
        company=document.get("company", ""),
        vat_id=document.get("vatId", ""),
        email=document.get("email", ""),
        address=Address(
            line1=address.get("line1", ""),
            line2=address.get("line2", ""),
            city=address.get("city", ""),
            postal_code=address.get("postalCode", ""),
            country=address.get("country", ""),
        ),
    )


def _tenant(row: Document) -> Tenant:
    return Tenant(
        id=str(row["_id"]),
        slug=row["slug"],
        name=row["name"],
        status=Status(row["status"]),
        plan=row["plan"],
        domains=tuple(row["domains"]),
        billing_info=_billing(row.get("billingInfo")),
        partner_id=row.get("partnerId"),
        provisioning_status=row["provisioningStatus"],
        provisioning_errors=row["provisioningErrors"],
        remote={field: row[field] for field in _REMOTE_FIELDS if row.get(field) is not None},
        operation_id=str(row["operationId"]) if row.get("operationId") else None,
        generation=row["generation"],
        version=row["version"],
        created_at=row["createdAt"],
        updated_at=row["updatedAt"],
    )
