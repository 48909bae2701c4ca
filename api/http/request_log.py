"""Add a request id to every response and log line, and log one event for each request."""

from __future__ import annotations

import itertools
import re
import secrets
import time

import structlog
from flask import Flask, Response, g, request
from structlog.contextvars import bind_contextvars, clear_contextvars

from shared.metrics.metrics import HTTP_REQUESTS, HTTP_SECONDS

log = structlog.get_logger(__name__)

HEADER = "X-Request-Id"
ACCEPTED = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class RequestIds:
    """Make unique request ids: a random part per process, then a number. Create it after forking."""

    def __init__(self) -> None:
        self._random, self._numbers = secrets.token_hex(10), itertools.count()

    def of(self, sent: str | None) -> str:
        """Return the id that the client sent if it is safe in headers and logs, else a new one."""
        return sent if sent and ACCEPTED.fullmatch(sent) else f"{self._random}{next(self._numbers):012x}"


def log_requests(app: Flask) -> None:
    """Give every request an id and log each response. Call after forking."""
    ids = RequestIds()

    @app.before_request
    def begin() -> None:
        g.request_id = ids.of(request.headers.get(HEADER))
        g.began = time.perf_counter()
        clear_contextvars()
        bind_contextvars(request_id=g.request_id)

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers[HEADER] = g.request_id
        route = str(request.url_rule) if request.url_rule else "unknown"
        HTTP_REQUESTS.labels(request.method, route, response.status_code).inc()
        HTTP_SECONDS.labels(request.method, route).observe(time.perf_counter() - g.began)
        log.info(
            "request.answered",
            method=request.method,
            route=route,
            status=response.status_code,
            ms=round((time.perf_counter() - g.began) * 1000, 1),
        )
        return response
