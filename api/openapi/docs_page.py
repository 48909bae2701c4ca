"""Routes of the OpenAPI description: as JSON, and as a page that loads nothing from other hosts."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from importlib.resources import files
from typing import Any

from flask import Blueprint, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from werkzeug.exceptions import NotFound

from api.http.route_spec import PUBLIC, route_spec

#: scripts and styles of this service only; Swagger UI sets inline styles and uses data URIs for icons
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
#: the page's files: package, folder and content type
ASSETS: dict[str, tuple[str, str, str]] = {
    "swagger-ui.css": ("flask_swagger_ui", "dist", "text/css; charset=utf-8"),
    "swagger-ui-bundle.js": ("flask_swagger_ui", "dist", "text/javascript; charset=utf-8"),
    "favicon-32x32.png": ("flask_swagger_ui", "dist", "image/png"),
    "start.js": ("api.openapi", "", "text/javascript; charset=utf-8"),
}


class DocsPage:
    """The description, generated when it is first read: then all routes are registered, and a start stays fast."""

    def __init__(self, describe: Callable[[], dict[str, Any]]) -> None:
        self._describe = describe

    @cached_property
    def text(self) -> str:
        return json.dumps(self._describe())

    @cached_property
    def page(self) -> str:
        pages = Environment(loader=PackageLoader("api.openapi", ""), autoescape=True, undefined=StrictUndefined)
        return pages.get_template("docs_page.html").render(title=json.loads(self.text)["info"]["title"])


def docs_routes(docs_page: DocsPage) -> Blueprint:
    routes = Blueprint("docs", __name__)

    @routes.get("/")
    @route_spec("Redirect to the description's page", {302: None}, surfaces=PUBLIC)
    def root() -> Response:
        return Response(status=302, headers={"Location": "/docs"})

    @routes.get("/openapi.json")
    @route_spec("Get this OpenAPI description", {200: "application/json"}, surfaces=PUBLIC)
    def openapi() -> Response:
        return Response(docs_page.text, content_type="application/json")

    @routes.get("/docs")
    @route_spec("Get this description as a page", {200: "text/html"}, surfaces=PUBLIC)
    def docs() -> Response:
        headers = {"Content-Security-Policy": PAGE_POLICY, "X-Content-Type-Options": "nosniff"}
        return Response(docs_page.page, headers=headers, content_type="text/html; charset=utf-8")

    @routes.get("/docs/assets/<asset>")
    @route_spec("Get a file of the description's page", {200: "text/javascript"}, surfaces=PUBLIC)
    def docs_asset(asset: str) -> Response:
        return _file(asset)

    return routes


def _file(name: str) -> Response:
    """Return a file of the page. Raises NotFound for any other name."""
    if name not in ASSETS:
        raise NotFound
    package, folder, content_type = ASSETS[name]
    content = (files(package) / folder / name).read_bytes()
    headers = {"Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"}
    return Response(content, headers=headers, content_type=content_type)
