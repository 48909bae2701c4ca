"""One log line for each request: facts, never a token, a cookie or a query."""

from __future__ import annotations

import logging
import time
import uuid

import structlog
from flask import Flask, Response, g, request

from console.auth.session import FILES

log = structlog.get_logger(__name__)


def configure_logs(level: str, style: str) -> None:
    """Configure structlog: events on standard output, as JSON or for people."""
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if style == "console":
        renderer = structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # without the values of variables, which may be tokens
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        # not cached: a second application in the process may configure the loggers again
        cache_logger_on_first_use=False,
    )
    # Authlib's and urllib3's own debug logs hold verifiers and addresses
    for name in ("authlib", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)


def log_requests(app: Flask) -> None:
    """Give each request an id and log its outcome."""

    @app.before_request
    def begin() -> None:
        g.request_id = uuid.uuid4().hex
        g.began = time.perf_counter()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    @app.after_request
    def log_response(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.get("request_id", "")
        if request.endpoint not in (*FILES, "health.live"):
            log.info(
                "request",
                method=request.method,
                page=request.endpoint,
                status=response.status_code,
                ms=round((time.perf_counter() - g.get("began", time.perf_counter())) * 1000, 1),
            )
        return response

    @app.teardown_request
    def end(problem: BaseException | None) -> None:
        structlog.contextvars.clear_contextvars()
