"""Serve Authentik's API of the sessions in which people are signed in."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from sandbox.simulators.authentik.api.guard import Route
from sandbox.simulators.authentik.api.responses import page, refusal
from sandbox.simulators.authentik.directory import Directory
from sandbox.simulators.authentik.oidc.sessions import Session, Sessions
from sandbox.simulators.authentik.records import Token

SESSIONS = "/core/authenticated_sessions/"


class SessionRoutes:
    """Views over the sessions."""

    def __init__(self, directory: Directory, sessions: Sessions) -> None:
        self._directory = directory
        self._sessions = sessions

    def table(self) -> list[Route]:
        return [
            ("GET", SESSIONS, "view_authenticatedsession", self.list_sessions),
            ("DELETE", SESSIONS + "{uuid}/", "delete_authenticatedsession", self.delete_session),
        ]

    async def list_sessions(self, request: web.Request, token: Token) -> web.Response:
        wanted = request.query.get("user__username")
        found = [one for one in self._sessions.by_key.values() if one.user is not None]
        return page(request, [one for one in found if wanted in (None, self._name(one))], self._response)

    async def delete_session(self, request: web.Request, token: Token) -> web.Response:
        found = next((one for one in self._sessions.by_key.values() if one.uuid == request.match_info["uuid"]), None)
        if found is None:
            raise refusal(404, "No AuthenticatedSession matches the given query.")
        self._sessions.end(found)
        return web.Response(status=204)

    def _name(self, session: Session) -> str:
        return self._directory.users[session.user or 0].username

    def _response(self, session: Session) -> dict[str, Any]:
        return {"uuid": session.uuid, "user": session.user, "current": False}
