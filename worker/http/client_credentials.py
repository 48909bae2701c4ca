"""Get access tokens of a machine account by OAuth client credentials (RFC 6749, section 4.4), with Authlib."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from requests.auth import AuthBase

from shared.integrations.outcomes import Fault, PermanentError, TemporaryError
from worker.http.deadline import remaining
from worker.http.json_client import checked_response
from worker.http.response import ApiResponse
from worker.http.session import CONNECT_SECONDS, adapter_for, bounded, prepared, repeat

#: a token is renewed this long before it expires, in seconds
RENEWAL_MARGIN = 60.0
#: assumed lifetime of a token without `expires_in`, in seconds
ASSUMED_LIFETIME = 300.0
#: error codes of RFC 6749, section 5.2, which contain no secret
CODES = ("invalid_client", "invalid_grant", "invalid_scope", "unauthorized_client", "unsupported_grant_type")

#: error codes of temporary faults
TEMPORARY = ("server_error", "temporarily_unavailable")


class ClientCredentials(AuthBase):
    """Adds a bearer token to each request; safe to share between threads, which use one token.

    `account`: user name and app password that Authentik additionally accepts, for a named account.
    """

    def __init__(
        self,
        token_url: str,
        client_id: str,
        client_secret: str | None,
        scope: str,
        account: Mapping[str, str],
        *,
        call_seconds: float = 10.0,
        ca_file: str | None = None,
    ) -> None:
        session = OAuth2Session(
            client_id,
            client_secret,
            scope=scope,
            token_endpoint=token_url,
            token_endpoint_auth_method="client_secret_post" if client_secret else "none",
        )
        session.register_compliance_hook("access_token_response", _require_token)
        self._session = prepared(session, adapter_for(ca_file, 1))
        self._account = dict(account)
        self._call_seconds = call_seconds
        self._lock = threading.Lock()
        #: the token, and the `time.monotonic` from which a new one is fetched
        self._token: tuple[str, float] | None = None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._current()}"
        return request

    def forget(self) -> None:
        """Drop a refused token, so that the next request fetches a new one."""
        with self._lock:
            self._token = None

    def _current(self) -> str:
        with self._lock:
            if self._token is None or self._token[1] <= time.monotonic():
                ends_at = time.monotonic() + remaining(self._call_seconds)
                self._token = repeat(lambda: self._fetch(ends_at), ends_at)
            return self._token[0]

    def _fetch(self, ends_at: float) -> tuple[str, float]:
        with bounded(ends_at) as left:
            timeout = (min(CONNECT_SECONDS, left), left)
            try:
                token = self._session.fetch_token(
                    grant_type="client_credentials", timeout=timeout, allow_redirects=False, **self._account
                )
            except OAuthError as problem:
                raise _refusal(problem.error) from None
            except (ValueError, TypeError, OverflowError):
                raise TemporaryError("unexpected_answer", "The token endpoint sent an unreadable response.") from None
        if not token.get("access_token"):
            raise TemporaryError("unexpected_answer", "The token endpoint gave no token.")
        return str(token["access_token"]), time.monotonic() + _lifetime(token.get("expires_in")) - RENEWAL_MARGIN


def _require_token(response: requests.Response) -> requests.Response:
    """Raise the faults that Authlib would read as a token."""
    checked = checked_response(ApiResponse(response.status_code, response.headers, response.content))
    if checked.status != 200:
        code = _error_code(checked)
        if code is None:
            # a page of a proxy, say: only an OAuth error is a refusal
            raise TemporaryError("upstream_error", f"The token endpoint answered {checked.status} without a refusal.")
        raise _refusal(code)
    # a body that is no JSON object is refused here
    checked.fields()
    return response


def _error_code(response: ApiResponse) -> str | None:
    try:
        return response.text("error")
    except TemporaryError:
        return None


def _refusal(code: str | None) -> Fault:
    if code in TEMPORARY:
        return TemporaryError("upstream_error", "The token endpoint had a fault of its own.")
    known = f" ({code})" if code in CODES else ""
    return PermanentError("bad_credentials", f"The token endpoint refused our account{known}.")


def _lifetime(expires_in: object) -> float:
    try:
        return float(expires_in or ASSUMED_LIFETIME)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise TemporaryError("unexpected_answer", "The token endpoint does not say how long the token lasts.") from None
