"""Authentik's device endpoint, and the page where a person types the code that the device shows.

The real page leads through a sign-in flow; here one chooses who one is. RFC 8628, sections 3.1 to 3.3.
"""

from __future__ import annotations

import html
import secrets
from collections.abc import Mapping
from urllib.parse import urlencode

from aiohttp import web

from sandbox.simulators.authentik.directory import Directory
from sandbox.simulators.authentik.oidc.clients import OidcClient
from sandbox.simulators.authentik.oidc.grants import Grants
from sandbox.simulators.faults import FaultPlan

INTERVAL = 5
PAGE = """<!doctype html>
<html lang="en"><title>Sign a device in</title>
<h1>Sign a device in</h1>
<p role="status">{said}</p>
<form method="post">
<p><label>Code <input name="code" value="{code}" inputmode="numeric" required></label></p>
<p><label>You are <select name="username">{people}</select></label></p>
<p><button name="decision" value="approve">Approve</button>
<button name="decision" value="deny">Deny</button></p>
</form>
"""


class DevicePages:
    """Routes over the grants."""

    def __init__(
        self, grants: Grants, directory: Directory, clients: Mapping[str, OidcClient], faults: FaultPlan
    ) -> None:
        self._grants = grants
        self._directory = directory
        self._clients = clients
        self._faults = faults
        self.interval: int = INTERVAL

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post("/application/o/device/", self.start)
        router.add_get("/device", self.page)
        router.add_post("/device", self.decide)

    async def start(self, request: web.Request) -> web.Response:
        if self._faults.strike(["slow_down"], "POST", request.path_qs) is not None:
            return refused("slow_down", 429)
        form = await request.post()
        client = self._clients.get(str(form.get("client_id", "")))
        if client is None:
            return refused("invalid_client")
        code = self._grants.start_device(client, str(form.get("scope", "")).split())
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

    async def page(self, request: web.Request) -> web.Response:
        return self._shown(request.query.get("code", ""), "A program asks to act in your name.", 200)

    async def decide(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        code, approve = form.get("code", ""), form.get("decision") == "approve"
        try:
            self._grants.decide_device(code, form.get("username", ""), approve=approve)
        except ValueError as problem:
            return self._shown(code, f"Not done: {problem}.", 400)
        return self._shown("", "Approved; you can close this page." if approve else "Denied.", 200)

    def _shown(self, code: str, said: str, status: int) -> web.Response:
        names = sorted(user.username for user in self._directory.users.values())
        people = "".join(f"<option>{html.escape(name)}</option>" for name in names)
        text = PAGE.format(said=html.escape(said), code=html.escape(code, quote=True), people=people)
        return web.Response(text=text, status=status, content_type="text/html")


def refused(error: str, status: int = 400) -> web.Response:
    """An OAuth error as Authentik writes it: 400 even where the standard says 401."""
    body = {"error": error, "error_description": "The request was refused.", "request_id": secrets.token_hex(16)}
    return web.json_response(body, status=status)
