"""What is asked of the tenants' collection, and what is changed there, as documents."""

from __future__ import annotations

import re

from bson import ObjectId

from shared.db.documents import Document
from shared.provisioning.exports import TenantQuery
from shared.provisioning.policy import Scope
from shared.tenants.documents import billing_document, owner_document
from shared.tenants.model import Status, TenantChanges


def scope_filter(scope: Scope) -> Document:
    if scope.everything:
        return {}
    mine: list[Document] = [own_filter(scope)]
    if scope.partner_id is not None:
        mine.append({"partnerId": scope.partner_id})
    return {"$or": mine} if len(mine) > 1 else mine[0]


def own_filter(scope: Scope) -> Document:
    keys = [ObjectId(tenant_id) for tenant_id in scope.tenant_ids]
    return {"_id": {"$in": keys}, "status": {"$ne": Status.DELETED}}


def query_filters(query: TenantQuery) -> list[Document]:
    exact = {"status": query.status, "plan": query.plan, "partnerId": query.partner_id}
    filters: list[Document] = [{field: value} for field, value in exact.items() if value is not None]
    filters += [{f"provisioningStatus.{step}": "error"} for step in query.failed_steps]
    if query.paused:
        filters.append({"pause.since": {"$type": "date"}})
    if query.prefix is not None:
        filters.append({"slug": {"$regex": f"^{re.escape(query.prefix)}"}})
    return filters


def change_document(changes: TenantChanges) -> Document:
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
    if "owner" in changes:
        fields["owner"] = owner_document(changes["owner"])
    return fields
