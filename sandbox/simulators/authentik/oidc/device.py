"""Serve the device endpoint, and the page where a person approves the code that the device shows (RFC 8628)."""

from __future__ import annotations

import html
import secrets
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlencode

from aiohttp import web

from sandbox.simulators.authentik.directory import Directory
from sandbox.simulators.authentik.oidc.clients import DEVICE_CODE, OidcClient
from sandbox.simulators.authentik.oidc.flows import AUTHENTICATION, CONSENT, to_flow
from sandbox.simulators.authentik.oidc.grants import Grants
from sandbox.simulators.authentik.oidc.pages import message, page
from sandbox.simulators.authentik.oidc.sessions import Session, Sessions
from sandbox.simulators.clock import Clock
from sandbox.simulators.faults import FaultPlan

INTERVAL = 5
#: sign-ins that one address may start within the hour, as AUTHENTIK_THROTTLE__PROVIDERS__OAUTH2__DEVICE says
PER_HOUR = 20
HOUR = timedelta(hours=1)


class DevicePages:
    """Routes over the grants. `per_hour` is the limit of each address."""

    def __init__(
        self,
        grants: Grants,
        directory: Directory,
        sessions: Sessions,
        clients: Mapping[str, OidcClient],
        faults: FaultPlan,
        clock: Clock,
    ) -> None:
        self._grants = grants
        self._directory = directory
        self._sessions = sessions
        self._clients = clients
        self._faults = faults
        self._clock = clock
        self._started: dict[str, deque[datetime]] = {}
        self.interval: int = INTERVAL
        self.per_hour = PER_HOUR

    def clear(self) -> None:
        self._started.clear()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post("/application/o/device/", self.start)
        router.add_get("/device", self.approve)

    async def start(self, request: web.Request) -> web.Response:
        """Start a sign-in. No secret is needed to ask, and a wrong or missing client gets 400."""
        if self._faults.inject(["slow_down"], "POST", request.path_qs) is not None or self._is_throttled(request):
            return web.json_response({"error": "slow_down"}, status=429)
        form = await request.post()
        client = self._clients.get(str(form.get("client_id", "")))
        if client is None or DEVICE_CODE not in client.grant_types:
            return refused("invalid_client")
        code = self._grants.start_device(client, client.allowed(str(form.get("scope", "")).split()))
        page = f"{request.scheme}://{request.host}/device"
        return web.json_response(
            {
                "device_code": code.device_code,
                "verification_uri": page,
                "verification_uri_complete": f"{page}?{urlencode({'code': code.user_code})}",
                "user_code": code.user_code,
                "expires_in": int(self._grants.device_seconds(client)),
                "interval": self.interval,
            }
        )

    async def approve(self, request: web.Request) -> web.Response:
        """Lead a person through sign-in and consent, then approve the device. Authentik offers no way to deny."""
        if not request.query.get("code"):
            return _code_page("")
        session = self._sessions.of(request) or self._sessions.start()
        return self._sessions.keep(self._next(session, request), session)

    def _next(self, session: Session, request: web.Request) -> web.Response:
        session.wait_for(request.path_qs)
        user = self._directory.users.get(session.user or 0)
        if user is None:
            session.identified = None
            return to_flow(AUTHENTICATION, {"next": request.path_qs})
        code = self._grants.find_device(request.query["code"])
        if code is None:
            session.finish()
            return _code_page("Invalid code")
        if not self._sessions.may_use(user, code.client):
            session.finish()
            return message("Permission denied", "Request has been denied.")
        if code.client.asks_consent and CONSENT not in session.done:
            session.asking = (code.client.slug, tuple(code.scopes))
            return to_flow(CONSENT, dict(request.query))
        session.finish()
        code.user = user
        return message("Device", "You've successfully authenticated your device.")

    def _is_throttled(self, request: web.Request) -> bool:
        now = self._clock.now()
        started = self._started.setdefault(request.remote or "", deque())
        while started and started[0] <= now - HOUR:
            started.popleft()
        if len(started) >= self.per_hour:
            return True
        started.append(now)
        return False


def _code_page(problem: str) -> web.Response:
    alert = f'<p role="alert">{html.escape(problem)}</p>\n' if problem else ""
    field = '<label>Code <input name="code" inputmode="numeric" required></label>'
    form = f'<form method="get" action="/device"><p>{field}</p><p><button>Continue</button></p></form>\n'
    return page("Sign a device in", f"{alert}{form}")


def refused(error: str, status: int = 400) -> web.Response:
    """Return an OAuth error as Authentik writes it: 400 even where the standard says 401."""
    body = {"error": error, "error_description": "The request was refused.", "request_id": secrets.token_hex(16)}
    return web.json_response(body, status=status)
