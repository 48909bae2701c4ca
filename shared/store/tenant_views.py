"""Tenants with their latest operations, as they are shown: read in as few round trips as it takes."""

from __future__ import annotations

from collections.abc import Sequence

from bson import ObjectId
from pymongo import DESCENDING
from pymongo.database import Database

from shared.domain.access import Scope
from shared.domain.views import Page, TenantQuery, TenantView
from shared.store.mongo import Document, newest_first, object_id, our_errors
from shared.store.operation_rows import operation_of
from shared.store.tenant_filters import query_filters, scope_filter
from shared.store.tenant_rows import tenant_of

_LATEST: Document = {
    "$lookup": {"from": "operations", "localField": "operationId", "foreignField": "_id", "as": "latest"}
}


#: what an operation's steps are to the machine alone
_UNSHOWN: Document = {f"steps.{field}": 0 for field in ("lookAt", "leaseUntil", "leaseToken", "validFrom", "sends")}


class TenantViews:
    def __init__(self, database: Database[Document]) -> None:
        self._tenants = database["tenants"]
        self._operations = database["operations"]

    def find(self, slug: str) -> TenantView | None:
        with our_errors():
            rows = list(self._tenants.aggregate([{"$match": {"slug": slug}}, _LATEST]))
        return _view(rows[0], rows[0]["latest"]) if rows else None

    def page(self, scope: Scope, query: TenantQuery) -> Page[TenantView]:
        """Newest first."""
        conditions = [scope_filter(scope), *query_filters(query)]
        rows, following = newest_first(self._tenants, conditions, query.limit, query.after)
        return Page(self._views(rows), following)

    def of_ids(self, tenant_ids: Sequence[str]) -> tuple[TenantView, ...]:
        """Those that exist, newest first."""
        keys = [key for key in map(object_id, tenant_ids) if key]
        with our_errors():
            return self._views(list(self._tenants.find({"_id": {"$in": keys}}).sort("_id", DESCENDING)))

    def _views(self, rows: Sequence[Document]) -> tuple[TenantView, ...]:
        # of many rows one more query costs less than a lookup for each
        wanted: list[ObjectId] = [row["operationId"] for row in rows if row.get("operationId")]
        with our_errors():
            latest = {row["_id"]: [row] for row in self._operations.find({"_id": {"$in": wanted}}, _UNSHOWN)}
        return tuple(_view(row, latest.get(row.get("operationId"), [])) for row in rows)


def _view(tenant: Document, latest: Sequence[Document]) -> TenantView:
    return TenantView(tenant_of(tenant), operation_of(latest[0]) if latest else None)
