"""A domain's DKIM keys, which the mail server makes in the background: waited for, or foreseen by a plan."""

from __future__ import annotations

import time
from collections.abc import Callable

from shared.integrations.outcomes import Missing, Unavailable
from worker.integrations.stalwart.client import Furnishing, MailDomain, Stalwart
from worker.integrations.step_context import Work

#: how long one attempt looks for DKIM keys before it leaves the rest to the next attempt, in seconds
KEY_PATIENCE = 1.2
KEY_PAUSE = 0.15


def furnished_with_keys(work: Work, mail: Stalwart, domain: MailDomain, since: float) -> Furnishing:
    """What the domain has, once its keys are there: the server makes them in the background within seconds."""
    if work.is_plan:
        return _foreseen(work, mail, domain)
    found = _looked_for(lambda: mail.furnishing(domain.name, domain.id), since)
    if found is None:
        try:
            mail.make_keys(domain.id)
        except Missing:
            raise Unavailable("upstream_error", "The domain vanished.") from None
        raise Unavailable("not_ready", f"The DKIM keys of {domain.name} are still being made.", wait=1.0)
    return found


def _foreseen(work: Work, mail: Stalwart, domain: MailDomain) -> Furnishing:
    """What a plan can know: nothing of a domain that is not there, and of missing keys only that they come."""
    seen = mail.furnishing(domain.name, domain.id) if domain.id else Furnishing(False, True, ())
    if domain.id and not seen.has_keys:
        work.change(f"have DKIM keys made for {domain.name}", lambda: None, None)
    return seen


def _looked_for(look: Callable[[], Furnishing], since: float) -> Furnishing | None:
    """What a look sees once there are keys; None when patience is over. `since`: when they began to be made.

    A look comes KEY_PAUSE after the one before began, and the second so long after `since`: what was done meanwhile,
    and the looks' own time, is not waited again.
    """
    give_up = time.monotonic() + KEY_PATIENCE
    next_look = since + KEY_PAUSE
    while True:
        seen = look()
        if seen.has_keys:
            return seen
        now = time.monotonic()
        if now > give_up:
            return None
        time.sleep(max(0.0, next_look - now))
        next_look = time.monotonic() + KEY_PAUSE
