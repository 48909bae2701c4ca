"""LibreGraph's people: the caller with a personal space, groups, users, role assignments and app tokens."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import Any

from aiohttp import web

from sandbox.simulators.ocis.guard import V1, Outages, Route
from sandbox.simulators.ocis.people import ADMIN_ROLES, GraphError, People, Person
from sandbox.simulators.ocis.proxy import Proxy
from sandbox.simulators.ocis.responses import sent_object
from sandbox.simulators.ocis.spaces import STORAGE, allow

#: id of the application in role assignments
APPLICATION = str(uuid.UUID(int=2))
SEARCH_LENGTH = 3
UNITS = {"h": 3600, "m": 60, "s": 1}
USER_FIELDS = {"onPremisesSamAccountName", "displayName", "mail"}


class PeopleRoutes:
    """Views over the people. `read_only_directory`: groups come from a directory that nothing here changes."""

    def __init__(self, people: People, outages: Outages, *, read_only_directory: bool = False) -> None:
        self._people = people
        self._read_only = read_only_directory
        self._outages = outages

    def table(self) -> list[Route]:
        return [
            ("GET", f"{V1}/me", self.me),
            ("GET", f"{V1}/me/drive", self.my_drive),
            ("POST", f"{V1}/groups", self.create_group),
            ("GET", f"{V1}/groups", self.list_groups),
            ("GET", f"{V1}/groups/{{name}}", self.get_group),
            ("DELETE", f"{V1}/groups/{{name}}", self.delete_group),
            ("POST", f"{V1}/users", self.create_user),
            ("POST", f"{V1}/users/{{id}}/appRoleAssignments", self.assign_role),
            ("GET", f"{V1}/applications", self.applications),
        ]

    async def me(self, request: web.Request, person: Person) -> web.Response:
        shown: dict[str, Any] = {
            "id": person.id,
            "displayName": person.username,
            "onPremisesSamAccountName": person.username,
        }
        if "appRoleAssignments" in request.query.get("$expand", ""):
            shown["appRoleAssignments"] = [_assignment(person)] if person.role in ADMIN_ROLES else []
        return web.json_response(shown)

    async def my_drive(self, request: web.Request, person: Person) -> web.Response:
        """Return the caller's personal space, which is absent while the storage is down."""
        self._outages.require_storage(request, 404, "no drive returned from storage")
        return web.json_response({"id": f"{STORAGE}${person.id}", "driveType": "personal", "name": person.username})

    # -- groups

    async def create_group(self, request: web.Request, person: Person) -> web.Response:
        body = await sent_object(request)
        _require_admin(person)
        self._require_writable()
        allow(body, {"displayName", "description"})
        name = str(body.get("displayName") or "")
        return web.json_response({"id": self._people.add_group(name), "displayName": name}, status=201)

    async def delete_group(self, request: web.Request, person: Person) -> web.Response:
        _require_admin(person)
        self._require_writable()
        id_, _ = self._people.group(request.match_info["name"])
        self._people.remove_group(id_)
        return web.Response(status=204)

    def _require_writable(self) -> None:
        if self._read_only:
            raise GraphError(405)

    async def list_groups(self, request: web.Request, person: Person) -> web.Response:
        """List groups. A filter is ignored; a search is applied."""
        wanted = request.query.get("$search", "")
        if "-" in wanted and not wanted.startswith('"'):
            raise GraphError(400, "invalidRequest", "token error")
        wanted = wanted.strip('"')
        if person.role != "Admin" and len(wanted) < SEARCH_LENGTH:
            raise GraphError(403, "accessDenied", "search term too short")
        shown = [{"id": id_, "displayName": name} for id_, name in self._people.groups.items()]
        return web.json_response({"value": [one for one in shown if wanted in one["displayName"]]})

    async def get_group(self, request: web.Request, person: Person) -> web.Response:
        id_, name = self._people.group(request.match_info["name"])
        return web.json_response({"id": id_, "displayName": name})

    # -- users and roles

    async def create_user(self, request: web.Request, person: Person) -> web.Response:
        """Create a user, who is identified by `preferred_username` in their tokens."""
        body = await sent_object(request)
        _require_admin(person)
        allow(body, USER_FIELDS)
        name = str(body.get("onPremisesSamAccountName") or "")
        if not name or not body.get("displayName"):
            raise GraphError(400, "invalidRequest", "missing required property")
        made = self._people.add_person(name)
        return web.json_response({"id": made.id, **body}, status=201)

    async def assign_role(self, request: web.Request, person: Person) -> web.Response:
        """Replace a user's role with immediate effect."""
        body = await sent_object(request)
        _require_admin(person)
        target = self._people.by_id(request.match_info["id"])
        roles = {id_: role for role, id_ in ADMIN_ROLES.items()}
        role = roles.get(str(body.get("appRoleId")))
        if role is None or body.get("principalId") != target.id or body.get("resourceId") != APPLICATION:
            raise GraphError(400, "invalidRequest", "invalid role assignment")
        target.role = role
        return web.json_response(_assignment(target), status=201)

    async def applications(self, request: web.Request, person: Person) -> web.Response:
        roles = [{"id": id_, "displayName": name} for name, id_ in ADMIN_ROLES.items()]
        return web.json_response({"value": [{"id": APPLICATION, "displayName": "ownCloud", "appRoles": roles}]})


class AppTokenRoutes:
    """Views over the proxy's app tokens."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    def table(self) -> list[Route]:
        return [("POST", "/auth-app/tokens", self.create)]

    async def create(self, request: web.Request, person: Person) -> web.Response:
        """Create a token of the caller; `expiry` (such as `72h`) is required."""
        lifetime = re.fullmatch(r"(\d+)([hms])", request.query.get("expiry", ""))
        if lifetime is None:
            raise GraphError(400, "invalidRequest", "invalid expiry")
        token, ends_at = self._proxy.add_app_token(person, timedelta(seconds=int(lifetime[1]) * UNITS[lifetime[2]]))
        return web.json_response({"token": token, "expiration_date": ends_at.isoformat(), "label": "Generated"})


def _assignment(person: Person) -> dict[str, Any]:
    return {"appRoleId": ADMIN_ROLES[person.role], "principalId": person.id, "resourceId": APPLICATION}


def _require_admin(person: Person) -> None:
    if person.role != "Admin":
        raise GraphError(403, "accessDenied", "not allowed")
