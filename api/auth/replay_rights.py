"""Replay a stored response only to a caller who still has the rights it was first given by."""

from __future__ import annotations

from collections.abc import Collection

from flask import g, request

from api.auth.guard import actor
from shared.application.services import Services
from shared.core.errors import Forbidden
from shared.rights.held_rights import has_lost_rights, rights_snapshot

FEWER = "You have fewer rights than when this request was first answered, so the response is not replayed."


class ReplayRights:
    """Stores a caller's rights with a response, and requires them again before it is replayed."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def held(self) -> list[str]:
        """Return the rights of this request's caller, to be stored with the response."""
        found = g.get("actor")
        return sorted(rights_snapshot(found)) if found is not None else []

    def require(self, kept: Collection[str], location: str | None) -> None:
        """Raise UnknownUser, Forbidden when a right was revoked, or NotFound when the tenant is no longer the caller's.

        `location`: the header of the stored response.
        """
        caller = actor(self._services)
        if has_lost_rights(caller, kept):
            raise Forbidden(FEWER)
        parts = request.view_args or {}
        slug = parts.get("slug") or _slug(location)
        if slug is not None:
            self._services.tenants.visible(slug, caller)
        if "operation_id" in parts:
            self._services.operations.get(parts["operation_id"], caller)


def _slug(location: str | None) -> str | None:
    return location.removeprefix("/tenants/") if location and location.startswith("/tenants/") else None
