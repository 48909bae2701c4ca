"""HTTP client of one product: a deadline for each whole call, and repeats only where they are safe.

No text of a product and no credential enters an exception or a log.
"""

from __future__ import annotations

import email.utils
import threading
import time
from collections.abc import Collection, Mapping

import requests
import structlog
from requests.auth import AuthBase, HTTPBasicAuth

from shared.integrations.outcomes import TemporaryError
from worker.http.deadline import remaining
from worker.http.response import ApiResponse
from worker.http.session import CONNECT_SECONDS, Repeatable, adapter_for, bounded, prepared, repeat

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
#: a longer Retry-After counts as this, in seconds: the due time must fit a date
MAX_WAIT = 86400.0
MAX_BODY_BYTES = 32 * 2**20
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class JsonClient:
    """Client of one origin; safe to share between threads. Each thread has its own session over shared connections."""

    def __init__(
        self,
        origin: str,
        *,
        authorize: AuthBase | None = None,
        call_seconds: float = 10.0,
        ca_file: str | None = None,
        pool_size: int = 32,
    ) -> None:
        """`origin`: URL that paths are appended to, with or without a slash at its end. Times in seconds."""
        self._origin = origin.rstrip("/")
        self._authorize = authorize
        self.call_seconds = call_seconds
        self._adapter = adapter_for(ca_file, pool_size)
        self._of_thread = threading.local()

    def call(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        form: Mapping[str, str] | str | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
        hand_back: Collection[int] = (),
    ) -> ApiResponse:
        """Send one request and return its whole response. `form`: fields, or their encoded text.

        Returns any 2xx to 4xx response except 408, 425 and 429, and any status in `hand_back`. Raises TemporaryError
        (`unreachable`, `timeout`, `upstream_error`, `throttled` with the wait asked for) or PermanentError("tls").

        Requests that are safe to repeat (`repeatable`; by default GET, HEAD, OPTIONS) are sent up to three times within
        the call's time; all others once, since one whose response was lost may have had its effect.
        """
        ends_at = time.monotonic() + remaining(self.call_seconds)

        def send() -> ApiResponse:
            with bounded(ends_at) as left:
                response = self._session().request(
                    method,
                    f"{self._origin}{path}",
                    json=json,
                    data=form,
                    params=params,
                    headers={**(FORM if form is not None else {}), **_request_id(), **(headers or {})},
                    timeout=(min(CONNECT_SECONDS, left), left),
                    allow_redirects=False,
                    stream=True,
                )
                whole = _read(response)
            return checked_response(whole, hand_back)

        is_repeatable = method in SAFE_METHODS if repeatable is None else repeatable
        return repeat(send, ends_at) if is_repeatable else send()

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()

    def _session(self) -> requests.Session:
        found: requests.Session | None = getattr(self._of_thread, "session", None)
        if found is None:
            found = self._of_thread.session = prepared(requests.Session(), self._adapter)
            found.auth = self._authorize
        return found


def _read(response: requests.Response) -> ApiResponse:
    raw = response.raw
    content = raw.read(MAX_BODY_BYTES + 1, decode_content=True)
    if len(content) > MAX_BODY_BYTES:
        response.close()
        raise TemporaryError("unexpected_answer", "The answer was larger than any this product gives.")
    raw.release_conn()
    return ApiResponse(response.status_code, response.headers, content)


def checked_response(response: ApiResponse, hand_back: Collection[int] = ()) -> ApiResponse:
    """Return the response, or raise the temporary fault that its status means."""
    status = response.status
    if _is_from_proxy(response):
        # first, else the caller would take the 404 for the absence of an object
        raise Repeatable("upstream_error", "The proxy currently has no server behind this URL.")
    if status in hand_back:
        return response
    if status == 429:
        raise Repeatable("throttled", wait=retry_after(response) or 1.0)
    if status in (502, 503, 504):
        raise Repeatable("upstream_error", f"It answered {status}.", wait=retry_after(response))
    if status in (408, 425) or status >= 500:
        raise TemporaryError("upstream_error", f"It answered {status}.", wait=retry_after(response))
    return response


def _is_from_proxy(response: ApiResponse) -> bool:
    """Return whether the response is Traefik's own, which it sends while the container behind it restarts."""
    is_text = response.headers.get("Content-Type", "").startswith("text/plain")
    return response.status == 404 and is_text and response.content.strip() == b"404 page not found"


def retry_after(response: ApiResponse) -> float | None:
    """Read Retry-After in seconds, at most MAX_WAIT: a number or an HTTP date (RFC 9110, section 10.2.3).

    A date is compared with the response's Date header if present, since our clock may be hours off.
    """
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), MAX_WAIT)
    try:
        until = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, until - _time_of(response)), MAX_WAIT)


def _time_of(response: ApiResponse) -> float:
    try:
        return email.utils.parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
    except (ValueError, OverflowError):
        return time.time()


def _request_id() -> dict[str, str]:
    found = structlog.contextvars.get_contextvars().get("request_id")
    return {"X-Request-Id": str(found)} if found else {}


def user_and_password(user: str, password: str) -> AuthBase:
    """Encode Basic credentials in UTF-8 (RFC 7617, section 2.1), as the products read them; requests writes Latin-1."""
    return HTTPBasicAuth(user.encode(), password.encode())


class BearerToken(AuthBase):
    """A fixed bearer token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request
