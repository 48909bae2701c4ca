"""Serve Authentik's API of its own tokens."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from sandbox.simulators.authentik.api.guard import Route
from sandbox.simulators.authentik.api.responses import json_body, page, refusal
from sandbox.simulators.authentik.directory import Directory
from sandbox.simulators.authentik.records import Invalid, Token
from sandbox.simulators.authentik.tokens import Tokens
from sandbox.simulators.authentik.user_fields import REQUIRED

TOKENS = "/core/tokens/"


class TokenRoutes:
    """Views over the tokens. A token's object never contains its key."""

    def __init__(self, directory: Directory, tokens: Tokens) -> None:
        self._directory = directory
        self._tokens = tokens

    def table(self) -> list[Route]:
        one = TOKENS + "{identifier}/"
        return [
            ("GET", TOKENS, "view_token", self.list_tokens),
            ("POST", TOKENS, "add_token", self.create_token),
            ("GET", one, "view_token", self.get_token),
            ("DELETE", one, "delete_token", self.delete_token),
            ("GET", one + "view_key/", "view_token_key", self.view_key),
            ("POST", one + "set_key/", "set_token_key", self.set_key),
        ]

    async def list_tokens(self, request: web.Request, token: Token) -> web.Response:
        return page(request, list(self._tokens.by_identifier.values()), _response)

    async def create_token(self, request: web.Request, token: Token) -> web.Response:
        body = await json_body(request)
        # only a superuser creates tokens for others; from anybody else the field is ignored
        pk = body.get("user", token.user) if token.permissions is None else token.user
        owner = self._directory.users.get(pk)
        if owner is None:
            raise Invalid(user=[f'Invalid pk "{pk}" - object does not exist.'])
        return web.json_response(_response(self._tokens.create(body, token, owner)), status=201)

    async def get_token(self, request: web.Request, token: Token) -> web.Response:
        return web.json_response(_response(self._token(request)))

    async def delete_token(self, request: web.Request, token: Token) -> web.Response:
        self._tokens.remove(self._token(request))
        return web.Response(status=204)

    async def view_key(self, request: web.Request, token: Token) -> web.Response:
        return web.json_response({"key": self._token(request).key})

    async def set_key(self, request: web.Request, token: Token) -> web.Response:
        found, key = self._token(request), (await json_body(request)).get("key")
        if not key:
            raise Invalid(key=REQUIRED)
        self._tokens.set_key(found, str(key))
        return web.Response(status=204)

    def _token(self, request: web.Request) -> Token:
        found = self._tokens.by_identifier.get(request.match_info["identifier"])
        if found is None:
            raise refusal(404, "No Token matches the given query.")
        return found


def _response(token: Token) -> dict[str, Any]:
    return {
        "identifier": token.identifier,
        "intent": token.intent,
        "user": token.user,
        "description": token.description,
        "expires": token.expires.isoformat() if token.expires else None,
        "expiring": token.expires is not None,
    }
