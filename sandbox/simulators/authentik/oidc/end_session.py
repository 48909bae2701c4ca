"""End sessions on request of an application (RP-initiated logout), and notify applications (back-channel logout)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from urllib.parse import quote

import aiohttp
from aiohttp import web

from sandbox.simulators.authentik.api.responses import html
from sandbox.simulators.authentik.directory import Directory
from sandbox.simulators.authentik.oidc.clients import OidcClient
from sandbox.simulators.authentik.oidc.pages import message
from sandbox.simulators.authentik.oidc.sessions import Session, Sessions
from sandbox.simulators.authentik.oidc.tokens import Claims

log = logging.getLogger(__name__)
NOTICE_SECONDS = aiohttp.ClientTimeout(total=5)


class LogoutNotices:
    """Back-channel logout requests, sent in the background like those of Authentik's worker."""

    def __init__(self, directory: Directory, clients: Mapping[str, OidcClient], claims: Claims) -> None:
        self._directory = directory
        self._clients = clients
        self._claims = claims
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self, app: web.Application) -> None:
        self._loop = asyncio.get_running_loop()

    def send(self, session: Session, client_id: str) -> None:
        """Notify one application once that this session has ended for it."""
        issuer, client = session.logins.pop(client_id, None), self._clients.get(client_id)
        user = self._directory.users.get(session.user or 0)
        if issuer is None or client is None or user is None or not client.logout_uri or self._loop is None:
            return
        token = self._claims.logout_token(client, user, issuer, session)
        asyncio.run_coroutine_threadsafe(_post(client.logout_uri, token), self._loop)

    def send_all(self, session: Session) -> None:
        for client_id in list(session.logins):
            self.send(session, client_id)


class EndSession:
    """Routes of the end-session endpoint."""

    def __init__(self, sessions: Sessions, claims: Claims, notices: LogoutNotices) -> None:
        self._sessions = sessions
        self._claims = claims
        self._notices = notices

    def add_routes(self, router: web.UrlDispatcher) -> None:
        for method in ("GET", "POST"):
            router.add_route(method, "/application/o/{slug}/end-session/", self.end)

    async def end(self, request: web.Request) -> web.Response:
        client = self._claims.client_of(request.match_info["slug"])
        if client is None:
            return html(404)
        form = await request.post() if request.method == "POST" else request.query
        given = {name: str(value) for name, value in form.items()}
        session = self._sessions.of(request)
        if session is not None and session.unfinished is not None:
            # another flow is in progress in this browser, so the session does not end and there is no redirect
            return message("Logout successful", "You have been logged out.")
        problem = self._problem(client, given)
        if problem:
            return message("Bad Request", problem, 400)
        if session is not None:
            self._end(client, session)
        return _signed_out(client, given)

    def _end(self, client: OidcClient, session: Session) -> None:
        self._notices.send(session, client.client_id)
        self._claims.end_session(session, client.client_id)
        if client.ends_session:
            self._sessions.end(session)

    def _problem(self, client: OidcClient, given: Mapping[str, str]) -> str:
        """Return the error of the request, or None."""
        hint, target = given.get("id_token_hint", ""), given.get("post_logout_redirect_uri", "")
        if hint and (self._claims.verified(client, hint) or {}).get("aud") != client.client_id:
            return "The id_token_hint is invalid."
        if not target or not any(one.redirect_uri_type == "logout" for one in client.redirect_uris):
            return ""
        if not hint:
            return "A post_logout_redirect_uri needs an id_token_hint."
        return "" if client.may_redirect(target, "logout") else "The post_logout_redirect_uri is not registered."


def _signed_out(client: OidcClient, given: Mapping[str, str]) -> web.Response:
    target, state = given.get("post_logout_redirect_uri", ""), given.get("state", "")
    if not target or not client.may_redirect(target, "logout"):
        return message("You've logged out", f"You've logged out of {client.slug}.")
    if state:
        target += f"{'&' if '?' in target else '?'}state={quote(state, safe='')}"
    return web.Response(status=302, headers={"Location": target})


async def _post(uri: str, token: str) -> None:
    try:
        async with (
            aiohttp.ClientSession(timeout=NOTICE_SECONDS) as http,
            http.post(uri, data={"logout_token": token}, allow_redirects=False) as response,
        ):
            log.info("back-channel logout sent, status %s", response.status)
    except (aiohttp.ClientError, TimeoutError) as problem:
        log.warning("back-channel logout failed: %s", type(problem).__name__)
