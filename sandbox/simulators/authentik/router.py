"""Responses of Authentik's router while the core starts or its database is down, and to bodies that are too large."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from sandbox.simulators.authentik.api.responses import html, masked_405
from sandbox.simulators.faults import FaultPlan

MAX_BODY_BYTES = 32 * 2**20
STARTING = "authentik starting"


class Router:
    """The process in front of the core."""

    def __init__(self, faults: FaultPlan) -> None:
        self._faults = faults

    @property
    def middleware(self) -> Middleware:
        @web.middleware
        async def route(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path.startswith("/__sim/"):
                return await handler(request)
            return self._respond(request, len(await request.read())) or await handler(request)

        return route

    def _respond(self, request: web.Request, size: int) -> web.Response | None:
        if size > MAX_BODY_BYTES:
            text = "failed to connect to authentik backend: http: request body too large"
            return web.Response(status=502, text=text)
        if self._faults.inject(["starting"], request.method, request.path_qs) is not None:
            return _starting_response(request)
        if self._faults.inject(["database_down"], request.method, request.path_qs) is not None:
            return html(500) if request.method == "GET" else masked_405()
        return None


def _starting_response(request: web.Request) -> web.Response:
    if request.path == "/-/health/live/":
        return web.Response(status=502)
    headers, accepted = {"Retry-After": "5"}, request.headers.get("Accept", "")
    if "application/json" in accepted:
        return web.json_response({"error": STARTING}, status=503, headers=headers)
    if "text/html" in accepted:
        return web.Response(status=503, content_type="text/html", headers=headers)
    return web.Response(status=503, text=STARTING, headers=headers)
