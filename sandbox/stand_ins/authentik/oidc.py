"""Authentik's OIDC providers: discovery, keys, token endpoint, revocation, userinfo. One for each application."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from sandbox.stand_ins.authentik.device import DevicePages, refused
from sandbox.stand_ins.authentik.directory import Directory, User
from sandbox.stand_ins.authentik.grants import OFFLINE, GrantRefused, Grants
from sandbox.stand_ins.faults import FaultPlan

TOKEN_LIFE = 3600
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass(frozen=True)
class OidcClient:
    """An application with its provider. `slug` stands in the issuer; the audience is the client id.

    Without a secret it is a public client: a program on people's own machines.
    """

    slug: str
    client_id: str
    client_secret: str

    def knows(self, secret: str) -> bool:
        return not self.client_secret or secrets.compare_digest(self.client_secret, secret)


class Oidc:
    """Routes over a directory. The issuer is derived from the Host of each request, as in the real one."""

    def __init__(self, directory: Directory, clients: tuple[OidcClient, ...], faults: FaultPlan) -> None:
        self._directory = directory
        self._faults = faults
        self.grants = Grants(directory)
        self._clients = {client.client_id: client for client in clients}
        self._keys: dict[str, RSAKey] = {client.slug: _new_key() for client in clients}
        self.app_passwords: dict[str, str] = {}
        self.token_life = TOKEN_LIFE
        self.devices = DevicePages(self.grants, directory, self._clients, faults)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/application/o/{slug}/.well-known/openid-configuration", self.discovery)
        router.add_get("/application/o/{slug}/jwks/", self.jwks)
        router.add_post("/application/o/token/", self.token)
        router.add_post("/application/o/revoke/", self.revoke)
        router.add_get("/application/o/userinfo/", self.userinfo)
        self.devices.add_routes(router)

    def rotate_key(self, slug: str) -> str:
        """A new signing key; the old one leaves the key set at once."""
        self._keys[slug] = _new_key()
        return str(self._keys[slug].kid)

    async def discovery(self, request: web.Request) -> web.Response:
        slug = self._slug(request)
        base = f"{request.scheme}://{request.host}/application/o/"
        return web.json_response(
            {
                "issuer": f"{base}{slug}/",
                "jwks_uri": f"{base}{slug}/jwks/",
                "token_endpoint": f"{base}token/",
                "userinfo_endpoint": f"{base}userinfo/",
                "authorization_endpoint": f"{base}authorize/",
                "device_authorization_endpoint": f"{base}device/",
                "revocation_endpoint": f"{base}revoke/",
                "grant_types_supported": ["client_credentials", "refresh_token", DEVICE_GRANT],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )

    async def jwks(self, request: web.Request) -> web.Response:
        key = self._keys[self._slug(request)].as_dict(private=False)
        return web.json_response({"keys": [{**key, "alg": "RS256", "use": "sig"}]})

    async def token(self, request: web.Request) -> web.Response:
        given = await _given(request)
        client = self._clients.get(given.get("client_id", ""))
        if client is None:
            return refused("invalid_client")
        grant = given.get("grant_type", "")
        try:
            user, scopes = self._granted(client, grant, given)
        except GrantRefused as refusal:
            return refused(refusal.error)
        issuer = f"{request.scheme}://{request.host}/application/o/{client.slug}/"
        answer = self.tokens(client, user, scopes, issuer)
        if OFFLINE in scopes and grant != "client_credentials":
            answer["refresh_token"] = self.grants.new_refresh_token(client.client_id, user, scopes)
        return web.json_response(answer)

    async def revoke(self, request: web.Request) -> web.Response:
        given = await _given(request)
        client = self._clients.get(given.get("client_id", ""))
        if client is None or not client.knows(given.get("client_secret", "")):
            return refused("invalid_client")
        self.grants.revoke_refresh_token(client.client_id, given.get("token", ""))
        return web.json_response({})

    def _granted(self, client: OidcClient, grant: str, given: Mapping[str, str]) -> tuple[User, list[str]]:
        """Whose token, with which scopes. A device needs no secret, though its client has one: so the real one."""
        scopes = given.get("scope", "").split()
        if grant == "client_credentials":
            return self._credentials_user(client, given), scopes
        if grant == "refresh_token":
            if not client.knows(given.get("client_secret", "")):
                raise GrantRefused("invalid_client")
            return self.grants.redeem_refresh_token(client.client_id, given.get("refresh_token", ""), scopes)
        if grant == DEVICE_GRANT:
            # the real one never asks for patience here, other products do: only on order
            if self._faults.strike(["slow_down"], "POST", "/application/o/token/") is not None:
                raise GrantRefused("slow_down")
            return self.grants.redeem_device(client.client_id, given.get("device_code", ""))
        raise GrantRefused("unsupported_grant_type")

    async def userinfo(self, request: web.Request) -> web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        for key in self._keys.values():
            try:
                claims = jwt.decode(token, key, algorithms=["RS256"]).claims
            except (JoseError, ValueError):
                continue
            if claims["exp"] > time.time():
                return web.json_response(claims)
        return web.Response(status=401, headers={"WWW-Authenticate": 'error="invalid_token"'})

    def tokens(self, client: OidcClient, user: User, scopes: list[str], issuer: str) -> dict[str, Any]:
        """The token endpoint's answer: the id_token is the access token less azp, uid and scope."""
        claims = self.claims(client, user, scopes, issuer)
        identity = {name: value for name, value in claims.items() if name not in ("azp", "uid", "scope")}
        return {
            "access_token": self.sign(client.slug, claims),
            "id_token": self.sign(client.slug, identity),
            "token_type": "Bearer",
            "expires_in": self.token_life,
            "scope": " ".join(scopes),
        }

    def claims(self, client: OidcClient, user: User, scopes: list[str], issuer: str) -> dict[str, Any]:
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": issuer,
            "sub": user.uid,
            "aud": client.client_id,
            "exp": now + self.token_life,
            "iat": now,
            "auth_time": now,
            "acr": "goauthentik.io/providers/oauth2/default",
            "jti": secrets.token_hex(16),
            "azp": client.client_id,
            "uid": secrets.token_hex(20),
            "scope": " ".join(scopes),
        }
        if "email" in scopes:
            claims |= {"email": user.email, "email_verified": False}
        if "profile" in scopes:
            groups = [group.name for group in self._directory.groups_of(user)]
            claims |= {
                "name": user.name,
                "preferred_username": user.username,
                "nickname": user.username,
                "groups": groups,
            }
        if "entitlements" in scopes:
            claims |= {"entitlements": user.entitlements, "roles": user.entitlements}
        return claims

    def sign(self, slug: str, claims: Mapping[str, Any], headers: Mapping[str, Any] | None = None) -> str:
        key = self._keys[slug]
        return jwt.encode({"alg": "RS256", "kid": key.kid, "typ": "JWT", **(headers or {})}, dict(claims), key)

    def _slug(self, request: web.Request) -> str:
        slug = request.match_info["slug"]
        if slug not in self._keys:
            raise web.HTTPNotFound(text="<html>Not Found</html>", content_type="text/html")
        return slug

    def _credentials_user(self, client: OidcClient, given: Mapping[str, str]) -> User:
        """Whose token the credentials buy: a named account by app password, or the provider's own account."""
        username, password = given.get("username"), given.get("password")
        if username is None:
            pair = _decoded(given.get("client_secret", ""))
            if pair is not None:
                username, password = pair
        if username is not None:
            known = self.app_passwords.get(username)
            user = self._directory.users_by_name.get(username)
            if user is None or known is None or not secrets.compare_digest(known, password or ""):
                raise GrantRefused("invalid_grant")
            return user
        if not client.client_secret or not client.knows(given.get("client_secret", "")):
            raise GrantRefused("invalid_grant")
        name = f"ak-{client.slug}-client_credentials"
        return self._directory.users_by_name.get(name) or self._directory.add_user(
            {"username": name, "name": name, "type": "service_account"}
        )


def _new_key() -> RSAKey:
    return RSAKey.generate_key(2048, parameters={"kid": secrets.token_hex(16)}, private=True)


async def _given(request: web.Request) -> dict[str, str]:
    """The form, and the client's id and secret from wherever they were sent."""
    given = {name: str(value) for name, value in (await request.post()).items()}
    return given | _basic(request.headers.get("Authorization", ""))


def _basic(header: str) -> dict[str, str]:
    pair = _decoded(header.partition(" ")[2])
    return {"client_id": pair[0], "client_secret": pair[1]} if pair else {}


def _decoded(text: str) -> tuple[str, str] | None:
    try:
        user, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
    except ValueError:
        return None
    return (user, password) if colon else None
