"""Exceptions of the client: one class for each kind of failure, every message a sentence for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests

PROBLEM = "application/problem+json"
#: code of an error response that is not the API's, such as a proxy's page
UNEXPLAINED = "unexplained"
#: statuses below 500 after which a request may be repeated
TEMPORARY = frozenset({408, 429})


class PlatformError(Exception):
    """Base of all exceptions of this package. `notes`: further sentences, such as advice."""

    def __init__(self, message: str, *notes: str) -> None:
        super().__init__(message)
        self.message = message
        self.notes = notes


class Unreachable(PlatformError):
    """No response arrived, or an invalid one.

    `idempotency_key`: set for a POST; with this key the request can be repeated safely.
    """

    idempotency_key: str | None = None


class UntrustedCertificate(Unreachable):
    """The server's certificate is signed by an authority that is not trusted."""


class NotSignedIn(PlatformError):
    """There is no token, or the token is no longer accepted."""


class SignInRefused(NotSignedIn):
    """The issuer refused a token. `code`: OAuth 2.0's error code (RFC 6749 section 5.2, RFC 8628 section 3.5)."""

    def __init__(self, message: str, *notes: str, code: str) -> None:
        super().__init__(message, *notes)
        self.code = code


@dataclass(frozen=True)
class FieldError:
    """One invalid field of a request: a JSON pointer into the body, or `?name` of a query parameter."""

    pointer: str
    detail: str


class ApiError(PlatformError):
    """An error response of the API (RFC 9457), or of a proxy before it (`code` is then `unexplained`)."""

    def __init__(self, response: requests.Response) -> None:
        problem = problem_of(response)
        self.status = response.status_code
        self.code = str(problem.get("code") or UNEXPLAINED)
        self.detail = str(problem.get("detail") or problem.get("title") or _describe_foreign(response))
        self.errors = tuple(_field_errors(problem.get("errors")))
        self.retryable = bool(problem.get("retryable", _is_temporary(response)))
        self.retry_after = _seconds(response.headers.get("Retry-After"))
        self.request_id: str | None = problem.get("requestId") or response.headers.get("X-Request-Id")
        #: id of the open operation that blocks this request, if any
        self.operation: str | None = problem.get("operation")
        #: address of what the first request with this key changed, when its response was lost
        self.record: str | None = problem.get("record")
        #: whether the request was sent more than once, after earlier failures
        self.repeated = bool(getattr(getattr(response.raw, "retries", None), "history", ()))
        named = f"{self.code}, HTTP {self.status}" if problem else f"HTTP {self.status}"
        super().__init__(f"{self.detail} ({named})", *self._explanations())

    def _explanations(self) -> list[str]:
        notes = [f"{error.pointer}: {error.detail}" for error in self.errors]
        if self.operation:
            notes.append(f"the open operation: {self.operation}")
        if self.retry_after is not None:
            notes.append(f"try again in {self.retry_after:.0f} seconds")
        return notes


class Unauthorized(ApiError, NotSignedIn):
    """HTTP 401: the API does not accept the token."""


def pause_after(error: PlatformError, usual: float) -> float | None:
    """Return the seconds after which a failed read may be repeated, at least `usual`; None if that cannot help."""
    if isinstance(error, Unreachable):
        return usual
    if isinstance(error, ApiError) and error.retryable:
        return max(usual, error.retry_after or 0.0)
    return None


def error_of(response: requests.Response) -> ApiError:
    """Return the exception for a response that is not a success."""
    return Unauthorized(response) if response.status_code == 401 else ApiError(response)


def problem_of(response: requests.Response) -> dict[str, Any]:
    """Return the problem document of a response; empty without one."""
    if response.headers.get("Content-Type", "").partition(";")[0].strip() != PROBLEM:
        return {}
    try:
        body = response.json()
    except requests.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _field_errors(errors: Any) -> list[FieldError]:
    found = errors if isinstance(errors, list) else []
    return [FieldError(str(one.get("pointer")), str(one.get("detail"))) for one in found if isinstance(one, dict)]


def _describe_foreign(response: requests.Response) -> str:
    """Describe a response that another server sent, without its text."""
    place = response.url.partition("?")[0]
    if response.is_redirect:
        return f"{place} redirects to {response.headers['Location']}; is this the API's URL?"
    if _is_temporary(response):
        return f"{place} is unavailable or overloaded; try again later."
    return f"{place} gave no explanation; is this the API's URL?"


def _is_temporary(response: requests.Response) -> bool:
    return response.status_code >= 500 or response.status_code in TEMPORARY


def _seconds(header: str | None) -> float | None:
    """Return the seconds of a Retry-After header; the API sends no dates."""
    return float(header) if header is not None and header.isascii() and header.isdigit() else None
