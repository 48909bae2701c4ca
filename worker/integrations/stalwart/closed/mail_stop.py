"""Stop new mail to domains, by the better of two ways.

Refuse: a lookup key for each domain and one rule of the server, so that RCPT is answered 550. Used if our account has
the permissions and no other rule rewrites recipients. Return: see `mail_return`.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from functools import partial

from shared.integrations.outcomes import BREAKER_REASON, PermanentError, TemporaryError
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.closed.mail_return import return_mail
from worker.integrations.stalwart.closed.recipient_rule import RuleState
from worker.integrations.stalwart.closed.record import REFUSED_NAMES, RETURNING, ClosedRecord
from worker.integrations.stalwart.closed.smtp_probe import ACCEPTED, REFUSED, NotProvenError
from worker.integrations.stalwart.models import POSTMASTER, MailDomain
from worker.integrations.step_context import StepContext

#: maximum time until the server applies a key, in seconds
TIMEOUT = 2.0
PAUSE = 0.2
READ_BACK = "Stalwart's rule and the keys of the domains were read back"
_REASONS = {
    RuleState.FOREIGN: "the server rewrites recipients by a rule of its own",
    RuleState.NOT_PERMITTED: "our account may not set the rule that refuses recipients",
}


def stop_mail(
    step: StepContext,
    stalwart: StalwartClient,
    record: ClosedRecord,
    domains: Sequence[MailDomain],
    settled: Collection[str] = (),
) -> dict[str, str]:
    """Stop new mail to these domains; return notes on the result and how it was verified.

    `settled`: ids of domains for which an earlier attempt has verified it.
    """
    state = stalwart.rule.state()
    why = _REASONS.get(state)
    if why is None:
        try:
            return _refuse(step, stalwart, record, domains, state, settled)
        except PermanentError as problem:
            if problem.reason == BREAKER_REASON:
                raise
            why = f"Stalwart could not apply the rule: {problem.detail}"
    return_mail(step, stalwart, record, domains)
    if step.is_dry_run:
        return {}
    return {
        "mail": "returned to the sender after it was accepted",
        "mail_verified": "Stalwart accepted each change; SMTP cannot show it, as recipients are answered 250",
        "mail_not_refused_because": why,
    }


def _refuse(
    step: StepContext,
    stalwart: StalwartClient,
    record: ClosedRecord,
    domains: Sequence[MailDomain],
    state: RuleState,
    settled: Collection[str],
) -> dict[str, str]:
    if state is RuleState.UNSET:
        step.change("set Stalwart's rule that refuses mail to suspended domains", stalwart.rule.write, None)
    held = stalwart.rule.keys()
    names = [name for domain in domains for name in domain.names]
    lacking = [name for name in names if name not in held]
    # a person may destroy a key, and the server then refuses mail until the next reload: opening must know the name
    if not record.recorded(REFUSED_NAMES).issuperset(names):
        record.add(REFUSED_NAMES, names)
    for name in lacking:
        step.change(f"refuse mail to {name}", partial(stalwart.rule.add_key, name), None)
    if step.is_dry_run:
        return {}
    # the rule may be stored and not loaded since a reload failed; mail has been returned since then
    is_loaded = not any(f"domain {domain.id}" in record.recorded(RETURNING) for domain in domains)
    if state is RuleState.OURS and is_loaded and not lacking and all(domain.id in settled for domain in domains):
        return {"mail": "refused", "mail_verified": READ_BACK}
    # an interrupted attempt may have written the rule without loading it
    stalwart.rule.reload()
    missing = sorted(set(names) - set(stalwart.rule.keys()))
    if missing or stalwart.rule.state() is not RuleState.OURS:
        names_not_shown = ", ".join(missing or names)
        raise TemporaryError("not_ready", f"Stalwart does not show the rule, or the key, of {names_not_shown}.")
    # a new key also proves that the keys were loaded
    return {"mail": "refused", "mail_verified": READ_BACK + _proven_by_smtp(stalwart, (lacking or names)[0])}


def _proven_by_smtp(stalwart: StalwartClient, name: str) -> str:
    """Ask about one recipient: each refusal takes the server seconds, and after many a day it bans our address."""
    if stalwart.probe is None:
        return "; set STALWART_SMTP_URL to have it proven over SMTP too"
    deadline = time.monotonic() + TIMEOUT
    address = f"{POSTMASTER}@{name}"
    while (reply := stalwart.probe.answer(address) or "").startswith(ACCEPTED) and time.monotonic() < deadline:
        time.sleep(PAUSE)
    if not reply.startswith(REFUSED):
        seen = f"answered {reply} for {address}" if reply else f"could not be asked about {address}"
        raise NotProvenError(
            f"Rule and keys are in Stalwart, but the server at STALWART_SMTP_URL {seen}, so it is not proven that "
            f"mail to {name} is refused."
        )
    return f"; SMTP answered {REFUSED} for {address}, one recipient for all"
