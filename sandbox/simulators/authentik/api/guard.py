"""Authorise calls of Authentik's API, and convert refusals and faults to responses."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from aiohttp import web

from sandbox.simulators.authentik.api.responses import html, masked_405, refusal
from sandbox.simulators.authentik.directory import Directory
from sandbox.simulators.authentik.records import Binding, Group, Invalid, ServerFault, Token, User
from sandbox.simulators.authentik.tokens import Tokens

BASE = "/api/v3"
NOT_PERMITTED = "You do not have permission to perform this action."
#: without one of these, an account still sees the single objects that it may view
PARTIAL = frozenset({"view_group", "view_user", "view_policybinding"})
Seen = TypeVar("Seen", Group, User, Binding)
View = Callable[[web.Request, Token], Awaitable[web.Response]]
#: method, path below BASE, the permission it needs (None: any good token), view
Route = tuple[str, str, str | None, View]


class Guard:
    """Wrapper of views; the only place that converts refusals to responses."""

    def __init__(self, directory: Directory, tokens: Tokens) -> None:
        self._directory = directory
        self._tokens = tokens

    def add_routes(self, router: web.UrlDispatcher, table: Iterable[Route]) -> None:
        for method, path, permission, view in table:
            router.add_route(method, BASE + path, self._guard(permission, view))

    def _guard(self, permission: str | None, view: View) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def guarded(request: web.Request) -> web.Response:
            try:
                response = await view(request, self._authorise(request, permission))
            except Invalid as problem:
                response = web.json_response(problem.fields, status=400)
            except ServerFault:
                response = masked_405() if request.method != "GET" else html(500)
            except web.HTTPException as answer:
                response = web.Response(status=answer.status, text=answer.text, content_type=answer.content_type)
            response.headers["X-authentik-Id"] = uuid.uuid4().hex
            return response

        return guarded

    def _authorise(self, request: web.Request, permission: str | None) -> Token:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise refusal(403, "Authentication credentials were not provided.")
        token = self._tokens.bearer(key)
        user = self._directory.users.get(token.user) if token else None
        if token is None or user is None or not user.is_active:
            raise refusal(403, "Token invalid/expired")
        is_partial = request.method == "GET" and permission in PARTIAL and bool(token.visible)
        if permission and not may(token, permission) and not is_partial:
            raise refusal(403, NOT_PERMITTED)
        return token


def may(token: Token, permission: str) -> bool:
    return token.permissions is None or permission in token.permissions


def sees(token: Token, permission: str, one: Seen) -> bool:
    """Return whether an account may view this object: by the permission to view all, or this one."""
    return may(token, permission) or str(one.pk) in token.visible


def seen(token: Token, permission: str, items: Iterable[Seen]) -> list[Seen]:
    """Return the objects that a list shows. An account that may view none of them is refused."""
    found = [one for one in items if sees(token, permission, one)]
    if not found and not may(token, permission):
        raise refusal(403, NOT_PERMITTED)
    return found
