"""Remedies of steps: what to correct comes from the catalogue of reasons, how to go on from the operation's action."""

from __future__ import annotations

from shared.integrations.outcomes import Outcome, Result
from shared.integrations.reasons import reason_of
from shared.workflows.model import RETRIED_AFTER_FAILURE, Action

#: the request that repeats an action. Each is accepted in the status that the tenant has after a failure of the action
REPEATS: dict[Action, str] = {
    Action.PROVISION: "reconcile the tenant",
    Action.RECONCILE: "reconcile the tenant",
    Action.SUSPEND: "suspend the tenant again",
    Action.RESUME: "resume the tenant again",
    Action.DELETE: "delete the tenant again",
    Action.RESTORE: "restore the tenant again",
    Action.PURGE: "purge the tenant again",
}

#: actions during which the tenant can be changed, and reconciled with an approval
_CHANGEABLE = frozenset({Action.PROVISION, Action.RECONCILE})

#: reason to what to correct in the other actions
_WITHOUT_CHANGES: dict[str, str] = {
    "quota": "Raise the limit in the integration.",
    "invalid": "Change in the integration what makes it refuse them; a suspended or deleted tenant keeps its own.",
    "too_many_removals": "Check whether that is intended; if so, remove the objects by hand, or raise REMOVALS_PER_RUN "
    "for this operation.",
}


def request_that_repeats(action: Action) -> str:
    """Return the request that repeats an action, in general words for one that only a newer release knows."""
    return REPEATS.get(action, "repeat the action")


def how_to_repeat(action: Action, *, is_dry_run: bool = False, has_failed: bool = True) -> str:
    """Return the sentence that says how to go on once the cause is removed. `has_failed`: not cancelled."""
    if is_dry_run:
        return "Then request the dry run again, or wait for the next drift check."
    if action in RETRIED_AFTER_FAILURE and has_failed:
        return f"Then {request_that_repeats(action)}, or wait: a failed {action} is repeated automatically."
    return f"Then {request_that_repeats(action)}."


def remedy_of_outcome(outcome: Outcome, action: Action, *, is_dry_run: bool) -> str | None:
    """Return the remedy of a step with this outcome; None when there is none."""
    reason = outcome.cause or outcome.reason
    if reason is None or outcome.result is Result.RETRY:
        return outcome.remedy
    known = reason_of(reason)
    if action in _CHANGEABLE and reason == "too_many_removals" and not is_dry_run:
        return f"{known.remedy} If so, reconcile the tenant with allow_removals=true."
    correction = known.remedy if action in _CHANGEABLE else _WITHOUT_CHANGES.get(reason, known.remedy)
    if not (known.repeats or known.retryable):
        return correction or None
    has_failed = outcome.result is Result.ERROR
    return f"{correction} {how_to_repeat(action, is_dry_run=is_dry_run, has_failed=has_failed)}".strip()
