"""Signing a person in from a terminal (RFC 8628): show a code, and ask until they have approved it in a browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from platformctl.failures import NotSignedIn, Unreachable
from platformctl.sign_in.issuer import DEVICE_GRANT, Client, Granted, Issuer, OAuthRefusal

#: RFC 8628 3.2 and 3.5: seconds between questions when none are named, and what slow_down adds
DEFAULT_INTERVAL = 5.0
SLOWER = 5.0
SHORTEST_INTERVAL = 1.0
ENDINGS = {
    "access_denied": "The sign-in was denied.",
    "expired_token": "Nobody approved the sign-in in time.",
}


@dataclass(frozen=True)
class Invitation:
    """What to show: a page, the code to type there, and if there is one the page with the code filled in."""

    page: str
    user_code: str
    page_with_code: str | None
    interval: float
    expires_in: float
    device_code: str = field(repr=False)

    @classmethod
    def of(cls, answer: dict[str, Any]) -> Invitation:
        """Raises Unreachable when the answer lacks what the standard requires."""
        try:
            return cls(
                page=str(answer["verification_uri"]),
                user_code=str(answer["user_code"]),
                page_with_code=answer.get("verification_uri_complete"),
                interval=max(SHORTEST_INTERVAL, float(answer.get("interval", DEFAULT_INTERVAL))),
                expires_in=float(answer["expires_in"]),
                device_code=str(answer["device_code"]),
            )
        except (KeyError, TypeError, ValueError):
            raise Unreachable("The issuer's answer to the device is incomplete.") from None


def sign_device_in(
    issuer: Issuer,
    client: Client,
    scope: str,
    show: Callable[[Invitation], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Granted:
    """Blocks until a person decides or the code expires. Raises NotSignedIn when it came to nothing."""
    invitation = Invitation.of(issuer.ask_for_device(client, scope))
    show(invitation)
    left, interval = invitation.expires_in, invitation.interval
    while left > 0:
        sleep(interval)
        left -= interval
        try:
            return issuer.grant(client, DEVICE_GRANT, device_code=invitation.device_code)
        except Unreachable:
            interval *= 2  # RFC 8628 3.5: back off when nobody answers
        except OAuthRefusal as refusal:
            interval += _patience_after(refusal)
    raise NotSignedIn(ENDINGS["expired_token"])


def _patience_after(refusal: OAuthRefusal) -> float:
    """Seconds to add between questions. Raises NotSignedIn when there is nothing to wait for."""
    if refusal.code == "authorization_pending":
        return 0
    if refusal.code == "slow_down":
        return SLOWER
    if refusal.code in ENDINGS:
        raise NotSignedIn(ENDINGS[refusal.code]) from None
    raise refusal
