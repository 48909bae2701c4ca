"""Tenants with their latest operations, as they are shown: read in few round trips, and made of the same rows once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import bson
from bson import ObjectId
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING, DESCENDING
from pymongo.database import Database

from shared.accounts.scope import Scope
from shared.accounts.user import User
from shared.accounts.user_documents import user_of
from shared.db.documents import Document, object_id, our_errors
from shared.db.paging import Page
from shared.operations.documents import operation_of
from shared.operations.model import Operation
from shared.tenants.documents import tenant_of
from shared.tenants.filters import query_filters, scope_filter
from shared.tenants.model import Tenant
from shared.tenants.views import TenantQuery, TenantView

#: for a single tenant. The limit says nothing new, but with a pipeline the server takes two thirds of the time
_LATEST: Document = {
    "$lookup": {
        "from": "operations",
        "localField": "operationId",
        "foreignField": "_id",
        "pipeline": [{"$limit": 1}],
        "as": "latest",
    }
}

#: rows as the server sent them: they are read only if what stands in them is not known yet
_UNREAD = CodecOptions(document_class=RawBSONDocument, tz_aware=True)
_READ: CodecOptions[Document] = CodecOptions(tz_aware=True)

#: field and direction of each order; an index serves every one of them
Order = tuple[str, int]
NEWEST: Order = ("_id", DESCENDING)
ORDERS: dict[str, Order] = {"newest": NEWEST, "oldest": ("_id", ASCENDING), "slug": ("slug", ASCENDING)}

#: of how many rows the values are remembered: a few pages for each of a few callers
REMEMBERED = 1024


class TenantReadRepository:
    def __init__(self, database: Database[Document]) -> None:
        unread: Database[RawBSONDocument] = database.with_options(codec_options=_UNREAD)
        self._tenants = unread["tenants"]
        self._operations = unread["operations"]
        self._users = unread["users"]

    def find(self, slug: str) -> TenantView | None:
        with our_errors():
            rows = list(self._tenants.aggregate([{"$match": {"slug": slug}}, _LATEST]))
        return _looked_up(bytes(rows[0].raw)) if rows else None

    def find_for(self, subject: str, slug: str) -> tuple[User, TenantView | None] | None:
        """The user who asks, and what they ask for, whether or not they may know of it. None: there is no such user."""
        tenant = {"from": "tenants", "pipeline": [{"$match": {"slug": slug}}, _LATEST], "as": "tenant"}
        with our_errors():
            rows = list(self._users.aggregate([{"$match": {"authentikSubjectId": subject}}, {"$lookup": tenant}]))
        if not rows:
            return None
        found = rows[0]["tenant"]
        return user_of(dict(rows[0].items())), _looked_up(bytes(found[0].raw)) if found else None

    def page(self, scope: Scope, query: TenantQuery) -> Page[TenantView]:
        """One page in the query's order."""
        wanted = [scope_filter(scope), *query_filters(query), *self._following(query)]
        conditions = [one for one in wanted if one]
        found = self._views({"$and": conditions} if conditions else {}, query.limit + 1, ORDERS[query.sort])
        views = found[: query.limit]
        return Page(views, views[-1].tenant.id if len(found) > query.limit else None)

    def of_ids(self, tenant_ids: Sequence[str]) -> tuple[TenantView, ...]:
        """Those that exist, newest first."""
        keys = [key for key in map(object_id, tenant_ids) if key]
        return self._views({"_id": {"$in": keys}}, 0)

    def _following(self, query: TenantQuery) -> list[Document]:
        """The condition on tenants that follow the previous page's last. Pages stay stable while rows are added."""
        key = object_id(query.after) if query.after else None
        if key is None:
            return []
        field, direction = ORDERS[query.sort]
        with our_errors():
            last = self._tenants.find_one({"_id": key}, {field: 1})
        return [{field: {"$gt" if direction == ASCENDING else "$lt": last[field] if last else key}}]

    def _views(self, condition: Document, limit: int, order: Order = NEWEST) -> tuple[TenantView, ...]:
        """`limit`: 0 for none."""
        with our_errors():
            rows = [bytes(row.raw) for row in self._tenants.find(condition).sort(*order).limit(limit)]
            # of many rows one more query costs less than a lookup for each
            wanted = [ObjectId(tenant.operation_id) for tenant in map(_tenant, rows) if tenant.operation_id]
            operations = [bytes(row.raw) for row in self._operations.find({"_id": {"$in": wanted}})]
        latest = {_operation(row).id: row for row in operations}
        return tuple(_view(row, latest.get(_tenant(row).operation_id or "")) for row in rows)


# the same rows come again and again; what was made of them cannot change, so it is made once


@lru_cache(REMEMBERED)
def _tenant(row: bytes) -> Tenant:
    return tenant_of(bson.decode(row, _READ))


@lru_cache(REMEMBERED)
def _operation(row: bytes) -> Operation:
    return operation_of(bson.decode(row, _READ))


@lru_cache(REMEMBERED)
def _view(tenant: bytes, operation: bytes | None) -> TenantView:
    return TenantView(_tenant(tenant), _operation(operation) if operation else None)


@lru_cache(REMEMBERED)
def _looked_up(row: bytes) -> TenantView:
    """Of a tenant's row that its latest operation was looked up for."""
    document = bson.decode(row, _READ)
    latest = document["latest"]
    return TenantView(tenant_of(document), operation_of(latest[0]) if latest else None)
