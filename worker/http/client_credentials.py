"""Access tokens for a machine account by OAuth client credentials (RFC 6749 section 4.4)."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import requests
from authlib.common.urls import url_decode
from authlib.oauth2.rfc6749 import OAuth2Token
from authlib.oauth2.rfc6749.parameters import prepare_token_request
from requests.auth import AuthBase

from shared.integrations.outcomes import Refused, Unavailable
from worker.http.json_client import JsonApi
from worker.http.response import Answer

#: a token is renewed this long before its end, in seconds
EARLY = 60.0
#: and is taken to last this long when nothing is said of it, in seconds
SHORT_LIFE = 300.0
#: error codes that hold no secret, being words of the standard
SHOWN = frozenset({"invalid_client", "invalid_grant", "invalid_scope", "unauthorized_client", "unsupported_grant_type"})
#: error codes that say nothing of our account
PASSING = frozenset({"server_error", "temporarily_unavailable"})


class ClientCredentials(AuthBase):
    """Puts a bearer token on each request; safe to share between threads, which fetch one token for all.

    `extra`: further form fields. Authentik takes `username` and `password` (an app password) for a named account.
    """

    def __init__(self, issuer: JsonApi, token_path: str, client_id: str, scope: str, extra: Mapping[str, str]) -> None:
        self._issuer = issuer
        self._token_path = token_path
        body = prepare_token_request("client_credentials", client_id=client_id, scope=scope, **extra)
        self._form = dict(url_decode(body))
        self._lock = threading.Lock()
        self._token: OAuth2Token | None = None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._current()}"
        return request

    def forget(self) -> None:
        """The token was refused: the next request fetches another."""
        with self._lock:
            self._token = None

    def _current(self) -> str:
        with self._lock:
            if self._token is None or self._token["expires_at"] - EARLY < time.time():
                self._token = self._fetched()
            return str(self._token["access_token"])

    def _fetched(self) -> OAuth2Token:
        answer = self._issuer.call("POST", self._token_path, form=self._form, repeatable=True)
        if answer.status == 200:
            return _token(answer.json())
        code = _error_code(answer)
        if code is None or code in PASSING:
            raise Unavailable("upstream_error", f"The token endpoint answered {answer.status}, without a refusal.")
        shown = f" ({code})" if code in SHOWN else ""
        raise Refused("bad_credentials", f"The token endpoint refused our account{shown}.")


def _token(body: Any) -> OAuth2Token:
    if not isinstance(body, dict) or not body.get("access_token"):
        raise Unavailable("unexpected_answer", "The token endpoint gave no token.")
    try:
        expires_at = int(time.time() + float(body.get("expires_in") or SHORT_LIFE))
    except (TypeError, ValueError, OverflowError):
        raise Unavailable("unexpected_answer", "The token endpoint does not say how long the token lasts.") from None
    # a time of the endpoint's own may be by another clock, and in any form
    return OAuth2Token.from_dict({**body, "expires_at": expires_at})


def _error_code(answer: Answer) -> str | None:
    """Return the OAuth error code (RFC 6749, section 5.2). None for any other response, which is not a refusal."""
    try:
        body = answer.json()
    except Unavailable:
        return None
    code = body.get("error") if isinstance(body, dict) else None
    return code if isinstance(code, str) and answer.status in (400, 401, 403) else None
