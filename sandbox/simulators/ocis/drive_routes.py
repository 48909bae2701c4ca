"""LibreGraph's drives: list, create, change, disable, restore and purge project spaces."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from sandbox.simulators.ocis.guard import BETA, V1, Outages, Route
from sandbox.simulators.ocis.people import GraphError, Person
from sandbox.simulators.ocis.responses import drive, grants_by_name, other_drives, permission, sent_object
from sandbox.simulators.ocis.spaces import Space, Storage

#: header values that count as true; every other value is ignored
TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
OPTIONS = frozenset({"$filter", "$orderby", "$search", "$top", "$expand", "$select"})
#: names that `$orderby` accepts, and the attribute of each
ORDERS = {"name": "name", "lastModifiedDateTime": "modified"}
NOT_FOUND = (404, "no drive returned from storage")
BROKEN = (500, "storage")


class DriveRoutes:
    """Views over a storage. `opencloud`: members are left out of drives unless they are asked for."""

    def __init__(self, storage: Storage, outages: Outages, *, opencloud: bool) -> None:
        self._storage = storage
        self._outages = outages
        self._opencloud = opencloud

    def table(self) -> list[Route]:
        return [
            ("GET", f"{V1}/me/drives", self.my_drives),
            ("GET", f"{V1}/drives", self.drives),
            ("POST", f"{V1}/drives", self.create),
            ("GET", f"{BETA}/drives", self.drives),
            ("GET", f"{V1}/drives/{{id}}", self.get),
            ("PATCH", f"{V1}/drives/{{id}}", self.patch),
            ("DELETE", f"{V1}/drives/{{id}}", self.delete),
        ]

    async def my_drives(self, request: web.Request, person: Person) -> web.Response:
        return self._list(request, person, self._storage.of_person(person))

    async def drives(self, request: web.Request, person: Person) -> web.Response:
        if self._outages.has_fault("mfa", request):
            return web.Response(status=403, headers={"X-Ocis-Mfa-Required": "true"})
        return self._list(request, person, self._storage.visible(person))

    async def create(self, request: web.Request, person: Person) -> web.Response:
        body = await sent_object(request)
        self._outages.require_storage(request, *BROKEN)
        if self._outages.has_fault("second_creator", request):
            self._storage.create(person, body)
        space = self._storage.create(person, body)
        if self._outages.has_fault("create_then_500", request):
            space.grants.clear()
            raise GraphError(500, "generalException", "grant failed")
        return web.json_response(self._response(space, request), status=201)

    async def get(self, request: web.Request, person: Person) -> web.Response:
        self._outages.require_storage(request, *NOT_FOUND)
        return web.json_response(self._response(self._storage.space(request.match_info["id"], person), request))

    async def patch(self, request: web.Request, person: Person) -> web.Response:
        self._outages.require_storage(request, *BROKEN)
        body, space = await sent_object(request), self._storage.space(request.match_info["id"], person)
        self._storage.change(space, person, body, restore=request.headers.get("Restore") in TRUE)
        return web.json_response(self._response(space, request))

    async def delete(self, request: web.Request, person: Person) -> web.Response:
        self._outages.require_storage(request, *BROKEN)
        space = self._storage.space(request.match_info["id"], person)
        self._storage.remove(space, person, purge=request.headers.get("Purge") in TRUE)
        return web.Response(status=204)

    def _list(self, request: web.Request, person: Person, spaces: list[Space]) -> web.Response:
        if any(name.startswith("$") and name not in OPTIONS for name in request.query):
            raise GraphError(400, "invalidRequest", "unknown option")
        condition = request.query.get("$filter", "")
        if re.search(r"\b(and|or)\b|startswith\(", condition):
            raise GraphError(501, "notSupported", "unsupported filter")
        if self._outages.has_fault("storage_down", request):
            spaces = []
        projects = [self._response(space, request) for space in _order(request, spaces)]
        return web.json_response({"value": _filter(projects + other_drives(person), condition)})

    def _response(self, space: Space, request: web.Request) -> dict[str, Any]:
        origin = f"{request.scheme}://{request.host}"
        if request.path.startswith(BETA):
            members = [permission(id_, role) for id_, role in space.grants.items()]
        else:
            members = grants_by_name(space)
        is_wanted = not self._opencloud or "permissions" in request.query.get("$expand", "")
        if self._outages.has_fault("members_hidden", request):
            is_wanted = False
        return drive(space, origin, members if is_wanted else None)


def _filter(drives: list[dict[str, Any]], condition: str) -> list[dict[str, Any]]:
    """Apply the two filters that the product supports; it ignores all others."""
    wanted = re.fullmatch(r"(id|driveType) eq '(.*)'", condition)
    return [one for one in drives if one[wanted[1]] == wanted[2]] if wanted else drives


def _order(request: web.Request, spaces: list[Space]) -> list[Space]:
    wanted = request.query.get("$orderby")
    if wanted is None:
        return spaces
    name, _, direction = wanted.partition(" ")
    if name not in ORDERS or direction not in ("", "asc", "desc"):
        raise GraphError(400, "invalidRequest", "we do not support this order parameter")
    return sorted(spaces, key=lambda space: str(getattr(space, ORDERS[name])), reverse=direction == "desc")
