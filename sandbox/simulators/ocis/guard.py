"""Checks before every request to OCIS: the identity provider, the proxy, the graph service, and their outages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from functools import partial

from aiohttp import web

from sandbox.simulators.faults import FaultPlan
from sandbox.simulators.ocis.people import GraphError, Person
from sandbox.simulators.ocis.proxy import Proxy
from sandbox.simulators.ocis.responses import error_response, no_such_page

View = Callable[[web.Request, Person], Awaitable[web.Response]]
Route = tuple[str, str, View]
V1, BETA = "/graph/v1.0", "/graph/v1beta1"
#: the role of a caller while none is assigned yet
NO_ROLE = ""


class Outages:
    """The faults injected into a request."""

    def __init__(self, faults: FaultPlan) -> None:
        self._faults = faults

    def has_fault(self, kind: str, request: web.Request) -> bool:
        return self._faults.inject([kind], request.method, request.path_qs) is not None

    def require_storage(self, request: web.Request, status: int, message: str) -> None:
        """Raise GraphError while the storage is down: an object is then "not found", and a write is an error."""
        if self.has_fault("storage_down", request):
            raise GraphError(status, "itemNotFound" if status == 404 else "generalException", message)


class Guard:
    """Wrap views, and convert refusals to responses."""

    def __init__(self, proxy: Proxy, outages: Outages) -> None:
        self._proxy = proxy
        self._outages = outages

    def add_routes(self, router: web.UrlDispatcher, table: Iterable[Route]) -> None:
        """Add routes by method; a known path with another method is an empty 405."""
        table = list(table)
        for method, path, view in table:
            router.add_route(method, path, self._guard(view))
        for path in dict.fromkeys(path for _, path, _ in table):
            router.add_route("*", path, _wrong_method)

    def _guard(self, view: View) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def guarded(request: web.Request) -> web.Response:
            request_id = request.headers.get("X-Request-Id", "made-here")
            if self._outages.has_fault("proxy_page", request):
                return await no_such_page(request)
            try:
                response = await view(request, await self._caller(request))
            except GraphError as error:
                response = error_response(error, request_id)
                if error.code is None:
                    return response
            response.headers["X-Request-Id"] = request_id
            response.headers["X-Graph-Version"] = "7.1.0"
            return response

        return guarded

    async def _caller(self, request: web.Request) -> Person:
        is_idp_down = partial(self._outages.has_fault, "idp_down", request)
        person = await self._proxy.person(request.headers.get("Authorization", ""), is_idp_down)
        if self._outages.has_fault("graph_down", request):
            raise GraphError(500)
        if self._outages.has_fault("role_lost", request):
            return replace(person, role="User")
        is_pending = self._waits_for_role(person, request) or self._outages.has_fault("role_pending", request)
        return replace(person, role=NO_ROLE) if is_pending else person

    def _waits_for_role(self, person: Person, request: web.Request) -> bool:
        """Return whether a new account has no role yet. Creates of spaces are then an empty 500 and a 403 by turns."""
        if not self._proxy.waits_for_role(person):
            return False
        if (request.method, request.path) == ("POST", f"{V1}/drives"):
            person.early_creates += 1
            if person.early_creates % 2:
                raise GraphError(500)
        return True


async def _wrong_method(request: web.Request) -> web.Response:
    return web.Response(status=405)
