"""Derive keys from the settings: one signs cookies, one encrypts values in Redis."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def cookie_keys(secret_keys: Sequence[str]) -> list[str]:
    """Derive keys for Flask's cookie: the first signs, all verify."""
    return [_derive(key, b"console cookie").decode() for key in secret_keys]


class Vault:
    """Encrypts with the first key and decrypts with any, so that keys can be rotated without ending sessions."""

    def __init__(self, secret_keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(_derive(key, b"console tokens")) for key in secret_keys])

    def encrypt(self, text: bytes) -> bytes:
        return self._fernet.encrypt(text)

    def decrypt(self, sealed: bytes) -> bytes | None:
        """Decrypt; return None if no key fits."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            return None


def _derive(key: str, purpose: bytes) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(key.encode())
    return base64.urlsafe_b64encode(derived)
