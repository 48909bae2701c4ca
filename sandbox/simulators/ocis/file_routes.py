"""WebDAV of a space: files and the trash bin. Only members reach them."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from sandbox.simulators.ocis.guard import Outages, Route
from sandbox.simulators.ocis.people import Person
from sandbox.simulators.ocis.spaces import Space, Storage

DAV = "/dav/spaces"
NOT_FOUND = (404, "Resource not found")


class FileRoutes:
    """Views over a storage. Files are flat: a space has no folders here."""

    def __init__(self, storage: Storage, outages: Outages) -> None:
        self._storage = storage
        self._outages = outages

    def table(self) -> list[Route]:
        return [
            ("PROPFIND", f"{DAV}/trash-bin/{{id}}", self.trash),
            ("PROPFIND", f"{DAV}/{{id}}", self.children),
            ("PUT", f"{DAV}/{{id}}/{{name}}", self.put),
            ("DELETE", f"{DAV}/{{id}}/{{name}}", self.delete),
        ]

    async def children(self, request: web.Request, person: Person) -> web.Response:
        space = self._space(request, person)
        return _list(request, space.files)

    async def trash(self, request: web.Request, person: Person) -> web.Response:
        space = self._space(request, person)
        return _list(request, space.trash)

    async def put(self, request: web.Request, person: Person) -> web.Response:
        space = self._space(request, person)
        self._storage.put_file(space, request.match_info["name"], len(await request.read()))
        return web.Response(status=201)

    async def delete(self, request: web.Request, person: Person) -> web.Response:
        self._storage.delete_file(self._space(request, person), request.match_info["name"])
        return web.Response(status=204)

    def _space(self, request: web.Request, person: Person) -> Space:
        self._outages.require_storage(request, *NOT_FOUND)
        return self._storage.open_for_members(request.match_info["id"], person)


def _list(request: web.Request, names: Iterable[str]) -> web.Response:
    """Return a multi-status with the collection itself and, at depth 1, everything in it."""
    shown = list(names) if request.headers.get("Depth") != "0" else []
    paths = [f"{request.path}/", *(f"{request.path}/{name}" for name in shown)]
    rows = "".join(f"<d:response><d:href>{path}</d:href></d:response>" for path in paths)
    body = f'<?xml version="1.0"?><d:multistatus xmlns:d="DAV:">{rows}</d:multistatus>'
    return web.Response(status=207, text=body, content_type="application/xml")
