"""A request's id, from its first to its last log line and on its answer; and one log event for each request."""

from __future__ import annotations

import itertools
import re
import secrets
import time

import structlog
from flask import Flask, Response, g, request
from structlog.contextvars import bind_contextvars, clear_contextvars

log = structlog.get_logger(__name__)

ACCEPTED = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def log_requests(app: Flask) -> None:
    """Give every request an id: its own if that is harmless in headers and logs, else a new one that nobody has.

    Call after forking: what is this process's own goes before a number.
    """

    ours, numbers = secrets.token_hex(10), itertools.count()

    @app.before_request
    def begin() -> None:
        sent = request.headers.get("X-Request-Id", "")
        g.request_id = sent if ACCEPTED.fullmatch(sent) else f"{ours}{next(numbers):012x}"
        g.began = time.perf_counter()
        clear_contextvars()
        bind_contextvars(request_id=g.request_id)

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        log.info(
            "request.answered",
            method=request.method,
            route=str(request.url_rule) if request.url_rule else "unknown",
            status=response.status_code,
            ms=round((time.perf_counter() - g.began) * 1000, 1),
        )
        return response
