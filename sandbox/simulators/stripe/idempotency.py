"""Stripe's idempotency keys: the saved response for a repeat of the same request, and an error for any other."""

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
LONGEST_KEY = 255


@dataclass
class Keys:
    """Kept without an end, where Stripe keeps them for a day at least."""

    saved: dict[str, tuple[str, Saved]] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)

    def look(self, key: str, method: str, path: str, body: bytes) -> Saved | None:
        """The answer saved for this very request. Raises StripeError for another request or one under way."""
        if not key or len(key) > LONGEST_KEY:
            raise StripeError(400, "The idempotency key must be 1 to 255 characters long.")
        if key in self.running:
            raise StripeError(409, IN_USE, "idempotency_key_in_use")
        fingerprint, saved = self.saved.get(key, ("", None))
        if saved is not None and fingerprint != _fingerprint(method, path, body):
            raise StripeError(400, OTHER_PARAMETERS, type_="idempotency_error")
        return saved

    @contextmanager
    def held(self, key: str) -> Iterator[None]:
        """While the request runs, the key is in use."""
        self.running.add(key)
        try:
            yield
        finally:
            self.running.discard(key)

    def save(self, key: str, method: str, path: str, body: bytes, answer: Saved) -> None:
        self.saved[key] = (_fingerprint(method, path, body), answer)


def _fingerprint(method: str, path: str, body: bytes) -> str:
    return hashlib.sha256(b"\n".join([method.encode(), path.encode(), body])).hexdigest()
