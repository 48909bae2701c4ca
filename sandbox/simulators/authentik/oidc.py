"""Authentik's OIDC providers on the wire: discovery, keys, token endpoint, revocation, userinfo, introspection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from sandbox.simulators.authentik.credentials import Machines, sent_form
from sandbox.simulators.authentik.device import DevicePages, refused
from sandbox.simulators.authentik.grants import OFFLINE, GrantRefused, Grants
from sandbox.simulators.authentik.oidc_claims import Claims, OidcClient
from sandbox.simulators.authentik.records import User
from sandbox.simulators.authentik.sessions import Sessions
from sandbox.simulators.authentik.world import World
from sandbox.simulators.faults import FaultPlan

__all__ = ["Oidc", "OidcClient"]

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


class Oidc(Claims):
    """Routes over the claims. The issuer is derived from the Host of each request, as in the real one."""

    def __init__(self, world: World, clients: tuple[OidcClient, ...], faults: FaultPlan) -> None:
        super().__init__(world.directory, world.clock, [client.slug for client in clients])
        self._faults = faults
        self._clients = {client.client_id: client for client in clients}
        self._machines = Machines(world.directory, world.tokens)
        self.sessions = Sessions(world.directory, world.access)
        self.grants = Grants(world.directory, self.sessions, world.clock)
        self.devices = DevicePages(self.grants, world.directory, self._clients, faults)

    def clear(self) -> None:
        """Nobody is signed in, no token is known. The keys stay: who has fetched them may go on."""
        super().clear()
        self.sessions.clear()
        self.grants.clear()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/application/o/{slug}/.well-known/openid-configuration", self.discovery)
        router.add_get("/application/o/{slug}/jwks/", self.jwks)
        router.add_post("/application/o/token/", self.token)
        router.add_post("/application/o/revoke/", self.revoke)
        router.add_get("/application/o/userinfo/", self.userinfo)
        router.add_post("/application/o/introspect/", self.introspect)
        self.devices.add_routes(router)

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
                "device_authorization_endpoint": f"{base}device/",
                "revocation_endpoint": f"{base}revoke/",
                "grant_types_supported": ["client_credentials", "refresh_token", DEVICE_GRANT],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )

    async def jwks(self, request: web.Request) -> web.Response:
        key = self.key_of(self._slug(request)).as_dict(private=False)
        return web.json_response({"keys": [{**key, "alg": "RS256", "use": "sig"}]})

    async def token(self, request: web.Request) -> web.Response:
        given = await sent_form(request)
        client = self._clients.get(given.get("client_id", ""))
        if client is None:
            return refused("invalid_client")
        grant = given.get("grant_type", "")
        try:
            user, scopes = self._granted(client, grant, given)
        except GrantRefused as refusal:
            return refused(refusal.error)
        origin = f"{request.scheme}://{request.host}"
        return web.json_response(self._issued(client, user, scopes, origin, lasting=grant != "client_credentials"))

    async def revoke(self, request: web.Request) -> web.Response:
        given = await sent_form(request)
        client = self._clients.get(given.get("client_id", ""))
        if client is None or not client.knows(given.get("client_secret", "")):
            return refused("invalid_client")
        self.grants.revoke_refresh_token(client, given.get("token", ""))
        return web.json_response({})

    async def userinfo(self, request: web.Request) -> web.Response:
        """Computed anew: a change of groups shows here at once, a switched-off user gets nothing."""
        found = self.read(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if found is None:
            return web.Response(status=401, headers={"WWW-Authenticate": 'error="invalid_token"'})
        user, claims = found
        return web.json_response({"sub": user.uid, **self.about(user, claims.get("scope", "").split())})

    async def introspect(self, request: web.Request) -> web.Response:
        given = await sent_form(request)
        client = self._clients.get(given.get("client_id", ""))
        if client is None or not client.proves(given):
            return refused("invalid_client")
        found = self.read(given.get("token", ""))
        if found is None:
            return web.json_response({"active": False})
        user, claims = found
        seen = {**claims, **self.about(user, claims.get("scope", "").split())}
        return web.json_response({"active": True, "client_id": claims["aud"], **seen})

    def sign_in(self, username: str, client_id: str, scopes: str, origin: str) -> dict[str, Any] | None:
        """What an application gets when this person signs in to it in a browser; None when access is denied."""
        client, user = self._clients[client_id], self._directory.users_by_name[username]
        if not self.sessions.sign_in(user, client):
            return None
        return self._issued(client, user, scopes.split(), origin, lasting=True)

    def _granted(self, client: OidcClient, grant: str, given: Mapping[str, str]) -> tuple[User, list[str]]:
        """Whose token, with which scopes. A device needs no secret, though its client has one: so the real one."""
        scopes = given.get("scope", "").split()
        if grant == "refresh_token":
            if not client.knows(given.get("client_secret", "")):
                raise GrantRefused("invalid_client")
            return self.grants.redeem_refresh_token(client, given.get("refresh_token", ""), scopes)
        if grant == DEVICE_GRANT:
            # the real one never asks for patience here, other products do: only on order
            if self._faults.strike(["slow_down"], "POST", "/application/o/token/") is not None:
                raise GrantRefused("slow_down")
            user, scopes = self.grants.redeem_device(client, given.get("device_code", ""))
        elif grant == "client_credentials":
            user = self._machines.account(client, given)
        else:
            # a grant type that the provider does not allow is a bad grant, not an unsupported one
            raise GrantRefused("invalid_grant")
        if not self.sessions.may_use(user, client):
            raise GrantRefused("invalid_grant")
        return user, scopes

    def _issued(
        self, client: OidcClient, user: User, scopes: list[str], origin: str, *, lasting: bool
    ) -> dict[str, Any]:
        """`lasting`: with a refresh token, if the scopes ask for one."""
        answer = self.tokens(client, user, scopes, f"{origin}/application/o/{client.slug}/")
        if lasting and OFFLINE in scopes:
            answer["refresh_token"] = self.grants.new_refresh_token(client, user, scopes)
        return answer

    def _slug(self, request: web.Request) -> str:
        slug = request.match_info["slug"]
        if slug not in self._slugs:
            raise web.HTTPNotFound(text="<html>Not Found</html>", content_type="text/html")
        return slug
