"""Replay a stored response only to a caller who still has the rights it was first given by."""

from __future__ import annotations

import json
from collections.abc import Collection

from flask import g, request

from api.auth.guard import actor
from shared.application.services import Services
from shared.core.errors import Forbidden, NotFound
from shared.rights import policy
from shared.rights.held_rights import has_lost_rights, rights_snapshot
from shared.rights.policy import Actor
from shared.tenants.model import Tenant
from shared.tenants.views import TenantQuery
from shared.webhooks.model import Owner
from shared.webhooks.policy import may_see_webhooks

FEWER = "You have fewer rights than when this request was first answered, so the response is not replayed."


class ReplayRights:
    """Stores a caller's rights with a response, and requires them again before it is replayed."""

    def __init__(self, services: Services) -> None:
        self._services = services
        #: by the first part of the stored Location
        self._checks = {
            "tenants": self._require_tenant,
            "users": self._require_user,
            "webhooks": self._require_webhook,
            "bulk-operations": self._require_bulk,
        }

    def held(self) -> list[str]:
        """Return the rights of this request's caller, to be stored with the response."""
        found = g.get("actor")
        return sorted(rights_snapshot(found)) if found is not None else []

    def require(self, kept: Collection[str], location: str | None, body: bytes) -> None:
        """Raise UnknownUser, Forbidden when a right was revoked, or NotFound when the caller no longer sees the tenant.

        `location`, `body`: of the stored response. The tenants that it names count, not those of the object by now:
        the object may have been moved or deleted since.
        """
        caller = actor(self._services)
        if has_lost_rights(caller, kept):
            raise Forbidden(FEWER)
        if caller.reads_everything:
            return
        parts = request.view_args or {}
        kind, _, made = (location or "").strip("/").partition("/")
        if "slug" in parts:
            self._services.tenants.visible(parts["slug"], caller)
        if "operation_id" in parts:
            self._services.operations.get(parts["operation_id"], caller)
        if "webhook_id" in parts:
            self._services.webhooks.get(parts["webhook_id"], caller)
        if kind in self._checks:
            self._checks[kind](made, caller, body)

    def _require_tenant(self, slug: str, caller: Actor, body: bytes) -> None:
        self._services.tenants.visible(slug, caller)

    def _require_user(self, user_id: str, caller: Actor, body: bytes) -> None:
        named = json.loads(body)["tenantIds"]
        found = self._visible_tenants(named, caller)
        is_allowed = len(found) == len(named) and all(map(caller.manages, found))
        policy.require(is_allowed, "You no longer manage all tenants that the response names, so it is not replayed.")

    def _require_webhook(self, webhook_id: str, caller: Actor, body: bytes) -> None:
        shown = json.loads(body)
        owner = Owner(shown.get("tenantId"), shown.get("partnerId"))
        found = self._visible_tenants([owner.tenant_id] if owner.tenant_id else [], caller)
        if not may_see_webhooks(caller, owner, next(iter(found), None)):
            raise NotFound(f"There is no webhook {webhook_id!r}.")

    def _require_bulk(self, bulk_id: str, caller: Actor, body: bytes) -> None:
        for named in json.loads(body)["tenants"]:
            self._services.tenants.visible(named["tenant"], caller)

    def _visible_tenants(self, ids: Collection[str], caller: Actor) -> list[Tenant]:
        query = TenantQuery(limit=len(ids), ids=tuple(ids))
        return [view.tenant for view in self._services.tenants.page(caller, query).items] if ids else []
