"""LibreGraph's permissions of a space: its members and their roles. Only members may read or change them."""

from __future__ import annotations

from aiohttp import web

from sandbox.simulators.ocis.guard import BETA, Outages, Route
from sandbox.simulators.ocis.people import Person
from sandbox.simulators.ocis.responses import permission, sent_object
from sandbox.simulators.ocis.spaces import ROLE_NAMES, Space, Storage

ROLES = [{"id": id_, "displayName": f"Can be {name}"} for id_, name in ROLE_NAMES.items()]
NOT_FOUND = (404, "stat: error: not found")


class MemberRoutes:
    """Views over a storage."""

    def __init__(self, storage: Storage, outages: Outages) -> None:
        self._storage = storage
        self._outages = outages

    def table(self) -> list[Route]:
        root = f"{BETA}/drives/{{id}}/root"
        return [
            ("POST", f"{root}/invite", self.invite),
            ("GET", f"{root}/permissions", self.permissions),
            ("PATCH", f"{root}/permissions/{{permission}}", self.change),
            ("DELETE", f"{root}/permissions/{{permission}}", self.remove),
            ("GET", f"{BETA}/roleManagement/permissions/roleDefinitions", self.roles),
        ]

    async def invite(self, request: web.Request, person: Person) -> web.Response:
        space, body = self._space(request, person), await sent_object(request)
        granted = self._storage.invite(space, person, body)
        invitation = {"invitation": {"invitedBy": {"user": {"id": person.id, "displayName": person.username}}}}
        return web.json_response({"value": [permission(granted, space.grants[granted]) | invitation]})

    async def permissions(self, request: web.Request, person: Person) -> web.Response:
        space = self._space(request, person)
        held = [permission(id_, role) for id_, role in space.grants.items()]
        return web.json_response({"@libre.graph.permissions.roles.allowedValues": ROLES, "value": held})

    async def change(self, request: web.Request, person: Person) -> web.Response:
        space, body = self._space(request, person), await sent_object(request)
        id_ = request.match_info["permission"]
        self._storage.change_member(space, person, id_, body)
        return web.json_response(permission(id_, space.grants[id_]))

    async def remove(self, request: web.Request, person: Person) -> web.Response:
        self._storage.remove_member(self._space(request, person), person, request.match_info["permission"])
        return web.Response(status=204)

    async def roles(self, request: web.Request, person: Person) -> web.Response:
        return web.json_response(ROLES)

    def _space(self, request: web.Request, person: Person) -> Space:
        self._outages.require_storage(request, *NOT_FOUND)
        return self._storage.open_for_members(request.match_info["id"], person)
