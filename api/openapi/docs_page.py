"""The description over HTTP: as JSON for programs, as a page for people that loads nothing from anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from typing import Any

from flask import Blueprint, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from api.http.route_spec import PUBLIC, route_spec

#: the page is text and its own style: no script, no picture, no other host
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


class DocsPage:
    """Written when it is first read: by then all routes are known, and a start costs nothing of it."""

    def __init__(self, describe: Callable[[], dict[str, Any]]) -> None:
        self._describe = describe

    @cached_property
    def text(self) -> str:
        return json.dumps(self._describe())

    @cached_property
    def page(self) -> str:
        pages = Environment(loader=PackageLoader("api.openapi", ""), autoescape=True, undefined=StrictUndefined)
        pages.filters["pretty"] = lambda value: json.dumps(value, indent=2, ensure_ascii=False)
        return pages.get_template("docs_page.html").render(api=json.loads(self.text))


def docs_routes(docs_page: DocsPage) -> Blueprint:
    routes = Blueprint("docs", __name__)

    @routes.get("/openapi.json")
    @route_spec("This description", {200: "application/json"}, surfaces=PUBLIC)
    def openapi() -> Response:
        return Response(docs_page.text, content_type="application/json")

    @routes.get("/docs")
    @route_spec("This description as a page", {200: "text/html"}, surfaces=PUBLIC)
    def docs() -> Response:
        headers = {"Content-Security-Policy": PAGE_POLICY, "X-Content-Type-Options": "nosniff"}
        return Response(docs_page.page, headers=headers, content_type="text/html; charset=utf-8")

    return routes
