"""Authentik's management API, version 3: groups, users, tokens, and its ways of saying no."""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web

from sandbox.stand_ins.authentik.directory import Directory, Group, Invalid, ServerFault, Token, User
from sandbox.stand_ins.faults import FaultPlan

BASE = "/api/v3"
HTML_404 = "<!doctype html><html><title>Not found</title></html>"
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
        router.add_get("/-/health/{which:live|ready}/", _empty)
        router.add_get(f"{BASE}/root/config/", _config)
        router.add_route("*", "/api/{rest:.*}", _no_such_page)

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
            wanted = _attribute_filter(query["attributes"])
            groups = [group for group in groups if _attributes_match(group.attributes, wanted)]
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
            "users_obj": [_shown_user(self._directory.users[pk]) for pk in sorted(group.users)] if embed else None,
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
        return page(request, [_shown_user(user) for user in users])

    async def create_user(self, request: web.Request, token: Token) -> web.Response:
        return web.json_response(_shown_user(self._directory.add_user(await json_body(request))), status=201)

    async def get_user(self, request: web.Request, token: Token) -> web.Response:
        return web.json_response(_shown_user(self._user(request)))

    async def delete_user(self, request: web.Request, token: Token) -> web.Response:
        user = self._user(request)
        del self._directory.users[user.pk], self._directory.users_by_name[user.username]
        for group in self._directory.groups.values():
            group.users.discard(user.pk)
        return web.Response(status=204)

    async def me(self, request: web.Request, token: Token) -> web.Response:
        return web.json_response({"user": _shown_user(self._directory.users[token.user]) | {"roles": []}})

    def _user(self, request: web.Request) -> User:
        user = self._directory.users.get(int(request.match_info["pk"]))
        if user is None:
            raise refusal(404, "No User matches the given query.")
        return user


def refusal(status: int, detail: str) -> web.HTTPException:
    kind: type[web.HTTPException] = web.HTTPNotFound if status == 404 else web.HTTPForbidden
    return kind(text=json.dumps({"detail": detail}), content_type="application/json")


def masked_405() -> web.Response:
    """What any non-GET request gets for a server fault or an unknown URL: the error pages only know GET."""
    return web.Response(status=405, content_type="text/html", headers={"Allow": "GET, HEAD, OPTIONS"})


def html(status: int) -> web.Response:
    return web.Response(status=status, text=HTML_404, content_type="text/html")


async def json_body(request: web.Request) -> dict[str, Any]:
    if request.content_type == "application/x-www-form-urlencoded":
        raise web.HTTPUnsupportedMediaType(text='{"detail":"Unsupported media type"}', content_type="application/json")
    if request.content_type != "application/json":
        return {}
    try:
        body = json.loads(await request.read() or b"{}")
    except ValueError:
        raise web.HTTPBadRequest(text='{"detail":"JSON parse error"}', content_type="application/json") from None
    return body if isinstance(body, dict) else {}


def page(request: web.Request, items: list[dict[str, Any]]) -> web.Response:
    """Pages by number; 0 means none. A page beyond the end is a 404."""
    size = min(int(request.query.get("page_size", 20)), 100)
    number = int(request.query.get("page", 1))
    pages = max(1, -(-len(items) // size))
    if number > pages:
        raise refusal(404, "Invalid page.")
    start = (number - 1) * size
    pagination = {
        "next": number + 1 if number < pages else 0,
        "previous": number - 1,
        "count": len(items),
        "current": number,
        "total_pages": pages,
        "start_index": start + 1,
        "end_index": min(start + size, len(items)),
    }
    return web.json_response({"pagination": pagination, "results": items[start : start + size], "autocomplete": {}})


def language(request: web.Request) -> str:
    return request.headers.get("Accept-Language", "en")[:2].lower()


def _attribute_filter(text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except ValueError:
        raise web.HTTPBadRequest(text='["filter: failed to parse JSON"]', content_type="application/json") from None


def _attributes_match(attributes: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Django's lookups: `a__b` walks into objects, a nested object is compared whole."""
    for path, value in wanted.items():
        found: Any = attributes
        for key in path.split("__"):
            found = found.get(key) if isinstance(found, dict) else None
        if found != value:
            return False
    return True


def _shown_user(user: User) -> dict[str, Any]:
    return {
        "pk": user.pk,
        "username": user.username,
        "name": user.name,
        "email": user.email,
        "is_active": user.is_active,
        "type": user.type,
        "path": user.path,
        "attributes": user.attributes,
        "uid": user.uid,
        "uuid": user.uuid,
        "avatar": "data:image/svg+xml;base64," + "A" * 1500,
    }


async def _empty(request: web.Request) -> web.Response:
    return web.Response(status=200)


async def _config(request: web.Request) -> web.Response:
    return web.json_response({"capabilities": [], "cache_timeout": 300})


async def _no_such_page(request: web.Request) -> web.Response:
    return html(404) if request.method == "GET" else masked_405()
