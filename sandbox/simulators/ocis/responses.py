"""Requests and responses of OCIS: drives and permissions of LibreGraph, errors of graph and of the proxy."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from sandbox.simulators.ocis.people import GraphError, Person
from sandbox.simulators.ocis.spaces import ROLE_IDS, STORAGE, UNLIMITED, Space


def drive(space: Space, origin: str, permissions: list[dict[str, Any]] | None) -> dict[str, Any]:
    """Return a project space as LibreGraph shows it: without any `permissions` the field is absent."""
    quota: dict[str, Any] = {"total": space.quota}
    root: dict[str, Any] = {"id": space.id, "eTag": '"1"', "webDavUrl": f"{origin}/dav/spaces/{space.id}"}
    if space.disabled:
        root["deleted"] = {"state": "trashed"}
    else:
        left = space.quota - space.used if space.quota else UNLIMITED
        quota |= {"used": space.used, "remaining": left, "state": "normal"}
    if permissions:
        root["permissions"] = permissions
    return {
        "id": space.id,
        "driveType": "project",
        "name": space.name,
        "driveAlias": space.alias,
        **({"description": space.description} if space.description else {}),
        "lastModifiedDateTime": space.modified,
        "owner": {"user": {"id": space.id.split("$")[1], "displayName": ""}},
        "quota": quota,
        "root": root,
        "webUrl": f"{origin}/f/{space.id}",
    }


def grants_by_name(space: Space) -> list[dict[str, Any]]:
    """Return a space's members in the form of version 1: roles by name, without ids of permissions."""
    return [{"roles": [role], "grantedToV2": _identity(id_)} for id_, role in space.grants.items()]


def other_drives(person: Person) -> list[dict[str, Any]]:
    """Return the spaces of other types that an unfiltered list contains, even while the storage is down."""
    personal = {"id": f"{STORAGE}${person.id}", "driveType": "personal", "name": person.username, "root": {}}
    shares = {"id": "virtual$shares", "driveType": "virtual", "driveAlias": "virtual/shares", "name": "Shares"}
    return [personal, shares]


def permission(id_: str, role: str) -> dict[str, Any]:
    return {"id": id_, "roles": [ROLE_IDS[role]], "grantedToV2": _identity(id_)}


def plain(space: Space) -> dict[str, Any]:
    fields = ("id", "name", "alias", "description", "quota", "disabled", "grants", "files", "trash")
    return {field: getattr(space, field) for field in fields}


async def sent_object(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except ValueError:
        raise GraphError(400, "invalidRequest", "invalid body schema definition") from None
    if not isinstance(body, dict):
        raise GraphError(400, "invalidRequest", "invalid body schema definition")
    return body


def error_response(error: GraphError, request_id: str) -> web.Response:
    """Return an error response; the proxy's own errors have no body."""
    if error.code is None:
        response = web.Response(status=error.status)
        for scheme in ("Bearer", "Basic") if error.status == 401 else ():
            response.headers.add("WWW-Authenticate", f'{scheme} realm="ocis"')
        return response
    inner = {"date": datetime.now(UTC).isoformat(), "request-id": request_id}
    body = {"error": {"code": error.code, "message": error.message, "innererror": inner}}
    return web.json_response(body, status=error.status)


async def no_such_page(request: web.Request) -> web.Response:
    return web.Response(status=404, text="404 page not found")


async def ocis_status(request: web.Request) -> web.Response:
    return web.json_response({"installed": True, "productversion": "7.1.0", "product": "Infinite Scale"})


async def opencloud_status(request: web.Request) -> web.Response:
    return web.json_response({"installed": True, "productversion": "3.3.0", "product": "OpenCloud"})


def _identity(id_: str) -> dict[str, Any]:
    return {"group" if id_.startswith("g:") else "user": {"id": id_[2:]}}
