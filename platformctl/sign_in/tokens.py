"""Tokens of a sign-in on disk, which are renewed before they expire."""

from __future__ import annotations

import time
from collections.abc import Callable

from client import NotSignedIn, SignInRefused
from client.sign_in.issuer import Granted, Issuer
from client.sign_in.tokens import RENEWAL_MARGIN
from platformctl.sign_in.store import SignIn, Store

SIGN_IN_AGAIN = "sign in again with: platformctl login"


class StoredTokens:
    """A sign-in's tokens. `issuer` is called only when a token must be renewed."""

    def __init__(self, sign_in: SignIn, store: Store, issuer: Callable[[], Issuer]) -> None:
        self._current = sign_in
        self._store = store
        self._issuer = issuer

    def bearer(self) -> str:
        if self._current.expires_at - RENEWAL_MARGIN < time.time():
            self._renew()
        return self._current.access_token

    def renew(self, refused: str) -> str | None:
        """Return a new token in place of the refused one. Raises NotSignedIn when it cannot be renewed."""
        if self._current.access_token == refused:
            self._renew()
        return self._current.access_token

    def _renew(self) -> None:
        with self._store.locked(self._current):
            kept = self._store.find(self._current.api_url, self._current.issuer)
            if kept is None:
                raise NotSignedIn("You have signed out meanwhile.", SIGN_IN_AGAIN)
            if kept.access_token != self._current.access_token:
                self._current = kept  # another process was faster
                return
            self._current = _with_tokens(kept, self._grant(kept))
            self._store.save(self._current)

    def _grant(self, kept: SignIn) -> Granted:
        try:
            if kept.refresh_token is not None:
                return self._issuer().refresh(kept.refresh_token)
            if kept.grant == "client_credentials" and (issuer := self._issuer()).has_secret:
                return issuer.client_credentials(kept.scope)
        except SignInRefused as refusal:
            raise NotSignedIn("The sign-in is no longer accepted.", *refusal.notes, SIGN_IN_AGAIN) from None
        raise NotSignedIn("The sign-in has expired.", SIGN_IN_AGAIN)


def _with_tokens(old: SignIn, granted: Granted) -> SignIn:
    """Replace the tokens; keep the old refresh token if the issuer does not rotate it (RFC 6749, section 6)."""
    return SignIn(
        api_url=old.api_url,
        issuer=old.issuer,
        client_id=old.client_id,
        grant=old.grant,
        scope=old.scope,
        expires_at=time.time() + granted.lifetime,
        access_token=granted.access_token,
        refresh_token=granted.refresh_token or old.refresh_token,
    )
