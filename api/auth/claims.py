"""Check the claims of a verified token and read the caller from them. Claims are untrusted text."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from authlib.oauth2.rfc6750 import InvalidTokenError

from shared.rights.policy import Caller

LEEWAY = 30
#: seconds since 1970 that a date can hold: the year 9999
LATEST = 253_402_300_799
MAX_SUBJECT_LENGTH, MAX_NAME_LENGTH, MAX_EMAIL_LENGTH = 255, 200, 254
#: characters removed from names, and never in a group's name: control characters, lone surrogates, marks that change
#: the writing direction
UNPRINTABLE = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]+")
SUBJECT = re.compile(rf"[\x21-\x7e]{{1,{MAX_SUBJECT_LENGTH}}}")


class TokenExpired(InvalidTokenError):  # type: ignore[misc]
    """An expired token: the client can get a new one and retry."""


def parse_claims(payload: bytes) -> dict[str, Any]:
    """Parse the claims. Raises ValueError for anything but a JSON object, RecursionError for one nested too deeply."""
    claims = json.loads(payload, parse_constant=_refuse_constant)
    if not isinstance(claims, dict):
        raise ValueError("claims must be a JSON object")
    return claims


def caller_of(claims: Mapping[str, Any], surfaces: Callable[[Any], frozenset[str]]) -> Caller:
    """Return the caller that the claims name. `surfaces`: maps the audience to surfaces. Raises InvalidTokenError."""
    expires_at, issued_at = _check_times(claims)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not SUBJECT.fullmatch(subject):
        raise InvalidTokenError("The token has no subject.")
    # an id_token of Authentik has the same typ, iss and aud; only an access token has both of these
    client, scope = claims.get("azp"), claims.get("scope")
    if not (isinstance(client, str) and client and isinstance(scope, str)):
        raise InvalidTokenError("This is not an access token.")
    groups = claims.get("groups")
    names = [name for name in groups if isinstance(name, str)] if isinstance(groups, list) else None
    return Caller(
        subject=subject,
        email=_email(claims.get("email")),
        name=_line(claims.get("name")) or _line(claims.get("preferred_username")),
        groups=tuple(name for name in names if not UNPRINTABLE.search(name)) if names is not None else None,
        surfaces=surfaces(claims.get("aud")),
        issued_at=issued_at,
        expires_at=expires_at,
    )


def check_expiry(expires_at: float) -> None:
    """Raise TokenExpired for a time in the past."""
    if expires_at + LEEWAY < time.time():
        raise TokenExpired("The token has expired.")


def _check_times(claims: Mapping[str, Any]) -> tuple[float, float]:
    """Return `exp` and `iat`, the latter 0 when absent. Raises InvalidTokenError."""
    expires_at, begins_at, issued_at = (_time(claims.get(name)) for name in ("exp", "nbf", "iat"))
    if expires_at is None:
        raise InvalidTokenError("The token has no expiry.")
    check_expiry(expires_at)
    if max(begins_at or 0, issued_at or 0) - LEEWAY > time.time():
        raise InvalidTokenError("The token is not valid yet.")
    return expires_at, issued_at or 0.0


def _time(value: Any) -> float | None:
    if value is None:
        return None
    # compared before it is converted: an integer of 400 digits has no float
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LATEST:
        raise InvalidTokenError("The times of the token are invalid.")
    return float(value)


def _line(value: Any) -> str:
    """Return one line of printable text, "" for anything else."""
    return " ".join(UNPRINTABLE.sub(" ", value).split())[:MAX_NAME_LENGTH] if isinstance(value, str) else ""


def _email(value: Any) -> str:
    """Return an e-mail address unchanged, "" for anything else."""
    text = _line(value)
    return text if text == value and "@" in text and " " not in text and len(text) <= MAX_EMAIL_LENGTH else ""


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
