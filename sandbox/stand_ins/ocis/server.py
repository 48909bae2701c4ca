"""OCIS's stand-in, put together: LibreGraph over a storage, behind the proxy, with the outages of each."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from sandbox.stand_ins.ocis.answers import drive, error_answer, no_such_page, permission, plain, sent_object
from sandbox.stand_ins.ocis.proxy import Proxy
from sandbox.stand_ins.ocis.spaces import (
    ADMIN_ROLES,
    ROLE_NAMES,
    STORAGE,
    GraphError,
    Person,
    Space,
    Storage,
    allow,
)
from sandbox.stand_ins.server import StandIn

View = Callable[[web.Request, Person], Awaitable[web.Response]]
TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
OPTIONS = frozenset({"$filter", "$orderby", "$search", "$top", "$expand", "$select"})


class OcisStandIn(StandIn):
    """Own faults: `storage_down` (lists are empty, all else not found), `graph_down` (500, empty), `idp_down` (401),
    `create_then_500` (a space without members), `second_creator` (a twin appears before our create), `mfa`."""

    product = "ocis"
    own_faults = frozenset({"storage_down", "graph_down", "idp_down", "create_then_500", "second_creator", "mfa"})

    def __init__(
        self,
        *,
        issuer: str = "https://idp.invalid/",
        jwks_url: str | None = None,
        basic_users: Mapping[str, tuple[str, str]] | None = None,
        max_quota: int = 0,
        opencloud: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(seed=seed)
        self._issuer, self._jwks_url = issuer, jwks_url
        self._basic_users = basic_users or {}
        self._max_quota = max_quota
        self._opencloud = opencloud
        self.reset()
        v1, beta = "/graph/v1.0", "/graph/v1beta1/drives/{id}/root"
        table: list[tuple[str, str, View]] = [
            ("GET", f"{v1}/me", self.me),
            ("GET", f"{v1}/me/drive", self.my_drive),
            ("GET", f"{v1}/me/drives", self.my_drives),
            ("GET", f"{v1}/drives", self.drives),
            ("POST", f"{v1}/drives", self.create),
            ("GET", f"{v1}/drives/{{id}}", self.get),
            ("PATCH", f"{v1}/drives/{{id}}", self.patch),
            ("DELETE", f"{v1}/drives/{{id}}", self.delete),
            ("POST", f"{beta}/invite", self.invite),
            ("GET", f"{beta}/permissions", self.permissions),
            ("PATCH", f"{beta}/permissions/{{permission}}", self.change_permission),
            ("DELETE", f"{beta}/permissions/{{permission}}", self.delete_permission),
            ("POST", f"{v1}/groups", self.create_group),
            ("GET", f"{v1}/groups", self.list_groups),
            ("GET", f"{v1}/groups/{{name}}", self.get_group),
        ]
        for method, path, view in table:
            self.app.router.add_route(method, path, self._guard(view))
        self.app.router.add_get("/status.php", self._status)
        self.app.router.add_route("*", "/{rest:.*}", no_such_page)

    def reset(self) -> None:
        self.storage = Storage(self._max_quota)
        self.proxy = Proxy(self.storage, self._issuer, self._jwks_url, self._basic_users)

    def snapshot(self) -> dict[str, Any]:
        return {"spaces": [plain(space) for space in self.storage.spaces.values()], "groups": self.storage.groups}

    def controls(self) -> dict[str, Callable[..., Any]]:
        return {
            "allow_token": self.proxy.allow_token,
            "forget_tokens": self.proxy.forget_tokens,
            "add_space": self.add_space,
            "add_group": self.storage.add_group,
        }

    def add_space(self, name: str, description: str = "", alias: str = "", manager: str | None = None) -> str:
        """A space made behind our back; without a manager it has no members at all."""
        grants = {f"u:{self.storage.people[manager].id}": "manager"} if manager else {}
        space = Space(name, alias or f"project/{name.lower()}", description, 0, grants)
        self.storage.spaces[space.id] = space
        return space.id

    # -- who and what

    async def me(self, request: web.Request, person: Person) -> web.Response:
        shown: dict[str, Any] = {"id": person.id, "displayName": person.username}
        if "appRoleAssignments" in request.query.get("$expand", ""):
            shown["appRoleAssignments"] = [{"appRoleId": ADMIN_ROLES[person.role], "principalId": person.id}]
        return web.json_response(shown)

    async def my_drive(self, request: web.Request, person: Person) -> web.Response:
        if self._is("storage_down", request):
            raise GraphError(404, "itemNotFound", "no drive returned from storage")
        return web.json_response({"id": f"{STORAGE}${person.id}", "driveType": "personal", "name": person.username})

    async def my_drives(self, request: web.Request, person: Person) -> web.Response:
        spaces = [space for space in self.storage.spaces.values() if self.storage.is_member(space, person)]
        return self._list(request, spaces)

    async def drives(self, request: web.Request, person: Person) -> web.Response:
        if self._is("mfa", request):
            return web.Response(status=403, headers={"X-Ocis-Mfa-Required": "true"})
        return self._list(request, self.storage.visible(person))

    def _list(self, request: web.Request, spaces: list[Space]) -> web.Response:
        if any(name.startswith("$") and name not in OPTIONS for name in request.query):
            raise GraphError(400, "invalidRequest", "unknown option")
        condition = request.query.get("$filter", "")
        if re.search(r"\b(and|or)\b|startswith\(", condition):
            raise GraphError(501, "notSupported", "unsupported filter")
        if self._is("storage_down", request):
            return web.json_response({"value": []})
        by_id = re.fullmatch(r"id eq '(.*)'", condition)
        by_type = re.fullmatch(r"driveType eq '(.*)'", condition)
        if by_id:
            spaces = [space for space in spaces if space.id == by_id[1]]
        if by_type and by_type[1] != "project":
            spaces = []
        return web.json_response({"value": [self._shown(space, request) for space in spaces]})

    # -- one space

    async def create(self, request: web.Request, person: Person) -> web.Response:
        body = await sent_object(request)
        if self._is("storage_down", request):
            raise GraphError(500, "generalException", "storage")
        if self._is("second_creator", request):
            self.storage.create(person, body)
        space = self.storage.create(person, body)
        if self._is("create_then_500", request):
            space.grants.clear()
            raise GraphError(500, "generalException", "grant failed")
        return web.json_response(self._shown(space, request), status=201)

    async def get(self, request: web.Request, person: Person) -> web.Response:
        return web.json_response(self._shown(self._space(request, person), request))

    async def patch(self, request: web.Request, person: Person) -> web.Response:
        if self._is("storage_down", request):
            raise GraphError(500, "generalException", "storage")
        body, space = await sent_object(request), self._space(request, person)
        self.storage.change(space, person, body, restore=request.headers.get("Restore") in TRUE)
        return web.json_response(self._shown(space, request))

    async def delete(self, request: web.Request, person: Person) -> web.Response:
        if self._is("storage_down", request):
            raise GraphError(500, "generalException", "storage")
        space = self._space(request, person)
        self.storage.remove(space, person, purge=request.headers.get("Purge") in TRUE)
        return web.Response(status=204)

    def _space(self, request: web.Request, person: Person) -> Space:
        if self._is("storage_down", request):
            raise GraphError(404, "itemNotFound", "no drive returned from storage")
        return self.storage.space(request.match_info["id"], person)

    # -- members

    async def invite(self, request: web.Request, person: Person) -> web.Response:
        space, body = self._membered(request, person), await sent_object(request)
        granted = self.storage.invite(space, body)
        return web.json_response({"value": [permission(granted, space.grants[granted])]})

    async def permissions(self, request: web.Request, person: Person) -> web.Response:
        space = self._membered(request, person)
        return web.json_response({"value": [permission(id_, role) for id_, role in space.grants.items()]})

    async def change_permission(self, request: web.Request, person: Person) -> web.Response:
        space, body = self._membered(request, person), await sent_object(request)
        id_ = request.match_info["permission"]
        roles = body.get("roles") or [""]
        if id_ not in space.grants:
            raise GraphError(404, "itemNotFound", "permission not found")
        if roles[0] not in ROLE_NAMES:
            raise GraphError(400, "invalidRequest", "unknown role")
        space.grants[id_] = ROLE_NAMES[roles[0]]
        return web.json_response(permission(id_, space.grants[id_]))

    async def delete_permission(self, request: web.Request, person: Person) -> web.Response:
        space, id_ = self._membered(request, person), request.match_info["permission"]
        if id_ not in space.grants:
            raise GraphError(500, "generalException", "error getting grant to remove")
        if [role for role in space.grants.values()].count("manager") == 1 and space.grants[id_] == "manager":
            raise GraphError(403, "accessDenied", "can't remove the last manager")
        del space.grants[id_]
        return web.Response(status=204)

    def _membered(self, request: web.Request, person: Person) -> Space:
        if self._is("storage_down", request):
            raise GraphError(404, "itemNotFound", "stat: error: not found")
        return self.storage.open_for_members(request.match_info["id"], person)

    # -- groups

    async def create_group(self, request: web.Request, person: Person) -> web.Response:
        body = await sent_object(request)
        if person.role != "Admin":
            raise GraphError(403, "accessDenied", "not allowed")
        allow(body, {"displayName", "description"})
        name = str(body.get("displayName") or "")
        return web.json_response({"id": self.storage.add_group(name), "displayName": name}, status=201)

    async def list_groups(self, request: web.Request, person: Person) -> web.Response:
        wanted = request.query.get("$search", "")
        if "-" in wanted and not wanted.startswith('"'):
            raise GraphError(400, "invalidRequest", "token error")
        shown = [{"id": id_, "displayName": name} for id_, name in self.storage.groups.items()]
        return web.json_response({"value": [one for one in shown if wanted.strip('"') in one["displayName"]]})

    async def get_group(self, request: web.Request, person: Person) -> web.Response:
        id_, name = self.storage.group(request.match_info["name"])
        return web.json_response({"id": id_, "displayName": name})

    # -- how

    def _is(self, kind: str, request: web.Request) -> bool:
        return self.faults.strike([kind], request.method, request.path_qs) is not None

    def _shown(self, space: Space, request: web.Request) -> dict[str, Any]:
        wanted = "permissions" in request.query.get("$expand", "")
        return drive(space, with_members=wanted or not self._opencloud)

    def _guard(self, view: View) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def guarded(request: web.Request) -> web.Response:
            request_id = request.headers.get("X-Request-Id", "made-here")
            try:
                if self._is("idp_down", request):
                    raise GraphError(401)
                person = await self.proxy.person(request.headers.get("Authorization", ""))
                if self._is("graph_down", request):
                    raise GraphError(500)
                return await view(request, person)
            except GraphError as error:
                return error_answer(error, request_id)

        return guarded

    @staticmethod
    async def _status(request: web.Request) -> web.Response:
        return web.json_response({"installed": True, "productversion": "7.1.0", "product": "Infinite Scale"})
