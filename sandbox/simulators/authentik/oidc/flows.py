"""Run the flows sign-in and consent, as plain pages and as the flow executor's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from sandbox.simulators.authentik.directory import Directory
from sandbox.simulators.authentik.oidc.pages import consent_page, message, sign_in_page
from sandbox.simulators.authentik.oidc.sessions import Session, Sessions
from sandbox.simulators.authentik.records import User

AUTHENTICATION, CONSENT = "default-authentication-flow", "default-provider-authorization-implicit-consent"
NO_PENDING_REQUEST = "No authorization request is waiting in this browser."
EXECUTOR = "/api/v3/flows/executor/{slug}/"


def to_flow(slug: str, query: Mapping[str, str]) -> web.Response:
    """Send the browser to a flow."""
    return web.Response(status=302, headers={"Location": f"/if/flow/{slug}/?{urlencode(query)}"})


class Flows:
    """Routes of the flows. Each flow returns to the request that the session has stored."""

    def __init__(self, directory: Directory, sessions: Sessions) -> None:
        self._directory = directory
        self._sessions = sessions

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get(f"/if/flow/{AUTHENTICATION}/", self.show_sign_in)
        router.add_post(f"/if/flow/{AUTHENTICATION}/", self.sign_in)
        router.add_get(f"/if/flow/{CONSENT}/", self.show_consent)
        router.add_post(f"/if/flow/{CONSENT}/", self.consent)
        router.add_get(EXECUTOR, self.challenge)
        router.add_post(EXECUTOR, self.solve)

    # -- pages

    async def show_sign_in(self, request: web.Request) -> web.Response:
        return sign_in_page()

    async def sign_in(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        username = form.get("uid_field", "")
        user = self._find_user(username, form.get("password", ""))
        if user is None:
            return sign_in_page(username, "Invalid password")
        session = self._signed_in(user, self._sessions.of(request))
        return self._sessions.keep(_redirect(session.unfinished or "/"), session)

    async def show_consent(self, request: web.Request) -> web.Response:
        session = self._sessions.of(request)
        if session is None or session.unfinished is None:
            return message("Bad Request", NO_PENDING_REQUEST, 400)
        return consent_page(*session.asking)

    async def consent(self, request: web.Request) -> web.Response:
        session = self._sessions.of(request)
        if session is None or session.unfinished is None:
            return message("Bad Request", NO_PENDING_REQUEST, 400)
        session.done.add(CONSENT)
        return _redirect(session.unfinished)

    # -- the executor's API, for programs

    async def challenge(self, request: web.Request) -> web.Response:
        session = self._sessions.of(request) or self._sessions.start()
        response = web.json_response(self._challenge(request.match_info["slug"], session))
        return self._sessions.keep(response, session)

    async def solve(self, request: web.Request) -> web.Response:
        slug, given = request.match_info["slug"], await request.json()
        session = self._sessions.of(request) or self._sessions.start()
        problem: dict[str, Any] = {}
        if slug != AUTHENTICATION:
            session.done.add(CONSENT)
        elif "uid_field" in given:
            session.identified = str(given["uid_field"])
        else:
            user = self._find_user(session.identified or "", str(given.get("password", "")))
            if user is None:
                problem = {"response_errors": {"password": [{"string": "Invalid password", "code": "invalid"}]}}
            else:
                session = self._signed_in(user, session)
        return self._sessions.keep(web.json_response(self._challenge(slug, session) | problem), session)

    def _challenge(self, slug: str, session: Session) -> dict[str, Any]:
        if (slug if slug == AUTHENTICATION else CONSENT) in session.done:
            return {"component": "xak-flow-redirect", "to": session.unfinished or "/"}
        if slug != AUTHENTICATION:
            permissions = [{"id": scope, "name": scope} for scope in session.asking[1]]
            return {"component": "ak-stage-consent", "permissions": permissions, "token": session.sid}
        if session.identified is None:
            return {"component": "ak-stage-identification", "user_fields": ["username", "email"]}
        return {"component": "ak-stage-password", "pending_user": session.identified}

    def _find_user(self, name: str, password: str) -> User | None:
        user = self._directory.find_for_sign_in(name)
        return user if user is not None and user.has_password_of(password) else None

    def _signed_in(self, user: User, session: Session | None) -> Session:
        made = self._sessions.sign_in(user, session)
        made.done.add(AUTHENTICATION)
        return made


def _redirect(to: str) -> web.Response:
    return web.Response(status=302, headers={"Location": to})
