"""Replay a stored response only to a caller who still has the rights that the first request had."""

from __future__ import annotations

import json
from collections.abc import Collection

from flask import g, request

from api.auth.guard import actor
from shared.accounts.user import PLATFORM, Role
from shared.application.services import Services
from shared.core.errors import Forbidden, NotFound
from shared.rights import policy
from shared.rights.policy import Actor
from shared.tenants.model import Tenant
from shared.tenants.views import TenantQuery
from shared.webhooks.model import Owner
from shared.webhooks.policy import may_see_webhooks

LOST_RIGHTS = "You have fewer rights than when this request was first answered, so the response is not replayed."


class ReplayRights:
    """Stores a caller's rights with a response, and requires them again before it is replayed."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def held(self) -> list[str]:
        """Return the rights of this request's caller, to be stored with the response."""
        found = g.get("actor")
        return sorted(rights_snapshot(found)) if found is not None else []

    def require(self, kept: Collection[str], location: str | None, body: bytes) -> None:
        """Raise UnknownUser, Forbidden when a right was revoked, or NotFound when the caller no longer sees the tenant.

        `location`, `body`: of the stored response. The caller must see the tenants that the body names, not
        those that the record has now: it may have been moved or deleted since.
        """
        caller = actor(self._services)
        if has_lost_rights(caller, kept):
            raise Forbidden(LOST_RIGHTS)
        if caller.reads_everything:
            return
        parts = request.view_args or {}
        if "slug" in parts:
            self._services.tenants.visible(parts["slug"], caller)
        if "operation_id" in parts:
            self._services.operations.get(parts["operation_id"], caller)
        if "webhook_id" in parts:
            self._services.webhooks.get(parts["webhook_id"], caller)
        kind, _, name = (location or "").strip("/").partition("/")
        kind = "bulk-operations" if "bulk_id" in parts else kind
        self._require_created(kind, name, body, caller)

    def _require_created(self, kind: str, name: str, body: bytes, caller: Actor) -> None:
        """Require the rights in the tenants of a created record. `kind`, `name`: parts of its Location."""
        if kind == "tenants":
            self._services.tenants.visible(name, caller)
        elif kind == "bulk-operations":
            for one in json.loads(body)["tenants"]:
                self._services.tenants.visible(one["tenant"], caller)
        elif kind == "users":
            named = json.loads(body)["tenantIds"]
            found = self._visible_tenants(named, caller)
            is_allowed = len(found) == len(named) and all(map(caller.manages, found))
            policy.require(
                is_allowed, "You no longer manage all tenants that the response names, so it is not replayed."
            )
        elif kind == "webhooks":
            shown = json.loads(body)
            owner = Owner(shown.get("tenantId"), shown.get("partnerId"))
            found = self._visible_tenants([owner.tenant_id] if owner.tenant_id else [], caller)
            if not may_see_webhooks(caller, owner, next(iter(found), None)):
                raise NotFound(f"There is no webhook {name!r}.")

    def _visible_tenants(self, ids: Collection[str], caller: Actor) -> list[Tenant]:
        query = TenantQuery(limit=len(ids), ids=tuple(ids))
        return [view.tenant for view in self._services.tenants.page(caller, query).items] if ids else []


def rights_snapshot(actor: Actor) -> frozenset[str]:
    """Return the actor's rights as texts that can be stored and compared later; see `has_lost_rights`."""
    if actor.is_platform_admin:
        return frozenset({PLATFORM})
    partner = {f"partner:{actor.user.partner_id}"} if actor.is_partner_admin else set()
    roles = {
        f"tenant:{tenant_id}:{role}"
        for tenant_id, held in actor.user.roles.items()
        for role in Role
        if role.rank <= held.rank
    }
    return frozenset(partner | roles)


def has_lost_rights(actor: Actor, snapshot: Collection[str]) -> bool:
    """Return whether the actor lacks any right of an earlier snapshot."""
    return not actor.is_platform_admin and not rights_snapshot(actor).issuperset(snapshot)
