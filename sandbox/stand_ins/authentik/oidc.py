"""Authentik's OIDC providers on the wire: discovery, keys, the token endpoint, userinfo, introspection."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from sandbox.stand_ins.authentik.access import Access
from sandbox.stand_ins.authentik.directory import Directory
from sandbox.stand_ins.authentik.oidc_claims import Claims, OidcClient
from sandbox.stand_ins.authentik.records import User
from sandbox.stand_ins.authentik.sessions import Sessions
from sandbox.stand_ins.authentik.tokens import Tokens

__all__ = ["Oidc", "OidcClient"]


class Oidc(Claims):
    """Routes over the claims. The issuer is derived from the Host of each request, as in the real one."""

    def __init__(
        self,
        directory: Directory,
        access: Access,
        tokens: Tokens,
        clients: tuple[OidcClient, ...],
    ) -> None:
        super().__init__(directory, [client.slug for client in clients])
        self._tokens = tokens
        self._clients = {client.client_id: client for client in clients}
        self.sessions = Sessions(directory, access, self)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/application/o/{slug}/.well-known/openid-configuration", self.discovery)
        router.add_get("/application/o/{slug}/jwks/", self.jwks)
        router.add_post("/application/o/token/", self.token)
        router.add_get("/application/o/userinfo/", self.userinfo)
        router.add_post("/application/o/introspect/", self.introspect)

    async def discovery(self, request: web.Request) -> web.Response:
        slug = self._slug(request)
        base = f"{request.scheme}://{request.host}/application/o/"
        return web.json_response(
            {
                "issuer": f"{base}{slug}/",
                "jwks_uri": f"{base}{slug}/jwks/",
                "token_endpoint": f"{base}token/",
                "userinfo_endpoint": f"{base}userinfo/",
                "introspection_endpoint": f"{base}introspect/",
                "authorization_endpoint": f"{base}authorize/",
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )

    async def jwks(self, request: web.Request) -> web.Response:
        key = self._keys[self._slug(request)].as_dict(private=False)
        return web.json_response({"keys": [{**key, "alg": "RS256", "use": "sig"}]})

    async def token(self, request: web.Request) -> web.Response:
        given = await _form(request)
        client = self._clients.get(given.get("client_id", ""))
        if client is None:
            return _refused("invalid_client")
        issuer = f"{request.scheme}://{request.host}/application/o/{client.slug}/"
        if given.get("grant_type") == "refresh_token":
            if not _is_secret_of(client, given):
                return _refused("invalid_client")
            answer = self.sessions.refresh(client, given.get("refresh_token", ""), issuer)
            return _refused("invalid_grant") if answer is None else web.json_response(answer)
        # a grant type that the provider does not allow is refused as a bad grant too
        known = given.get("grant_type") == "client_credentials"
        user = self._credentials_user(client, given) if known else None
        if user is None or not self.sessions.may_use(user, client):
            return _refused("invalid_grant")
        return web.json_response(self.tokens(client, user, given.get("scope", "").split(), issuer))

    async def userinfo(self, request: web.Request) -> web.Response:
        """Computed anew: a change of groups shows here at once, a switched-off user gets nothing."""
        found = self.read(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if found is None:
            return web.Response(status=401, headers={"WWW-Authenticate": 'error="invalid_token"'})
        user, claims = found
        return web.json_response({"sub": user.uid, **self.about(user, claims.get("scope", "").split())})

    async def introspect(self, request: web.Request) -> web.Response:
        given = await _form(request)
        client = self._clients.get(given.get("client_id", ""))
        if client is None or not _is_secret_of(client, given):
            return _refused("invalid_client")
        found = self.read(given.get("token", ""))
        if found is None:
            return web.json_response({"active": False})
        user, claims = found
        seen = {**claims, **self.about(user, claims.get("scope", "").split())}
        return web.json_response({"active": True, "client_id": claims["aud"], **seen})

    def sign_in(self, username: str, client_id: str, scopes: str, origin: str) -> dict[str, Any] | None:
        """What an application gets when this person signs in to it in a browser; None when access is denied."""
        client, user = self._clients[client_id], self._directory.users_by_name[username]
        return self.sessions.sign_in(client, user, scopes.split(), f"{origin}/application/o/{client.slug}/")

    def _slug(self, request: web.Request) -> str:
        slug = request.match_info["slug"]
        if slug not in self._keys:
            raise web.HTTPNotFound(text="<html>Not Found</html>", content_type="text/html")
        return slug

    def _credentials_user(self, client: OidcClient, given: Mapping[str, str]) -> User | None:
        """Whose token the credentials buy: a named account by app password, or the provider's own account."""
        pair = (given["username"], given.get("password", "")) if "username" in given else None
        pair = pair or _decoded(given.get("client_secret", ""))
        if pair is not None:
            user = self._directory.users_by_name.get(pair[0])
            return user if user is not None and self._tokens.opens(user, pair[1]) else None
        if not _is_secret_of(client, given):
            return None
        name = f"ak-{client.slug}-client_credentials"
        return self._directory.users_by_name.get(name) or self._directory.add_user(
            {"username": name, "name": name, "type": "service_account"}
        )


async def _form(request: web.Request) -> dict[str, Any]:
    """The form's fields; credentials sent by HTTP Basic among them."""
    given = {name: str(value) for name, value in (await request.post()).items()}
    pair = _decoded(request.headers.get("Authorization", "").partition(" ")[2])
    return given | ({"client_id": pair[0], "client_secret": pair[1]} if pair else {})


def _is_secret_of(client: OidcClient, given: Mapping[str, str]) -> bool:
    return secrets.compare_digest(client.client_secret.encode(), given.get("client_secret", "").encode())


def _decoded(text: str) -> tuple[str, str] | None:
    try:
        user, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
    except ValueError:
        return None
    return (user, password) if colon else None


def _refused(error: str) -> web.Response:
    body = {"error": error, "error_description": "The request was refused.", "request_id": secrets.token_hex(16)}
    return web.json_response(body, status=400)
