"""Encrypt secrets that must be stored, so that a copy of the database does not reveal them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class EncryptionError(Exception):
    """No key is configured, or no key decrypts the text. The message never contains the secret."""


class SecretCipher:
    """Encrypt with the first key and decrypt with any, so that keys can be rotated."""

    def __init__(self, keys: Sequence[str], purpose: str) -> None:
        """`keys`: long random texts. `purpose`: a text encrypted for one purpose cannot be decrypted for another."""
        derived = [Fernet(_derive(key, purpose)) for key in keys]
        self._fernet = MultiFernet(derived) if derived else None

    def encrypt(self, secret: str) -> str:
        """Return the secret encrypted with the first key. Raises EncryptionError without a key."""
        if self._fernet is None:
            raise EncryptionError("there is no key to encrypt with")
        return self._fernet.encrypt(secret.encode()).decode()

    def decrypt(self, encrypted: str) -> str:
        """Return the secret. Raises EncryptionError when no key decrypts it."""
        if self._fernet is None:
            raise EncryptionError("there is no key to decrypt with")
        try:
            return self._fernet.decrypt(encrypted.encode()).decode()
        except InvalidToken:
            raise EncryptionError("no key decrypts this") from None


def _derive(key: str, purpose: str) -> bytes:
    # the keys are long and random, so one keyed hash is a sufficient derivation (RFC 5869, extract step)
    return base64.urlsafe_b64encode(hmac.digest(key.encode(), purpose.encode(), hashlib.sha256))
