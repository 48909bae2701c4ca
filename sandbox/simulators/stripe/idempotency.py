"""Stripe's idempotency keys: a repeated request gets the saved response, another request an error."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sandbox.simulators.stripe.forms import StripeError

Saved = tuple[int, dict[str, Any]]

IN_USE = "There is currently another in-progress request using this Stripe-Idempotent-Key."
OTHER_PARAMETERS = "Keys for idempotent requests can only be used with the same parameters they were first used with."
MAX_KEY_LENGTH = 255


@dataclass
class Keys:
    """Saved responses by key. They never expire; Stripe keeps them for at least a day."""

    saved: dict[str, tuple[str, Saved]] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)

    def find(self, key: str, method: str, path: str, body: bytes) -> Saved | None:
        """Return the response saved for this request. Raises StripeError for another request or one in progress."""
        if not key or len(key) > MAX_KEY_LENGTH:
            raise StripeError(400, "The idempotency key must be 1 to 255 characters long.")
        if key in self.running:
            raise StripeError(409, IN_USE, "idempotency_key_in_use")
        fingerprint, saved = self.saved.get(key, ("", None))
        if saved is not None and fingerprint != _fingerprint(method, path, body):
            raise StripeError(400, OTHER_PARAMETERS, type_="idempotency_error")
        return saved

    @contextmanager
    def held(self, key: str) -> Iterator[None]:
        """Mark the key as in use while the request runs."""
        self.running.add(key)
        try:
            yield
        finally:
            self.running.discard(key)

    def save(self, key: str, method: str, path: str, body: bytes, response: Saved) -> None:
        self.saved[key] = (_fingerprint(method, path, body), response)


def _fingerprint(method: str, path: str, body: bytes) -> str:
    return hashlib.sha256(b"\n".join([method.encode(), path.encode(), body])).hexdigest()
