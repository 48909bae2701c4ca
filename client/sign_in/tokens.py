"""Sources of bearer tokens: a given token, and client credentials that are renewed before they expire."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

from client.errors import NotSignedIn
from client.sign_in.issuer import Granted, Issuer

#: a token is renewed so many seconds before it expires, for clocks that differ and requests that take time
RENEWAL_MARGIN = 30.0


class GivenToken:
    """A given token, without surrounding white space.

    Raises NotSignedIn for text that is not valid in a header, because the HTTP library's error would show the token.
    """

    def __init__(self, token: str) -> None:
        self._token = token.strip()
        if not re.fullmatch("[!-~]+", self._token):
            raise NotSignedIn("The text given as the bearer token cannot be a token.")

    def bearer(self) -> str:
        return self._token

    def renew(self, refused: str) -> str | None:
        return None


class ClientCredentials:
    """Tokens of an application with a secret, kept in memory; threads may share one.

    `issuer` is called when the first token is needed.
    """

    def __init__(self, issuer: Callable[[], Issuer], scope: str = "openid profile email") -> None:
        self._open = issuer
        self._scope = scope
        self._lock = threading.Lock()
        self._issuer: Issuer | None = None
        self._granted: Granted | None = None
        self._expires_at = 0.0

    def bearer(self) -> str:
        with self._lock:
            if self._granted is None or self._expires_at - RENEWAL_MARGIN < time.monotonic():
                return self._renew()
            return self._granted.access_token

    def renew(self, refused: str) -> str | None:
        with self._lock:
            if self._granted is not None and self._granted.access_token != refused:
                return self._granted.access_token  # another thread has renewed it
            return self._renew()

    def _renew(self) -> str:
        if self._issuer is None:
            self._issuer = self._open()
        self._granted = self._issuer.client_credentials(self._scope)
        self._expires_at = time.monotonic() + self._granted.lifetime
        return self._granted.access_token
