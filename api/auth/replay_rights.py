"""What an idempotent answer is shown again to: a caller who still has the rights that it was first given by."""

from __future__ import annotations

from collections.abc import Collection

from flask import g, request

from api.auth.guard import actor
from shared.application.services import Services
from shared.core.errors import Forbidden
from shared.rights.held_rights import has_lost, held_rights

FEWER = "Your rights are fewer than when this request was first answered, so that answer is not shown again."


class ReplayRights:
    """Keeps with an answer the rights of its caller, and asks for them again before it is replayed."""

    def __init__(self, control_plane: Services) -> None:
        self._control_plane = control_plane

    def held(self) -> list[str]:
        """The rights of this request's caller, to be kept with the answer."""
        found = g.get("actor")
        return sorted(held_rights(found)) if found is not None else []

    def require(self, kept: Collection[str], location: str | None) -> None:
        """Raises UnknownUser, Forbidden when a right is gone, NotFound when the tenant is no longer the caller's.

        `location`: the header of the kept answer.
        """
        caller = actor(self._control_plane)
        if has_lost(caller, kept):
            raise Forbidden(FEWER)
        parts = request.view_args or {}
        slug = parts.get("slug") or _slug(location)
        if slug is not None:
            self._control_plane.tenants.visible(slug, caller)
        if "operation_id" in parts:
            self._control_plane.operations.get(parts["operation_id"], caller)


def _slug(location: str | None) -> str | None:
    return location.removeprefix("/tenants/") if location and location.startswith("/tenants/") else None
