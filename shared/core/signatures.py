"""Sign webhooks and verify their signatures, so that receivers can reject forged and replayed events.

Each event carries two signatures made with the same secret; a receiver checks the one that its library supports. The
first is Stripe's scheme, so the same code verifies Stripe's events.

`Dezky-Signature: t=<unix seconds>,v1=<hex>[,v1=<hex>]`
    Stripe's scheme: HMAC-SHA256(secret's text, "<t>.<body>"); one v1 for each valid secret.
`webhook-id`, `webhook-timestamp`, `webhook-signature: v1,<base64>[ v1,<base64>]`
    Standard Webhooks 1.0: HMAC-SHA256(secret's bytes, "<id>.<timestamp>.<body>").
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets as random_source
from collections.abc import Mapping, Sequence

HEADER = "Dezky-Signature"
SECRET_PREFIX = "whsec_"  # noqa: S105 - a prefix, not a secret
SECRET_BYTES = 32
#: largest accepted age of an event, in seconds: clock difference and network delay together
REPLAY_WINDOW = 300


class BadSignature(Exception):
    """The signature is missing, invalid or outside the replay window. The message never repeats the request."""


def new_secret() -> str:
    """Return a new secret for a receiver: `whsec_` and the base64 of 32 random bytes."""
    return SECRET_PREFIX + base64.b64encode(random_source.token_bytes(SECRET_BYTES)).decode()


def signed_headers(secrets: Sequence[str], event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the signature headers of an event. `timestamp`: time of this attempt, in unix seconds.

    During a rotation there are several secrets, and each signs. Raises ValueError for a malformed secret.
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
    """Verify an event by the header `name`, as a receiver does. `now`: unix seconds.

    Raises BadSignature when the header is absent or malformed, no secret matches, or the event's time differs from
    `now` by more than `window` seconds, so that a recorded event cannot be replayed later.
    """
    timestamp, given = _parse(_header(headers, name))
    expected = [_hex(secret, timestamp, body).encode() for secret in secrets]
    # all pairs are compared, so that the duration does not reveal which one matches
    matches = [hmac.compare_digest(one, other.encode("utf-8", "replace")) for one in expected for other in given]
    if not any(matches):
        raise BadSignature("no signature matches")
    if abs(now - timestamp) > window:
        raise BadSignature("the event's time is outside the replay window")


def _parse(text: str) -> tuple[int, list[str]]:
    pairs = [part.strip().partition("=") for part in text.split(",")]
    times = [value for key, _, value in pairs if key == "t"]
    given = [value for key, _, value in pairs if key == "v1"]
    # isdigit alone would accept digits of other scripts and numbers too long to be a time
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit() and len(times[0]) <= 12) or not given:
        raise BadSignature("the signature header is malformed")
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
