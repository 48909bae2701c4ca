"""Which bodies are taken: how long they may be, and which are refused by the headers alone, before one is received."""

from __future__ import annotations

from collections.abc import Mapping

from shared.billing.stripe_events import SIGNATURE_HEADER

KIB = 1024
LARGEST_BODY = 64 * KIB
STRIPE_PATH = "/stripe/events"
STRIPE_SIGNATURE = SIGNATURE_HEADER.lower()
#: an event holds a whole object of Stripe's, such as an invoice with all its lines
LARGEST_EVENT = 256 * KIB


def body_limit(path: str) -> int:
    """The bytes that a body sent to this path may have."""
    return LARGEST_EVENT if _is_stripe(path) else LARGEST_BODY


def is_encoded(headers: Mapping[str, str]) -> bool:
    """Whether the body is compressed: it is not unpacked here, since few bytes can become very many."""
    return headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")


def is_refused_by_headers(path: str, headers: Mapping[str, str]) -> bool:
    """Whether the application refuses the request whatever its body is: compressed, too long, or from nobody known.

    `headers`: by lower-case name.
    """
    needed = STRIPE_SIGNATURE if _is_stripe(path) else "authorization"
    return needed not in headers or is_encoded(headers) or _length(headers) > body_limit(path)


def _is_stripe(path: str) -> bool:
    return path.rstrip("/") == STRIPE_PATH


def _length(headers: Mapping[str, str]) -> int:
    text = headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdecimal() else 0
