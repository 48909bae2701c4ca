"""Show every error as a page with its cause and a remedy."""

from __future__ import annotations

import structlog
from flask import Flask, g, render_template
from flask_wtf.csrf import CSRFError
from redis.exceptions import RedisError
from werkzeug.exceptions import HTTPException, TooManyRequests
from werkzeug.wrappers import Response

from client.errors import ApiError, NotSignedIn, Unreachable
from console.auth.provider import ProviderUnreachable, SignInRefused
from console.auth.session import is_signed_in, to_sign_in
from console.web.api import sentence

log = structlog.get_logger(__name__)

#: status: heading, sentence
WORDS = {
    400: ("Bad request", "Go back and try again."),
    403: ("Access denied", "Your account may not do this. An operator or the tenant's owner can."),
    404: ("Not found", "There is nothing at this address, or it is not yours to see."),
    405: ("Method not allowed", "Go back and try again."),
    413: ("Form too large", "A form may have at most 64 KiB."),
    429: ("Too many requests", "Wait a minute, then try again."),
    500: ("Internal error", "Try again; if it happens again, report it with the number below."),
    503: ("Not available", "Nothing is lost. Try again in a moment."),
}
Page = tuple[str, int] | Response


def show_errors_as_pages(app: Flask) -> None:
    """Register a page for every kind of error."""
    app.register_error_handler(ApiError, _of_api)
    app.register_error_handler(NotSignedIn, lambda problem: to_sign_in())
    app.register_error_handler(Unreachable, lambda problem: page(503, "The platform's API does not answer."))
    app.register_error_handler(ProviderUnreachable, lambda problem: page(503, "The identity provider does not answer."))
    app.register_error_handler(SignInRefused, _of_refusal)
    app.register_error_handler(RedisError, _of_redis)
    app.register_error_handler(CSRFError, _of_forgery)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(Exception, _of_bug)


def page(status: int, detail: str | None = None, request_id: str | None = None) -> tuple[str, int]:
    """Render an error page."""
    heading, advice = WORDS.get(status, WORDS[500 if status >= 500 else 400])
    shown = request_id or g.get("request_id")
    return render_template("error.html", heading=heading, detail=detail, advice=advice, request_id=shown), status


def _of_api(problem: ApiError) -> Page:
    if problem.status == 401:
        return to_sign_in()
    if problem.status == 404:
        return page(404, request_id=problem.request_id)
    log.info("api.refused", code=problem.code, status=problem.status, api_request=problem.request_id)
    return page(problem.status, sentence(problem), problem.request_id)


def _of_refusal(problem: SignInRefused) -> Page:
    return render_template("auth/refused.html", message=str(problem), advice=problem.advice), 403


def _of_redis(problem: RedisError) -> Page:
    log.error("sessions.unreachable", kind=type(problem).__name__)
    g.sign_in = None
    return page(503, "The console cannot read its sessions.")


def _of_forgery(problem: CSRFError) -> Page:
    log.info("form.refused", reason=problem.description)
    if not is_signed_in():
        return to_sign_in()
    return page(400, "This form is not from this session: it was open too long, or came from elsewhere.")


def _of_http(problem: HTTPException) -> Page:
    if isinstance(problem, TooManyRequests):
        response = Response(page(429)[0], 429, content_type="text/html; charset=utf-8")
        response.headers["Retry-After"] = "60"
        return response
    return page(problem.code or 500)


def _of_bug(problem: Exception) -> Page:
    log.exception("request.bug")
    return page(500)
