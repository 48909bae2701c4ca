"""Secrets that must be used again are stored sealed: whoever has only the database cannot read them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class Unsealable(Exception):
    """There is no key to seal with, or none that opens this. Says nothing of the secret."""


class Sealer:
    """The first key seals, all open; so a key is replaced by putting another before it."""

    def __init__(self, keys: Sequence[str], purpose: str) -> None:
        """`keys`: long random texts. `purpose`: what is sealed for one opens for no other."""
        made = [Fernet(_derived(key, purpose)) for key in keys]
        self._box = MultiFernet(made) if made else None

    def seal(self, secret: str) -> str:
        """Raises Unsealable without a key."""
        if self._box is None:
            raise Unsealable("there is no key to seal with")
        return self._box.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """Raises Unsealable when no key fits."""
        if self._box is None:
            raise Unsealable("there is no key to open with")
        try:
            return self._box.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise Unsealable("no key opens this") from None


def _derived(key: str, purpose: str) -> bytes:
    # the texts are long and random, so one keyed hash is derivation enough (RFC 5869's extract step)
    return base64.urlsafe_b64encode(hmac.digest(key.encode(), purpose.encode(), hashlib.sha256))
