"""Set headers on every response: no caching, no type sniffing, and CORS for the configured origins."""

from __future__ import annotations

from collections.abc import Collection

from flask import Flask, Response, request

PATCH_TYPES = ("application/json", "application/merge-patch+json")

#: against caches, and against browsers that guess content types
BASIC_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

METHODS = "GET, HEAD, POST, PATCH, DELETE"
REQUEST_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, X-Request-Id"
RESPONSE_HEADERS = (
    "Accept-Patch, ETag, Idempotency-Replayed, Link, Location, Operation-Location, Retry-After, "
    "WWW-Authenticate, X-Request-Id"
)
#: how long a browser may cache a preflight response, in seconds
PREFLIGHT_SECONDS = "600"


def set_response_headers(app: Flask, origins: Collection[str]) -> None:
    """Register the hooks. Call before the guard is registered: a preflight carries no token."""

    @app.before_request
    def answer_preflight() -> Response | None:
        is_preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if not (is_preflight and request.headers.get("Origin") in origins):
            return None
        headers = {
            "Access-Control-Allow-Methods": METHODS,
            "Access-Control-Allow-Headers": REQUEST_HEADERS,
            "Access-Control-Max-Age": PREFLIGHT_SECONDS,
        }
        return Response(status=204, headers=headers)

    @app.after_request
    def finish(response: Response) -> Response:
        for name, value in BASIC_HEADERS.items():
            response.headers.setdefault(name, value)
        if request.method == "PATCH" or "PATCH" in response.headers.get("Allow", ""):
            response.headers["Accept-Patch"] = ", ".join(PATCH_TYPES)
        if origins:
            response.vary.add("Origin")
            _allow(response, origins)
        return response


def _allow(response: Response, origins: Collection[str]) -> None:
    """Let a browser show this response to a page of an allowed origin. Cookies are not used, so none are allowed."""
    origin = request.headers.get("Origin")
    if origin in origins:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = RESPONSE_HEADERS
