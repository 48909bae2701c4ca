"""Conditions of queries and fields of changes, for the `tenants` collection."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from bson import ObjectId

from shared.accounts.scope import Scope
from shared.db.documents import Document
from shared.db.mapping import plain
from shared.tenants.model import Status, Tenant, TenantChanges
from shared.tenants.views import TenantQuery

#: value of the `drifted` filter: drift in any integration
ANY = "any"


def scope_filter(scope: Scope) -> Document:
    """Return the condition for the tenants of a scope."""
    if scope.everything:
        return {}
    mine: list[Document] = [own_filter(scope)]
    if scope.partner_id is not None:
        mine.append({"partnerId": scope.partner_id})
    return {"$or": mine} if len(mine) > 1 else mine[0]


def own_filter(scope: Scope) -> Document:
    """Return the condition for the scope's own tenants, without deleted ones and those of its partner."""
    keys = [ObjectId(tenant_id) for tenant_id in scope.tenant_ids]
    return {"_id": {"$in": keys}, "status": {"$ne": Status.DELETED}}


def generation_filter(tenant_id: str, generation: int, until: datetime | None = None) -> Document:
    """Return the condition that no newer change was accepted, and that `until` has not passed."""
    in_time = {"$expr": {"$gt": [until, "$$NOW"]}} if until else {}
    return {"_id": ObjectId(tenant_id), "generation": generation, **in_time}


def query_filters(query: TenantQuery) -> list[Document]:
    """Return the conditions of a query. Its `partner` must be an id."""
    exact = {"status": query.status, "plan": query.plan, "partnerId": query.partner}
    filters: list[Document] = [{field: value} for field, value in exact.items() if value is not None]
    filters += [{f"provisioningStatus.{step}": status} for step, status in query.steps.items()]
    if query.paused:
        filters.append({"pause.since": {"$type": "date"}})
    if query.drifted is not None:
        filters.append({"drifted": {"$exists": True} if query.drifted == ANY else query.drifted})
    if query.ids is not None:
        filters.append({"_id": {"$in": [ObjectId(one) for one in query.ids]}})
    if query.slugs is not None:
        filters.append({"slug": {"$in": list(query.slugs)}})
    if query.search is not None:
        filters.append(_search_filter(query.search, query.search_partners))
    return filters


def _search_filter(text: str, partner_ids: Sequence[str]) -> Document:
    begins = {"$regex": f"^{re.escape(text.lower())}"}
    # older records have no `search` until `StatusRepair` writes it
    choices: list[Document] = [{"search": begins}, {"slug": begins}]
    return {"$or": [*choices, {"partnerId": {"$in": list(partner_ids)}}] if partner_ids else choices}


def search_terms(slug: str, name: str, domains: Sequence[str], owner: str | None) -> list[str]:
    """Return the search terms in lower case: slug, name and its words, domains, the owner's address."""
    texts = [slug, name, *name.split(), *domains, *([owner] if owner else [])]
    return sorted({text.lower() for text in texts})


def change_document(changes: TenantChanges) -> Document:
    """Return changes under the names of the stored fields."""
    fields: Document = {}
    for name in ("name", "plan"):
        if name in changes:
            fields[name] = changes[name]
    if "domains" in changes:
        fields["domains"] = list(changes["domains"])
    if "billing_info" in changes:
        fields["billingInfo"] = plain(changes["billing_info"])
    if "partner_id" in changes:
        fields["partnerId"] = changes["partner_id"]
    if "owner" in changes:
        fields["owner"] = plain(changes["owner"])
    return fields


def search_fields(tenant: Tenant, changes: TenantChanges) -> Document:
    """Return the `search` field if the change affects it, else nothing."""
    if not {"name", "domains", "owner"} & set(changes):
        return {}
    owner = changes.get("owner", tenant.owner)
    domains, name = changes.get("domains", tenant.domains), changes.get("name", tenant.name)
    return {"search": search_terms(tenant.slug, name, domains, owner.email if owner else None)}
