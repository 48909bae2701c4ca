"""Wait for a domain's DKIM keys, which the mail server creates in the background; a dry run only predicts them."""

from __future__ import annotations

import time
from collections.abc import Callable

from shared.integrations.outcomes import NotFound, TemporaryError
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.models import MailDomain, MailSetup
from worker.integrations.step_context import StepContext

#: how long one attempt waits for DKIM keys before it leaves the rest to the next attempt, in seconds
KEY_TIMEOUT = 1.2
KEY_PAUSE = 0.15


def wait_for_keys(step: StepContext, stalwart: StalwartClient, domain: MailDomain, since: float) -> MailSetup:
    """Wait until the server has created the domain's keys, and return the domain's set-up."""
    if step.is_dry_run:
        return _predict(step, stalwart, domain)
    found = _waited_for(lambda: stalwart.read_setup(domain.name, domain.id), since)
    if found is None:
        why = stalwart.key_failure(domain.id)
        try:
            stalwart.make_keys(domain.id)
        except NotFound:
            raise TemporaryError("upstream_error", "The domain vanished.") from None
        cause = f" Stalwart's last try failed: {why[:200]}" if why else ""
        raise TemporaryError("not_ready", f"The DKIM keys of {domain.name} are still being made.{cause}", wait=1.0)
    return found


def _predict(step: StepContext, stalwart: StalwartClient, domain: MailDomain) -> MailSetup:
    """Return the set-up that a dry run can predict: none for a new domain; missing keys count as created."""
    seen = stalwart.read_setup(domain.name, domain.id) if domain.id else MailSetup(False, True, ())
    if domain.id and not seen.has_keys:
        step.change(f"have DKIM keys made for {domain.name}", lambda: None, None)
    return seen


def _waited_for(read: Callable[[], MailSetup], since: float) -> MailSetup | None:
    """Read until the domain has its keys; return None after KEY_TIMEOUT. `since`: when their creation began.

    The second read begins KEY_PAUSE after `since`, and each further one KEY_PAUSE after the one before began: time that
    was spent on other work or on a read is not waited for again.
    """
    deadline = time.monotonic() + KEY_TIMEOUT
    next_read = since + KEY_PAUSE
    while True:
        seen = read()
        if seen.has_keys:
            return seen
        now = time.monotonic()
        if now > deadline:
            return None
        time.sleep(max(0.0, next_read - now))
        next_read = time.monotonic() + KEY_PAUSE
