"""Serve Authentik's API of groups."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from sandbox.simulators.authentik.access import Access
from sandbox.simulators.authentik.api.guard import Route, may, seen, sees
from sandbox.simulators.authentik.api.responses import (
    asked,
    attribute_filter,
    attributes_match,
    html,
    json_body,
    language,
    masked_405,
    page,
    refusal,
    shown_member,
)
from sandbox.simulators.authentik.directory import Directory
from sandbox.simulators.authentik.records import Group, Invalid, Token, User
from sandbox.simulators.faults import FaultPlan

GROUPS = "/core/groups/"


class GroupRoutes:
    """Views over a directory."""

    def __init__(self, directory: Directory, access: Access, faults: FaultPlan) -> None:
        self._directory = directory
        self._access = access
        self._faults = faults

    def table(self) -> list[Route]:
        one = GROUPS + "{pk}/"
        return [
            ("GET", GROUPS, "view_group", self.list_groups),
            ("POST", GROUPS, "add_group", self.create_group),
            ("GET", one, "view_group", self.get_group),
            ("PATCH", one, "change_group", self.patch_group),
            ("PUT", one, "change_group", self.put_group),
            ("DELETE", one, "delete_group", self.delete_group),
            ("GET", one + "used_by/", "view_group", self.used_by),
            ("POST", one + "add_user/", "add_user_to_group", self.add_member),
            ("POST", one + "remove_user/", "remove_user_from_group", self.remove_member),
        ]

    async def list_groups(self, request: web.Request, token: Token) -> web.Response:
        query = request.query
        groups: Iterable[Group] = seen(token, "view_group", self._directory.groups.values())
        if "name" in query:
            named = self._directory.groups_by_name.get(query["name"].strip())
            groups = [named] if named and sees(token, "view_group", named) else []
        if "attributes" in query:
            wanted = attribute_filter(query["attributes"])
            groups = [group for group in groups if attributes_match(group.attributes, wanted)]
        if "search" in query:
            groups = [group for group in groups if query["search"].lower() in group.name.lower()]
        if "is_superuser" in query:
            groups = [group for group in groups if group.is_superuser == (query["is_superuser"].lower() == "true")]
        found = sorted(self._with_members(request, groups), key=lambda group: group.name)
        return page(request, found, lambda group: self._response(group, request))

    async def create_group(self, request: web.Request, token: Token) -> web.Response:
        body = await json_body(request)
        _require_power(body, token)
        if self._faults.inject(["race_lost"], "POST", request.path_qs) is not None:
            # another caller commits the same name between our check and our commit
            self._directory.add_group({"name": body.get("name")})
            return masked_405()
        if self._faults.inject(["twin_first"], "POST", request.path_qs) is not None:
            self._directory.add_group({"name": body.get("name"), "attributes": body.get("attributes", {})})
        return web.json_response(
            self._response(self._directory.add_group(body, language(request)), request), status=201
        )

    async def get_group(self, request: web.Request, token: Token) -> web.Response:
        group = self._group(request)
        if not sees(token, "view_group", group):
            raise refusal(404, "No Group matches the given query.")
        return web.json_response(self._response(group, request))

    async def patch_group(self, request: web.Request, token: Token) -> web.Response:
        return await self._change(request, token, whole=False)

    async def put_group(self, request: web.Request, token: Token) -> web.Response:
        return await self._change(request, token, whole=True)

    async def delete_group(self, request: web.Request, token: Token) -> web.Response:
        self._directory.delete_group(self._group(request))
        return web.Response(status=204)

    async def used_by(self, request: web.Request, token: Token) -> web.Response:
        """Return the objects deleted with the group. As in Authentik, only superusers get a correct response."""
        group = self._group(request)
        if not all(may(token, one) for one in ("view_groupancestrynode", "view_scimsourcegroup")):
            return html(500)
        sees = may(token, "view_policybinding")
        bindings = [binding for binding in self._access.bindings.values() if sees and binding.group == group.pk]
        shown = {"app": "authentik_policies", "model_name": "policybinding", "action": "cascade"}
        return web.json_response([{**shown, "pk": one.pk, "name": f"Binding {one.pk}"} for one in bindings])

    async def add_member(self, request: web.Request, token: Token) -> web.Response:
        group, user = self._group(request), await self._member(request, token)
        group.users.add(user.pk)
        return web.Response(status=204)

    async def remove_member(self, request: web.Request, token: Token) -> web.Response:
        group, user = self._group(request), await self._member(request, token)
        group.users.discard(user.pk)
        return web.Response(status=204)

    async def _change(self, request: web.Request, token: Token, *, whole: bool) -> web.Response:
        group, body = self._group(request), await json_body(request)
        _require_power(body, token)
        self._directory.change_group(group, body, whole=whole, language=language(request))
        return web.json_response(self._response(group, request))

    async def _member(self, request: web.Request, token: Token) -> User:
        pk = (await json_body(request)).get("pk")
        if pk is None:
            raise Invalid(pk=["This field is required."])
        user = self._directory.users.get(pk)
        if user is None or not may(token, "view_user"):
            raise refusal(404, "No User matches the given query.")
        return user

    def _group(self, request: web.Request) -> Group:
        group = self._directory.groups.get(request.match_info["pk"])
        if group is None:
            raise refusal(404, "No Group matches the given query.")
        return group

    def _with_members(self, request: web.Request, groups: Iterable[Group]) -> Iterable[Group]:
        names = request.query.getall("members_by_username", [])
        pks = {int(pk) for pk in request.query.getall("members_by_pk", []) if pk.isdigit()}
        pks |= {user.pk for user in self._directory.users.values() if user.username in names}
        wanted = "members_by_username" in request.query or "members_by_pk" in request.query
        return [group for group in groups if pks & group.users] if wanted else groups

    def _response(self, group: Group, request: web.Request) -> dict[str, Any]:
        children, users = list(group.children.values()), sorted(group.users)
        parents = [self._directory.groups[pk] for pk in group.parents]
        return {
            "pk": group.pk,
            "num_pk": group.num_pk,
            "name": group.name,
            "is_superuser": group.is_superuser,
            "parents": group.parents,
            "parents_obj": [_brief(one) for one in parents] if asked(request, "include_parents") else None,
            "users": users,
            "users_obj": [shown_member(self._directory.users[pk]) for pk in users]
            if asked(request, "include_users", default=True)
            else None,
            "attributes": group.attributes,
            "roles": [],
            "roles_obj": [],
            "inherited_roles_obj": [] if asked(request, "include_inherited_roles") else None,
            "children": [one.pk for one in children],
            "children_obj": [_brief(one) for one in children] if asked(request, "include_children") else None,
        }


def _brief(group: Group) -> dict[str, Any]:
    return {"pk": group.pk, "name": group.name, "is_superuser": group.is_superuser, "attributes": group.attributes}


def _require_power(body: dict[str, Any], token: Token) -> None:
    if body.get("is_superuser") and not may(token, "enable_group_superuser"):
        raise Invalid(is_superuser=["User does not have permission to set superuser status to True."])
