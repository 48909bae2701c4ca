"""Limit request bodies: maximum size, and refusal by the headers alone, before a body is received."""

from __future__ import annotations

from collections.abc import Mapping

from shared.billing.stripe_events import SIGNATURE_HEADER

KIB = 1024
MAX_BODY_BYTES = 64 * KIB
STRIPE_PATH = "/stripe/events"
STRIPE_SIGNATURE = SIGNATURE_HEADER.lower()
#: an event contains a whole Stripe object, such as an invoice with all its lines
MAX_EVENT_BYTES = 256 * KIB


def body_limit(path: str) -> int:
    """Return the maximum size of a body for this path, in bytes."""
    return MAX_EVENT_BYTES if _is_stripe(path) else MAX_BODY_BYTES


def is_encoded(headers: Mapping[str, str]) -> bool:
    """Return whether the body is compressed. Compressed bodies are refused: few bytes can become very many."""
    return headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")


def is_refused_by_headers(path: str, headers: Mapping[str, str]) -> bool:
    """Return whether the headers alone refuse the request: compressed, too long, or without credentials.

    `headers`: by lower-case name.
    """
    needed = STRIPE_SIGNATURE if _is_stripe(path) else "authorization"
    return needed not in headers or is_encoded(headers) or _length(headers) > body_limit(path)


def _is_stripe(path: str) -> bool:
    return path.rstrip("/") == STRIPE_PATH


def _length(headers: Mapping[str, str]) -> int:
    text = headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdecimal() else 0
