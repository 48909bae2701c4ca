"""The description over HTTP: as JSON for programs, as a page for people that loads nothing from anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from typing import Any

from flask import Blueprint, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from api.http.route_spec import NOBODY_ASKED, described

#: the page is text and its own style: no script, no picture, no other host
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


class Manual:
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


def manual_routes(manual: Manual) -> Blueprint:
    routes = Blueprint("manual", __name__)

    @routes.get("/openapi.json")
    @described("This description", {200: "application/json"}, surfaces=NOBODY_ASKED)
    def openapi() -> Response:
        return Response(manual.text, content_type="application/json")

    @routes.get("/docs")
    @described("This description as a page", {200: "text/html"}, surfaces=NOBODY_ASKED)
    def docs() -> Response:
        headers = {"Content-Security-Policy": PAGE_POLICY, "X-Content-Type-Options": "nosniff"}
        return Response(manual.page, headers=headers, content_type="text/html; charset=utf-8")

    return routes
