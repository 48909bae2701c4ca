"""Read tenants with their latest operations, in few round trips. Values of unchanged documents are cached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import bson
from bson import ObjectId
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING, DESCENDING
from pymongo.database import Database

from shared.accounts.partner_repository import PartnerRepository
from shared.accounts.scope import Scope
from shared.accounts.user import User
from shared.accounts.user_repository import user_of
from shared.db.documents import Document, Page, object_id, translate_errors
from shared.operations.documents import operation_of
from shared.operations.model import Operation
from shared.tenants.documents import tenant_of
from shared.tenants.filters import query_filters, scope_filter
from shared.tenants.model import Tenant
from shared.tenants.views import TenantQuery, TenantView

#: joins one tenant's latest operation; the redundant `$limit` makes the server a third faster
_LATEST: Document = {
    "$lookup": {
        "from": "operations",
        "localField": "operationId",
        "foreignField": "_id",
        "pipeline": [{"$limit": 1}],
        "as": "latest",
    }
}

#: leaves documents encoded: their bytes are the cache's key, so only unknown ones are decoded
_RAW = CodecOptions(document_class=RawBSONDocument, tz_aware=True)
_DECODED: CodecOptions[Document] = CodecOptions(tz_aware=True)

#: field and direction of a sort order; each has an index
Order = tuple[str, int]
NEWEST: Order = ("_id", DESCENDING)
ORDERS: dict[str, Order] = {"newest": NEWEST, "oldest": ("_id", ASCENDING), "slug": ("slug", ASCENDING)}

#: documents in each cache: a few pages for each of a few callers
CACHE_SIZE = 1024


#: upper limit of partners whose tenants one search includes
SEARCHED_PARTNERS = 20
#: an id that no partner has, so that a query for an unknown partner finds no tenant
NO_PARTNER = "0" * 24


def with_partner_ids(query: TenantQuery, partners: PartnerRepository) -> TenantQuery:
    """Return the query with partners' slugs replaced by their ids."""
    if query.search is not None:
        query = replace(query, search_partners=partners.ids_by_slug(query.search.lower(), SEARCHED_PARTNERS))
    if query.partner is None or object_id(query.partner) is not None:
        return query
    partner = partners.find_by_slug(query.partner)
    return replace(query, partner=partner.id if partner else NO_PARTNER)


class TenantReadRepository:
    def __init__(self, database: Database[Document]) -> None:
        raw: Database[RawBSONDocument] = database.with_options(codec_options=_RAW)
        self._tenants = raw["tenants"]
        self._operations = raw["operations"]
        self._users = raw["users"]

    def find(self, slug: str) -> TenantView | None:
        with translate_errors():
            documents = list(self._tenants.aggregate([{"$match": {"slug": slug}}, _LATEST]))
        return _joined_view(bytes(documents[0].raw)) if documents else None

    def find_for(self, subject: str, slug: str) -> tuple[User, TenantView | None] | None:
        """Return the user of this subject and the tenant, in one round trip. Return None when there is no such user.

        The caller must check whether the user may see the tenant.
        """
        tenant = {"from": "tenants", "pipeline": [{"$match": {"slug": slug}}, _LATEST], "as": "tenant"}
        with translate_errors():
            documents = list(self._users.aggregate([{"$match": {"authentikSubjectId": subject}}, {"$lookup": tenant}]))
        if not documents:
            return None
        found = documents[0]["tenant"]
        return user_of(dict(documents[0].items())), _joined_view(bytes(found[0].raw)) if found else None

    def page(self, scope: Scope, query: TenantQuery) -> Page[TenantView]:
        """Return one page in the query's order."""
        wanted = [scope_filter(scope), *query_filters(query), *self._after_cursor(query)]
        conditions = [one for one in wanted if one]
        found = self._views({"$and": conditions} if conditions else {}, query.limit + 1, ORDERS[query.sort])
        views = found[: query.limit]
        return Page(views, views[-1].tenant.id if len(found) > query.limit else None)

    def of_ids(self, tenant_ids: Sequence[str]) -> tuple[TenantView, ...]:
        """Return those that exist, newest first."""
        keys = [key for key in map(object_id, tenant_ids) if key]
        return self._views({"_id": {"$in": keys}}, 0)

    def _after_cursor(self, query: TenantQuery) -> list[Document]:
        """Return the condition for tenants after the cursor, which is a tenant's id. New tenants do not shift pages."""
        key = object_id(query.after) if query.after else None
        if key is None:
            return []
        field, direction = ORDERS[query.sort]
        with translate_errors():
            last = self._tenants.find_one({"_id": key}, {field: 1})
        return [{field: {"$gt" if direction == ASCENDING else "$lt": last[field] if last else key}}]

    def _views(self, condition: Document, limit: int, order: Order = NEWEST) -> tuple[TenantView, ...]:
        """Return the tenants with their operations. `limit`: 0 means no limit."""
        with translate_errors():
            documents = [bytes(document.raw) for document in self._tenants.find(condition).sort(*order).limit(limit)]
            # one more query costs less than a `$lookup` for each of many tenants
            wanted = [ObjectId(tenant.operation_id) for tenant in map(_tenant, documents) if tenant.operation_id]
            operations = [bytes(document.raw) for document in self._operations.find({"_id": {"$in": wanted}})]
        latest = {_operation(document).id: document for document in operations}
        return tuple(_view(document, latest.get(_tenant(document).operation_id or "")) for document in documents)


# Clients poll the same documents. Decoding them takes most of the time, and the values are immutable, so share them.


@lru_cache(CACHE_SIZE)
def _tenant(document: bytes) -> Tenant:
    return tenant_of(bson.decode(document, _DECODED))


@lru_cache(CACHE_SIZE)
def _operation(document: bytes) -> Operation:
    return operation_of(bson.decode(document, _DECODED))


@lru_cache(CACHE_SIZE)
def _view(tenant: bytes, operation: bytes | None) -> TenantView:
    return TenantView(_tenant(tenant), _operation(operation) if operation else None)


@lru_cache(CACHE_SIZE)
def _joined_view(stored: bytes) -> TenantView:
    """Return the view of a tenant's document that `_LATEST` joined with its operation."""
    document = bson.decode(stored, _DECODED)
    latest = document["latest"]
    return TenantView(tenant_of(document), operation_of(latest[0]) if latest else None)


class TenantCounts:
    """Counts over the `tenants` collection."""

    def __init__(self, database: Database[Document]) -> None:
        self._tenants = database["tenants"]

    def count_purgeable(self, limit: int = 10_000) -> int:
        """Return how many deleted tenants are due for a purge; stop counting at `limit`."""
        over = {"purgeAfter": {"$exists": True}, "$expr": {"$lte": ["$purgeAfter", "$$NOW"]}}
        with translate_errors():
            return self._tenants.count_documents(over, limit=limit, hint="purge")

    def has_several(self) -> bool:
        """Return true for at least two tenants. One may be the tenant that the first start creates."""
        with translate_errors():
            return len(list(self._tenants.find({}, {"_id": 1}).limit(2))) > 1
