"""Read requests and build responses as Authentik's API does."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from aiohttp import web

from sandbox.simulators.authentik.records import Token, User

T = TypeVar("T")

#: the version that the simulator behaves like
VERSION = "2026.8.5"
#: fields of a user in every response
BRIEF = ("pk", "username", "name", "email", "is_active", "uid")
AVATAR = "data:image/svg+xml;base64," + "A" * 1500
HTML_404 = "<!doctype html><html><title>Not found</title></html>"


def refusal(status: int, detail: str) -> web.HTTPException:
    kind: type[web.HTTPException] = web.HTTPNotFound if status == 404 else web.HTTPForbidden
    return kind(text=json.dumps({"detail": detail}), content_type="application/json")


def masked_405() -> web.Response:
    """Return an empty 405: Authentik's error pages support only GET, so this answers other methods after an error."""
    return web.Response(status=405, content_type="text/html", headers={"Allow": "GET, HEAD, OPTIONS"})


def html(status: int) -> web.Response:
    return web.Response(status=status, text=HTML_404, content_type="text/html")


async def json_body(request: web.Request) -> dict[str, Any]:
    if request.content_type == "application/x-www-form-urlencoded":
        raise web.HTTPUnsupportedMediaType(text='{"detail":"Unsupported media type"}', content_type="application/json")
    if request.content_type != "application/json":
        return {}
    try:
        body = json.loads(await request.read() or b"{}")
    except ValueError:
        raise web.HTTPBadRequest(text='{"detail":"JSON parse error"}', content_type="application/json") from None
    return body if isinstance(body, dict) else {}


def page(request: web.Request, items: Sequence[T], shown: Callable[[T], dict[str, Any]]) -> web.Response:
    """Return one page, found by its number (0 means none). A page beyond the end is a 404."""
    size = min(int(request.query.get("page_size", 20)), 100)
    number = int(request.query.get("page", 1))
    pages = max(1, -(-len(items) // size))
    if number > pages:
        raise refusal(404, "Invalid page.")
    start = (number - 1) * size
    pagination = {
        "next": number + 1 if number < pages else 0,
        "previous": number - 1,
        "count": len(items),
        "current": number,
        "total_pages": pages,
        "start_index": start + 1,
        "end_index": min(start + size, len(items)),
    }
    results = [shown(item) for item in items[start : start + size]]
    return web.json_response({"pagination": pagination, "results": results, "autocomplete": {}})


def asked(request: web.Request, option: str, *, default: bool = False) -> bool:
    """Return whether a boolean option of the query is on."""
    return request.query.get(option, str(default)).lower() == "true"


def origin(request: web.Request) -> str:
    """Return the origin for links: the Host that the caller used."""
    return f"{request.scheme}://{request.host}"


def language(request: web.Request) -> str:
    return request.headers.get("Accept-Language", "en")[:2].lower()


def attribute_filter(text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except ValueError:
        raise web.HTTPBadRequest(text='["filter: failed to parse JSON"]', content_type="application/json") from None


def attributes_match(attributes: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Compare as Django's lookups do: `a__b` walks into objects, a nested object is compared whole."""
    for path, value in wanted.items():
        found: Any = attributes
        for key in path.split("__"):
            found = found.get(key) if isinstance(found, dict) else None
        if found != value:
            return False
    return True


def shown_user(user: User) -> dict[str, Any]:
    return _fields(user, (*BRIEF, "type", "path", "attributes", "uuid")) | {"avatar": AVATAR}


def shown_self(user: User) -> dict[str, Any]:
    """Return what `me` tells: no attributes, uuid or path."""
    return _fields(user, (*BRIEF, "type")) | {"avatar": AVATAR, "settings": {}, "system_permissions": []}


def shown_member(user: User) -> dict[str, Any]:
    """Return what a group tells about a member: no type, path, uuid or avatar."""
    return _fields(user, (*BRIEF, "attributes")) | {"last_login": None}


def _fields(user: User, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(user, name) for name in names}


async def empty(request: web.Request) -> web.Response:
    return web.Response(status=200)


async def version(request: web.Request, token: Token) -> web.Response:
    """Answer what runs here; any account may ask."""
    return web.json_response({"version_current": VERSION, "version_latest": VERSION, "outdated": False})


async def config(request: web.Request) -> web.Response:
    return web.json_response({"capabilities": [], "cache_timeout": 300})


async def no_such_page(request: web.Request) -> web.Response:
    return html(404) if request.method == "GET" else masked_405()
