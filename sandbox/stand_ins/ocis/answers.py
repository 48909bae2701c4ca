"""How OCIS reads and answers: drives and permissions as LibreGraph shows them, errors of graph and of the proxy."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from sandbox.stand_ins.ocis.spaces import ROLE_IDS, UNLIMITED, GraphError, Space


def drive(space: Space, *, with_members: bool) -> dict[str, Any]:
    quota: dict[str, Any] = {"total": space.quota}
    root: dict[str, Any] = {"id": space.id, "eTag": '"1"'}
    if space.disabled:
        root["deleted"] = {"state": "trashed"}
    else:
        left = space.quota - space.used if space.quota else UNLIMITED
        quota |= {"used": space.used, "remaining": left, "state": "normal"}
    if with_members:
        root["permissions"] = [{"roles": [role], "grantedToV2": {}} for role in space.grants.values()]
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
    }


def permission(id_: str, role: str) -> dict[str, Any]:
    kind = "group" if id_.startswith("g:") else "user"
    return {"id": id_, "roles": [ROLE_IDS[role]], "grantedToV2": {kind: {"id": id_[2:]}}}


def plain(space: Space) -> dict[str, Any]:
    fields = ("id", "name", "alias", "description", "quota", "disabled", "grants")
    return {field: getattr(space, field) for field in fields}


async def sent_object(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except ValueError:
        raise GraphError(400, "invalidRequest", "invalid body schema definition") from None
    if not isinstance(body, dict):
        raise GraphError(400, "invalidRequest", "invalid body schema definition")
    return body


def error_answer(error: GraphError, request_id: str) -> web.Response:
    if error.code is None:
        headers = {"WWW-Authenticate": 'Bearer realm="ocis"'} if error.status == 401 else {}
        return web.Response(status=error.status, headers=headers)
    inner = {"date": datetime.now(UTC).isoformat(), "request-id": request_id}
    body = {"error": {"code": error.code, "message": error.message, "innererror": inner}}
    return web.json_response(body, status=error.status, headers={"X-Request-Id": request_id})


async def no_such_page(request: web.Request) -> web.Response:
    return web.Response(status=404, text="404 page not found")
