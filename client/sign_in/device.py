"""Sign a person in from a terminal (RFC 8628): show a code, and poll until they have approved it in a browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from client.errors import NotSignedIn, SignInRefused, Unreachable
from client.sign_in.issuer import Granted, Issuer

#: RFC 8628 sections 3.2 and 3.5: seconds between questions when none are named, and what slow_down adds
DEFAULT_INTERVAL = 5.0
SLOW_DOWN_SECONDS = 5.0
MIN_INTERVAL = 1.0
EXPIRED = "Nobody approved the sign-in in time."
#: Authentik forgets an expired code, and then calls it an invalid grant
ERROR_SENTENCES = {
    "access_denied": "The sign-in was denied.",
    "expired_token": EXPIRED,
    "invalid_grant": EXPIRED,
}


@dataclass(frozen=True)
class DeviceCode:
    """The sign-in page, the code to type there and, if the provider gives one, the page with the code filled in."""

    page: str
    user_code: str
    page_with_code: str | None
    interval: float
    expires_in: float
    device_code: str = field(repr=False)

    @classmethod
    def of(cls, response: dict[str, Any]) -> DeviceCode:
        """Read the issuer's response. Raises Unreachable when it lacks a required field."""
        try:
            return cls(
                page=str(response["verification_uri"]),
                user_code=str(response["user_code"]),
                page_with_code=response.get("verification_uri_complete"),
                interval=max(MIN_INTERVAL, float(response.get("interval", DEFAULT_INTERVAL))),
                expires_in=float(response["expires_in"]),
                device_code=str(response["device_code"]),
            )
        except (KeyError, TypeError, ValueError):
            raise Unreachable("The issuer's response to the device is incomplete.") from None


def sign_device_in(
    issuer: Issuer,
    scope: str,
    show: Callable[[DeviceCode], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Granted:
    """Wait until a person has approved the code. Raises NotSignedIn when the code expires first."""
    shown = _ask(issuer, scope)
    show(shown)
    left, interval = shown.expires_in, shown.interval
    while left > 0:
        sleep(min(interval, left))
        left -= interval
        try:
            return issuer.redeem_device(shown.device_code)
        except Unreachable:
            interval *= 2  # RFC 8628 section 3.5: back off when there is no answer
        except SignInRefused as refusal:
            interval += _pause_after(refusal)
    raise NotSignedIn(EXPIRED)


def _ask(issuer: Issuer, scope: str) -> DeviceCode:
    try:
        return DeviceCode.of(issuer.authorize_device(scope))
    except SignInRefused as refusal:
        if refusal.code != "slow_down":
            raise
        advice = "wait, or sign in as an application with a client secret"
        raise NotSignedIn("The issuer has had too many sign-ins from here this hour.", advice) from None


def _pause_after(refusal: SignInRefused) -> float:
    """Return the seconds to add to the polling interval. Raises NotSignedIn when polling is pointless."""
    if refusal.code == "authorization_pending":
        return 0
    if refusal.code == "slow_down":
        return SLOW_DOWN_SECONDS
    if refusal.code in ERROR_SENTENCES:
        raise NotSignedIn(ERROR_SENTENCES[refusal.code]) from None
    raise refusal
