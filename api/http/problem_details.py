"""Answer every error as RFC 9457 `application/problem+json`. One table gives domain errors their HTTP status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, InternalServerError

from api.schemas.service import ProblemResponse
from shared.core import errors

log = structlog.get_logger(__name__)

STATUS: dict[type[errors.DomainError], int] = {
    errors.NotFound: 404,
    errors.Forbidden: 403,
    errors.UnknownUser: 403,
    errors.WrongSurface: 403,
    errors.InvalidInput: 400,
    errors.SlugTaken: 409,
    errors.DomainTaken: 409,
    errors.DomainOverlaps: 409,
    errors.SubjectTaken: 409,
    errors.SubscriptionExists: 409,
    errors.PartnerInUse: 409,
    errors.TooManyWebhooks: 409,
    errors.UnknownReference: 409,
    errors.StaleVersion: 412,
    errors.KeyReused: 422,
    errors.KeyInProgress: 409,
    errors.AlreadyDone: 409,
    errors.OperationInProgress: 409,
    errors.ActionNotPossible: 409,
    errors.NotRemovable: 409,
    errors.ObserveOnly: 409,
    errors.CheckedRecently: 429,
    errors.StoreUnavailable: 503,
}

#: errors of the HTTP layer itself: status to (code, sentence)
HTTP_CODES = {
    400: ("bad_request", "The request cannot be read."),
    404: (
        "not_found",
        "There is no resource at this URL. An id in it must have 24 characters of 0-9 and a-f, as `_id` or `id` of a "
        "record shows it.",
    ),
    405: ("method_not_allowed", "This resource does not support this method."),
    413: ("body_too_large", "The body is larger than 64 KiB."),
    415: ("unsupported_media_type", "Send JSON, with Content-Type: application/json."),
    500: ("internal_error", "An internal error occurred; report it with the requestId."),
}


#: maximum number of invalid fields in a response
MAX_FIELD_ERRORS = 50


class Problem(Exception):
    """An error of the HTTP layer (tokens, media types, malformed bodies)."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        retryable: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.retryable = retryable
        self.headers = dict(headers or {})


def register_error_handlers(app: Flask) -> None:
    """Respond to every error, ours and Flask's, with a problem document."""
    app.register_error_handler(Problem, problem_response)
    app.register_error_handler(errors.DomainError, _of_domain_error)
    app.register_error_handler(HTTPException, _of_http_exception)
    app.register_error_handler(Exception, _of_bug)


def problem_response(problem: Problem, extra: Mapping[str, Any] | None = None) -> Response:
    """Return the response for a problem."""
    text = problem_text(problem, request.path, g.get("request_id", ""), extra)
    return Response(text, problem.status, problem.headers, content_type="application/problem+json")


def _of_domain_error(error: errors.DomainError) -> Response:
    extra: dict[str, Any] = {}
    if isinstance(error, errors.InvalidInput):
        extra["errors"] = [
            {"pointer": one.pointer, "detail": one.detail} for one in error.field_errors[:MAX_FIELD_ERRORS]
        ]
    if isinstance(error, errors.OperationInProgress) and error.operation_id is not None:
        extra["operation"] = error.operation_id
    if isinstance(error, errors.AlreadyDone) and error.record is not None:
        extra["record"] = error.record
    if isinstance(error, errors.UnknownReference):
        extra["errors"] = [{"pointer": error.pointer, "detail": "does not exist"}]
    headers = {"Retry-After": str(error.retry_after)} if error.retryable else {}
    status = STATUS[type(error)]
    return problem_response(Problem(status, error.code, str(error), retryable=error.retryable, headers=headers), extra)


def _of_http_exception(error: HTTPException) -> Response:
    status = error.code or 500
    code, detail = HTTP_CODES.get(status, ("bad_request", error.name + "."))
    headers = {name: value for name, value in error.get_headers() if name == "Allow"}
    return problem_response(Problem(status, code, detail, headers=headers))


def _of_bug(error: Exception) -> Response:
    log.exception("request.bug", method=request.method, route=str(request.url_rule))
    return _of_http_exception(InternalServerError())


def problem_text(problem: Problem, path: str, request_id: str, extra: Mapping[str, Any] | None = None) -> bytes:
    """Return a problem as JSON (RFC 9457)."""
    body = ProblemResponse(
        type=f"/problems/{problem.code.replace('_', '-')}",
        title=problem.code.replace("_", " ").capitalize(),
        status=problem.status,
        detail=problem.detail,
        instance=path,
        code=problem.code,
        retryable=problem.retryable,
        request_id=request_id,
        **(extra or {}),
    )
    return body.model_dump_json(by_alias=True, exclude_none=True).encode()
