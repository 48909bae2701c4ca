"""Authentik's management API, version 3: groups, users, tokens, and its ways of saying no."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web

from sandbox.stand_ins.authentik.answers import (
    attribute_filter,
    attributes_match,
    config,
    empty,
    html,
    json_body,
    language,
    masked_405,
    no_such_page,
    page,
    refusal,
    shown_user,
)
from sandbox.stand_ins.authentik.directory import Directory, Group, Invalid, ServerFault, Token, User
from sandbox.stand_ins.faults import FaultPlan

BASE = "/api/v3"
View = Callable[[web.Request, Token], Awaitable[web.Response]]


class Api:
    """Routes over a directory."""

    def __init__(self, directory: Directory, faults: FaultPlan) -> None:
        self._directory = directory
        self._faults = faults

    def add_routes(self, router: web.UrlDispatcher) -> None:
        groups, users = f"{BASE}/core/groups/", f"{BASE}/core/users/"
        table: list[tuple[str, str, str | None, View]] = [
            ("GET", groups, "view_group", self.list_groups),
            ("POST", groups, "add_group", self.create_group),
            ("GET", groups + "{pk}/", "view_group", self.get_group),
            ("PATCH", groups + "{pk}/", "change_group", self.patch_group),
            ("PUT", groups + "{pk}/", "change_group", self.put_group),
            ("DELETE", groups + "{pk}/", "delete_group", self.delete_group),
            ("POST", groups + "{pk}/add_user/", "add_user_to_group", self.add_member),
            ("POST", groups + "{pk}/remove_user/", "remove_user_from_group", self.remove_member),
            ("GET", users, "view_user", self.list_users),
            ("POST", users, "add_user", self.create_user),
            ("GET", users + "me/", None, self.me),
            ("GET", users + "{pk:[0-9]+}/", "view_user", self.get_user),
            ("DELETE", users + "{pk:[0-9]+}/", "delete_user", self.delete_user),
        ]
        for method, path, permission, view in table:
            router.add_route(method, path, self._guard(permission, view), name=None)
        router.add_get("/-/health/{which:live|ready}/", empty)
        router.add_get(f"{BASE}/root/config/", config)
        router.add_route("*", "/api/{rest:.*}", no_such_page)

    def _guard(self, permission: str | None, view: View) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def guarded(request: web.Request) -> web.Response:
            try:
                response = await view(request, self._authorised(request, permission))
            except Invalid as problem:
                response = web.json_response(problem.fields, status=400)
            except ServerFault:
                response = masked_405() if request.method != "GET" else html(500)
            except web.HTTPException as answer:
                response = web.Response(status=answer.status, text=answer.text, content_type=answer.content_type)
            response.headers["X-authentik-Id"] = uuid.uuid4().hex
            return response

        return guarded

    def _authorised(self, request: web.Request, permission: str | None) -> Token:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise refusal(403, "Authentication credentials were not provided.")
        token = self._directory.tokens.get(key)
        if token is None or token.intent != "api":
            raise refusal(403, "Token invalid/expired")
        if permission and token.permissions is not None and permission not in token.permissions:
            raise refusal(403, "You do not have permission to perform this action.")
        return token

    # -- groups

    async def list_groups(self, request: web.Request, token: Token) -> web.Response:
        query = request.query
        groups: Iterable[Group] = self._directory.groups.values()
        if "name" in query:
            found = self._directory.groups_by_name.get(query["name"].strip())
            groups = [found] if found else []
        if "attributes" in query:
            wanted = attribute_filter(query["attributes"])
            groups = [group for group in groups if attributes_match(group.attributes, wanted)]
        if "search" in query:
            groups = [group for group in groups if query["search"].lower() in group.name.lower()]
        return page(request, [self._shown(group, request) for group in sorted(groups, key=lambda g: g.name)])

    async def create_group(self, request: web.Request, token: Token) -> web.Response:
        body = await json_body(request)
        if self._faults.strike(["race_lost"], "POST", request.path_qs) is not None:
            # another caller commits this very name between our check and our commit
            self._directory.add_group({"name": body.get("name")})
            return masked_405()
        if self._faults.strike(["twin_first"], "POST", request.path_qs) is not None:
            self._directory.add_group({"name": body.get("name"), "attributes": body.get("attributes", {})})
        return web.json_response(self._shown(self._directory.add_group(body, language(request)), request), status=201)

    async def get_group(self, request: web.Request, token: Token) -> web.Response:
        return web.json_response(self._shown(self._group(request), request))

    async def patch_group(self, request: web.Request, token: Token) -> web.Response:
        return await self._change(request, whole=False)

    async def put_group(self, request: web.Request, token: Token) -> web.Response:
        return await self._change(request, whole=True)

    async def delete_group(self, request: web.Request, token: Token) -> web.Response:
        self._directory.delete_group(self._group(request))
        return web.Response(status=204)

    async def add_member(self, request: web.Request, token: Token) -> web.Response:
        group, user = self._group(request), await self._member(request, token)
        group.users.add(user.pk)
        return web.Response(status=204)

    async def remove_member(self, request: web.Request, token: Token) -> web.Response:
        group, user = self._group(request), await self._member(request, token)
        group.users.discard(user.pk)
        return web.Response(status=204)

    async def _change(self, request: web.Request, *, whole: bool) -> web.Response:
        group, body = self._group(request), await json_body(request)
        self._directory.change_group(group, body, whole=whole, language=language(request))
        return web.json_response(self._shown(group, request))

    async def _member(self, request: web.Request, token: Token) -> User:
        pk = (await json_body(request)).get("pk")
        if pk is None:
            raise Invalid(pk=["This field is required."])
        user = self._directory.users.get(pk)
        blind = token.permissions is not None and "view_user" not in token.permissions
        if user is None or blind:
            raise refusal(404, "No User matches the given query.")
        return user

    def _group(self, request: web.Request) -> Group:
        group = self._directory.groups.get(request.match_info["pk"])
        if group is None:
            raise refusal(404, "No Group matches the given query.")
        return group

    def _shown(self, group: Group, request: web.Request) -> dict[str, Any]:
        embed = request.query.get("include_users", "true").lower() != "false"
        return {
            "pk": group.pk,
            "num_pk": group.num_pk,
            "name": group.name,
            "is_superuser": group.is_superuser,
            "parents": group.parents,
            "users": sorted(group.users),
            "users_obj": [shown_user(self._directory.users[pk]) for pk in sorted(group.users)] if embed else None,
            "attributes": group.attributes,
            "roles": [],
            "children": [],
        }

    # -- users

    async def list_users(self, request: web.Request, token: Token) -> web.Response:
        users: Iterable[User] = self._directory.users.values()
        if "username" in request.query:
            found = self._directory.users_by_name.get(request.query["username"])
            users = [found] if found else []
        if "email" in request.query:
            users = [user for user in users if user.email == request.query["email"]]
        return page(request, [shown_user(user) for user in users])

    async def create_user(self, request: web.Request, token: Token) -> web.Response:
        return web.json_response(shown_user(self._directory.add_user(await json_body(request))), status=201)

    async def get_user(self, request: web.Request, token: Token) -> web.Response:
        return web.json_response(shown_user(self._user(request)))

    async def delete_user(self, request: web.Request, token: Token) -> web.Response:
        user = self._user(request)
        del self._directory.users[user.pk], self._directory.users_by_name[user.username]
        for group in self._directory.groups.values():
            group.users.discard(user.pk)
        return web.Response(status=204)

    async def me(self, request: web.Request, token: Token) -> web.Response:
        return web.json_response({"user": shown_user(self._directory.users[token.user]) | {"roles": []}})

    def _user(self, request: web.Request) -> User:
        user = self._directory.users.get(int(request.match_info["pk"]))
        if user is None:
            raise refusal(404, "No User matches the given query.")
        return user
