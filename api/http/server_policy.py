"""The API's policy for its server: body limits, and problems for requests that never reach the application."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from api.http.problem_details import Problem, problem_text
from api.http.request_input import body_limit, is_refused_by_headers
from api.http.request_log import RequestIds
from api.http.response_headers import BASIC_HEADERS
from serving.application import Response
from serving.bridge import Refusal
from serving.request_head import RequestHead

log = structlog.get_logger(__name__)

PROBLEMS: Mapping[Refusal, Problem] = {
    Refusal.BROKEN: Problem(400, "bad_request", "The body ends early, or its chunks are malformed."),
    Refusal.LATE: Problem(408, "request_timeout", "The body did not arrive in time; send it at once.", retryable=True),
    Refusal.FULL: Problem(
        503,
        "overloaded",
        "Too many requests are in progress; try again in a moment.",
        retryable=True,
        headers={"Retry-After": "1"},
    ),
}


class ApiServerPolicy:
    liveness = "/health/live"
    body_limit = staticmethod(body_limit)
    is_refused_by_headers = staticmethod(is_refused_by_headers)

    def __init__(self) -> None:
        self._ids = RequestIds()

    def refuse(self, head: RequestHead, refusal: Refusal) -> Response:
        problem = PROBLEMS[refusal]
        request_id = self._ids.of(head.headers.get("x-request-id"))
        log.info("request.refused", status=problem.status, code=problem.code, request_id=request_id)
        text = problem_text(problem, head.path, request_id)
        headers = {
            **BASIC_HEADERS,
            **problem.headers,
            "Content-Type": "application/problem+json",
            "Content-Length": str(len(text)),
            "X-Request-Id": request_id,
        }
        found = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        return Response(problem.status, found, text)
