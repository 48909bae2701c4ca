"""How webhooks are signed, so that a receiver can tell true ones from others and today's from yesterday's.

Two signatures travel with each event of ours, made of the same secret; a receiver checks the one it has a library for.
The first is Stripe's own scheme, so the same check serves for what Stripe sends us.

`Dezky-Signature: t=<unix seconds>,v1=<hex>[,v1=<hex>]`
    as Stripe signs: HMAC-SHA256(secret's text, "<t>.<body>"); one v1 for each secret in force.
`webhook-id`, `webhook-timestamp`, `webhook-signature: v1,<base64>[ v1,<base64>]`
    as Standard Webhooks 1.0 has it: HMAC-SHA256(secret's bytes, "<id>.<timestamp>.<body>").
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets as random_source
from collections.abc import Mapping, Sequence

HEADER = "Dezky-Signature"
SECRET_PREFIX = "whsec_"  # noqa: S105 - a mark of the kind, no secret
SECRET_BYTES = 32
#: how far a receiver lets the clocks and the network differ, in seconds
REPLAY_WINDOW = 300


class BadSignature(Exception):
    """The event is not proven to be ours and of now; the message says why without repeating what was sent."""


def new_secret() -> str:
    """A fresh secret to share with a receiver: `whsec_` and the base64 of 32 random bytes."""
    return SECRET_PREFIX + base64.b64encode(random_source.token_bytes(SECRET_BYTES)).decode()


def signed_headers(secrets: Sequence[str], event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers that prove an event. `timestamp`: of this attempt, in unix seconds.

    With several secrets, as while one is replaced by another, each signs. Raises ValueError for one that `new_secret`
    cannot have made.
    """
    ours = [f"v1={_hex(secret, timestamp, body)}" for secret in secrets]
    standard = [f"v1,{_standard(secret, event_id, timestamp, body)}" for secret in secrets]
    return {
        HEADER: ",".join([f"t={timestamp}", *ours]),
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(standard),
    }


def verify(
    secrets: Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float,
    window: float = REPLAY_WINDOW,
    name: str = HEADER,
) -> None:
    """What a receiver does with the header `name` before it believes an event. `now`: unix seconds.

    Raises BadSignature when the header is absent or malformed, no secret fits, or the event is older or newer than
    `window` seconds: whoever recorded an event cannot play it again later.
    """
    timestamp, given = _parsed(_header(headers, name))
    expected = [_hex(secret, timestamp, body).encode() for secret in secrets]
    # all pairs are compared, so that the time taken tells nothing about which one fits
    fits = [hmac.compare_digest(one, other.encode("utf-8", "replace")) for one in expected for other in given]
    if not any(fits):
        raise BadSignature("no signature fits")
    if abs(now - timestamp) > window:
        raise BadSignature("the event is not of now")


def _parsed(text: str) -> tuple[int, list[str]]:
    pairs = [part.strip().partition("=") for part in text.split(",")]
    times = [value for key, _, value in pairs if key == "t"]
    given = [value for key, _, value in pairs if key == "v1"]
    # isdigit alone would let through digits of other scripts, and a number too long to be a time
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit() and len(times[0]) <= 12) or not given:
        raise BadSignature("the signature header cannot be read")
    return int(times[0]), given


def _header(headers: Mapping[str, str], name: str) -> str:
    for key, value in headers.items():
        if key.lower() == name.lower():
            return value
    raise BadSignature("there is no signature header")


def _hex(secret: str, timestamp: int, body: bytes) -> str:
    return hmac.new(secret.encode(), b"%d.%b" % (timestamp, body), hashlib.sha256).hexdigest()


def _standard(secret: str, event_id: str, timestamp: int, body: bytes) -> str:
    if not secret.startswith(SECRET_PREFIX):
        raise ValueError(f"a webhook secret starts with {SECRET_PREFIX}")
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    signed = b"%b.%d.%b" % (event_id.encode(), timestamp, body)
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
