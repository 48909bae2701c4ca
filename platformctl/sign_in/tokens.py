"""Where a command's bearer token comes from: the environment, or a sign-in that is renewed before it runs out."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from platformctl.failures import NotSignedIn
from platformctl.sign_in.issuer import Client, Granted, Issuer, OAuthRefusal
from platformctl.sign_in.store import SignIn, Store

#: renewed so many seconds before the end, for clocks that differ and requests that take time
EARLY = 30.0
AGAIN = "sign in again with: platformctl login"


class GivenToken:
    """PLATFORM_TOKEN: used as it is, but for the end of the line that it was read from.

    Raises NotSignedIn for what no header can hold: the library that sends it would tell so by showing it.
    """

    def __init__(self, token: str) -> None:
        self._token = token.strip()
        if not re.fullmatch("[!-~]+", self._token):
            raise NotSignedIn("PLATFORM_TOKEN holds something that cannot be a token.")

    def bearer(self) -> str:
        return self._token

    def renewed(self, refused: str) -> str | None:
        return None


class SignedIn:
    """A sign-in's tokens. `issuer` is asked for only when a token must be renewed; `secret` belongs to the client."""

    def __init__(
        self, sign_in: SignIn, store: Store, issuer: Callable[[], Issuer], secret: Callable[[], str | None]
    ) -> None:
        self._current = sign_in
        self._store = store
        self._issuer = issuer
        self._secret = secret

    def bearer(self) -> str:
        if self._current.expires_at - EARLY < time.time():
            self._renew()
        return self._current.access_token

    def renewed(self, refused: str) -> str | None:
        """Another token than the one that was refused. Raises NotSignedIn when there is none to be had."""
        if self._current.access_token == refused:
            self._renew()
        return self._current.access_token

    def _renew(self) -> None:
        with self._store.locked(self._current):
            kept = self._store.find(self._current.api_url, self._current.issuer)
            if kept is None:
                raise NotSignedIn("You have signed out meanwhile.", AGAIN)
            if kept.access_token != self._current.access_token:
                self._current = kept  # another process was faster
                return
            self._current = sign_in_of(kept, self._fresh(kept))
            self._store.save(self._current)

    def _fresh(self, kept: SignIn) -> Granted:
        client = Client(kept.client_id, self._secret())
        try:
            if kept.refresh_token is not None:
                return self._issuer().grant(client, "refresh_token", refresh_token=kept.refresh_token)
            if kept.grant == "client_credentials" and client.secret:
                return self._issuer().grant(client, "client_credentials", scope=kept.scope)
        except OAuthRefusal as refusal:
            raise NotSignedIn("The sign-in is no longer good.", *refusal.notes, AGAIN) from None
        raise NotSignedIn("The sign-in has expired.", AGAIN)


def sign_in_of(old: SignIn, granted: Granted) -> SignIn:
    """With new tokens; an issuer that does not rotate refresh tokens leaves the old one good (RFC 6749 6)."""
    return SignIn(
        api_url=old.api_url,
        issuer=old.issuer,
        client_id=old.client_id,
        grant=old.grant,
        scope=old.scope,
        expires_at=time.time() + granted.life,
        access_token=granted.access_token,
        refresh_token=granted.refresh_token or old.refresh_token,
    )
