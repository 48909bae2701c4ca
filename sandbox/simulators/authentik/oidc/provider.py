"""Serve Authentik's OIDC providers: discovery, keys, token endpoint, revocation, userinfo and introspection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from sandbox.simulators.authentik.api.responses import origin
from sandbox.simulators.authentik.oidc.authorize import Authorization
from sandbox.simulators.authentik.oidc.clients import (
    AUTHORIZATION_CODE,
    CLIENT_CREDENTIALS,
    DEVICE_CODE,
    GRANT_TYPES,
    REFRESH_TOKEN,
    OidcClient,
)
from sandbox.simulators.authentik.oidc.credentials import Machines, sent_form
from sandbox.simulators.authentik.oidc.device import DevicePages, refused
from sandbox.simulators.authentik.oidc.end_session import EndSession, LogoutNotices
from sandbox.simulators.authentik.oidc.flows import Flows
from sandbox.simulators.authentik.oidc.grants import OFFLINE, Grant, GrantRefused, Grants
from sandbox.simulators.authentik.oidc.providers import Providers
from sandbox.simulators.authentik.oidc.sessions import Sessions
from sandbox.simulators.authentik.oidc.tokens import Claims
from sandbox.simulators.authentik.state import State
from sandbox.simulators.faults import FaultPlan

#: grants for which a confidential client must send its secret; `client_credentials` has its own check
BY_SECRET = (AUTHORIZATION_CODE, REFRESH_TOKEN, DEVICE_CODE)


class Oidc(Claims):
    """Routes of all providers. The issuer is derived from the Host of each request, as in the real one."""

    def __init__(self, state: State, clients: tuple[OidcClient, ...], faults: FaultPlan) -> None:
        super().__init__(state.directory, state.clock, clients)
        self._faults = faults
        self._machines = Machines(state.directory, state.tokens)
        self.sessions = Sessions(state.directory, state.access, state.clock)
        self.grants = Grants(state.directory, self.sessions, state.clock)
        self.devices = DevicePages(self.grants, state.directory, self.sessions, self._clients, faults, state.clock)
        self.providers = Providers(state.access, self)
        self._flows = Flows(state.directory, self.sessions)
        self._authorization = Authorization(state.directory, state.clock, self._clients, self.sessions, self.grants)
        self._notices = LogoutNotices(state.directory, self._clients, self)
        self._end_session = EndSession(self.sessions, self, self._notices)
        self.sessions.on_end += [self.end_session, self._notices.send_all]

    def clear(self) -> None:
        """Delete sessions and tokens. The keys stay, because callers have cached them."""
        super().clear()
        for part in (self.sessions, self.grants, self.devices, self.providers):
            part.clear()

    def add_routes(self, app: web.Application) -> None:
        router = app.router
        app.on_startup.append(self._notices.start)
        router.add_get("/application/o/{slug}/.well-known/openid-configuration", self.discovery)
        router.add_get("/application/o/{slug}/jwks/", self.jwks)
        router.add_post("/application/o/token/", self.token)
        router.add_post("/application/o/revoke/", self.revoke)
        for method in ("GET", "POST"):
            router.add_route(method, "/application/o/userinfo/", self.userinfo)
        router.add_post("/application/o/introspect/", self.introspect)
        for part in (self.devices, self._authorization, self._flows, self._end_session):
            part.add_routes(router)

    async def discovery(self, request: web.Request) -> web.Response:
        client = self._find_client(request)
        slug, base = client.slug, f"{origin(request)}/application/o/"
        return web.json_response(
            {
                "issuer": client.issuer(origin(request)),
                "authorization_endpoint": f"{base}authorize/",
                "token_endpoint": f"{base}token/",
                "userinfo_endpoint": f"{base}userinfo/",
                "end_session_endpoint": f"{base}{slug}/end-session/",
                "introspection_endpoint": f"{base}introspect/",
                "revocation_endpoint": f"{base}revoke/",
                "device_authorization_endpoint": f"{base}device/",
                "backchannel_logout_supported": True,
                "backchannel_logout_session_supported": True,
                "response_types_supported": ["code"],
                "response_modes_supported": ["query"],
                "jwks_uri": f"{base}{slug}/jwks/",
                "grant_types_supported": list(GRANT_TYPES),
                "id_token_signing_alg_values_supported": [self._signer.algorithm(client)],
                "subject_types_supported": ["public"],
                "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
                "scopes_supported": ["openid", "email", "profile", OFFLINE, "entitlements"],
                "claims_supported": ["sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce"],
                "code_challenge_methods_supported": ["plain", "S256"],
            }
        )

    async def jwks(self, request: web.Request) -> web.Response:
        return web.json_response(self._signer.public_keys(self._find_client(request)))

    async def token(self, request: web.Request) -> web.Response:
        given = await sent_form(request)
        client = self._clients.get(given.get("client_id", ""))
        if client is None:
            return refused("invalid_client")
        kind = given.get("grant_type", "")
        try:
            grant = self._exchange(client, kind, given)
        except GrantRefused as refusal:
            return refused(refusal.error)
        return web.json_response(self._issued_for(client, grant, origin(request), kind != CLIENT_CREDENTIALS))

    async def revoke(self, request: web.Request) -> web.Response:
        """Revoke an access or refresh token (RFC 7009). Only this endpoint answers a wrong client with 401."""
        given = await sent_form(request)
        client = self._clients.get(given.get("client_id", ""))
        if client is None or not client.accepts_secret(given.get("client_secret", "")):
            return refused("invalid_client", 401)
        self.grants.revoke_refresh_token(client, given.get("token", ""))
        self.revoke_access_token(client, given.get("token", ""))
        return web.json_response({})

    async def userinfo(self, request: web.Request) -> web.Response:
        """Return current claims: a change of groups is effective at once, and an inactive user gets 401."""
        found = self.read(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if found is None:
            return web.Response(status=401, headers={"WWW-Authenticate": 'error="invalid_token"'})
        client, user, claims = found
        about = self.about(client, user, claims.get("scope", "").split())
        return web.json_response({"sub": claims["sub"], **about})

    async def introspect(self, request: web.Request) -> web.Response:
        given = await sent_form(request)
        client = self._clients.get(given.get("client_id", ""))
        if client is None or not client.authenticates(given):
            return refused("invalid_client")
        found = self.read(given.get("token", ""))
        if found is None:
            return web.json_response({"active": False})
        owner, user, claims = found
        seen = {**claims, **self.about(owner, user, claims.get("scope", "").split())}
        return web.json_response({"active": True, "client_id": claims["aud"], **seen})

    def sign_in(self, username: str, client_id: str, scopes: str, origin: str) -> dict[str, Any] | None:
        """Return an application's tokens after this person signed in with a browser; None when access is denied."""
        client, user = self._clients[client_id], self._directory.users_by_name[username]
        if not self.sessions.may_use(user, client):
            return None
        session = self.sessions.sign_in(user)
        session.logins[client_id] = client.issuer(origin)
        return self._issued_for(client, Grant(user, tuple(scopes.split()), session.key), origin, True)

    def _exchange(self, client: OidcClient, kind: str, given: Mapping[str, str]) -> Grant:
        """Exchange the grant in the form for tokens. Raises GrantRefused."""
        if kind not in client.grant_types:
            raise GrantRefused("invalid_grant")
        if kind in BY_SECRET and not client.accepts_secret(given.get("client_secret", "")):
            raise GrantRefused("invalid_client")
        scopes = given.get("scope", "").split()
        if kind == AUTHORIZATION_CODE:
            code, target, verifier = (given.get(name, "") for name in ("code", "redirect_uri", "code_verifier"))
            return self.grants.redeem_code(client, code, target, verifier)
        if kind == REFRESH_TOKEN:
            return self.grants.redeem_refresh_token(client, given.get("refresh_token", ""), scopes)
        if kind == DEVICE_CODE:
            # only as an injected fault: Authentik never asks a device to slow down, but other products do
            if self._faults.inject(["slow_down"], "POST", "/application/o/token/") is not None:
                raise GrantRefused("slow_down")
            grant = self.grants.redeem_device(client, given.get("device_code", ""))
        else:
            grant = Grant(self._machines.account(client, given), client.allowed(scopes))
        if not self.sessions.may_use(grant.user, client):
            raise GrantRefused("invalid_grant")
        return grant

    def _issued_for(self, client: OidcClient, grant: Grant, origin: str, may_refresh: bool) -> dict[str, Any]:
        issuer = client.issuer(origin)
        session = self.sessions.by_key.get(grant.session or "")
        response = self.tokens(client, grant.user, grant.scopes, issuer, session=session, nonce=grant.nonce)
        if may_refresh and OFFLINE in grant.scopes:
            response["refresh_token"] = self.grants.new_refresh_token(client, grant)
        return response

    def _find_client(self, request: web.Request) -> OidcClient:
        client = self.client_of(request.match_info["slug"])
        if client is None:
            raise web.HTTPNotFound(text="<html>Not Found</html>", content_type="text/html")
        return client
