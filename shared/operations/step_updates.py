"""Update pipelines of an operation's steps. Each is one atomic write and uses the database's clock.

Stored fields of a step whose names do not explain themselves: `phase` number of the stage; `dispatch` latest dispatch
with this step; `validFrom` oldest dispatch whose messages a worker may run; `sends` number of dispatches; `dueAt`
earliest time of the next attempt; `lookAt` time at which the scheduler publishes the step again. For `heldBy`, `holds`
and `stopsDeadline` see `deferrals`.
Stored fields of an operation: `dueAt` earliest `lookAt` of its open steps, null when closed; `resentBy` token of the
scheduler run that dispatched it last; `leasedUntil` end of the last lease of a cancelled or expired operation; `found`
remote ids for the tenant, until the operation is settled; `newTenant` document of a new tenant, until then too.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from shared.db.documents import Document, Pipeline, seconds_from_now
from shared.integrations.outcomes import Outcome, Result
from shared.integrations.reasons import REASONS, Reason
from shared.operations.deferrals import RELEASED, deferral_fields
from shared.operations.expressions import (
    IS_DEFERRED,
    IS_OPEN,
    IS_RUNNING,
    STAGE_STARTED,
    any_step,
    due_time_from_steps,
    named,
    steps_where,
)
from shared.operations.model import Mode, OperationStatus, StepStatus
from shared.operations.problems import NOT_TAKEN_REMEDY, with_problems
from shared.operations.stages import BLOCKED, operation_state
from shared.workflows.model import Action
from shared.workflows.remedies import how_to_repeat

#: upper limit of the backoff between two dispatches of a step that no worker claims, in seconds
MAX_REPUBLISH_SECONDS = 60


def claimed(step: str, token: str, lease_seconds: float) -> Pipeline:
    """Count an attempt and set its lease, before any work is done."""
    lease_end = seconds_from_now(lease_seconds)
    changes = {
        **RELEASED,
        "status": StepStatus.RUNNING,
        "attempts": {"$add": ["$$step.attempts", 1]},
        "leaseToken": token,
        "leaseUntil": lease_end,
        "lookAt": lease_end,
        "startedAt": {"$ifNull": ["$$step.startedAt", "$$NOW"]},
    }
    return [steps_where(named(step), changes), deferral_fields(), due_time_from_steps(), with_problems()]


def recorded(step: str, outcome: Outcome, remedy: str | None, retry_in: float, grace: float) -> Pipeline:
    """Write an attempt's outcome to its step, and derive the operation's state in the same write."""
    changes: Document = {
        "leaseToken": None,
        "leaseUntil": None,
        "reason": outcome.reason,
        "message": {"$literal": outcome.message},
        "remedy": {"$literal": remedy},
        "retryable": outcome.retryable,
        "notes": {"$literal": outcome.notes},
        "changes": {"$literal": list(outcome.changes)},
    }
    if outcome.result is Result.RETRY:
        changes |= {
            "status": StepStatus.PENDING,
            "dueAt": seconds_from_now(retry_in),
            "lookAt": seconds_from_now(retry_in + grace),
        }
    else:
        changes |= {"status": str(outcome.result), "finishedAt": "$$NOW", "dueAt": None, "lookAt": None}
    # the deadline or a cancel may have ended the step meanwhile: keep that end and only release the lease
    released = {"leaseToken": None, "leaseUntil": None}
    stages = [
        steps_where({"$and": [named(step), {"$not": IS_OPEN}]}, released),
        steps_where({"$and": [named(step), IS_OPEN]}, changes),
    ]
    if outcome.found:
        # a closed operation may be settled already, and settling is the only reader of `found`
        known = {"$mergeObjects": ["$found", {"$literal": dict(outcome.found)}]}
        stages.append({"$set": {"found": {"$cond": [IS_RUNNING, known, "$found"]}}})
    return [*stages, deferral_fields(), *operation_state(grace)]


def next_dispatch(grace: float) -> Pipeline:
    """Start a new dispatch with every started open step whose `lookAt` has passed."""
    overdue = {"$lte": ["$$step.lookAt", "$$NOW"]}
    wait = {"$min": [MAX_REPUBLISH_SECONDS * 1000, {"$multiply": [round(grace * 1000), {"$pow": [2, "$$step.sends"]}]}]}
    # Older messages become invalid only after a lost lease. Otherwise the older message may still wait in a long queue,
    # and each dispatch would invalidate the message before it.
    is_lost = {"$and": [{"$ne": ["$$step.leaseUntil", None]}, {"$lte": ["$$step.leaseUntil", "$$NOW"]}]}
    changes = {
        "dispatch": "$dispatch",
        "validFrom": {"$cond": [is_lost, "$dispatch", "$$step.validFrom"]},
        "leaseUntil": {"$cond": [is_lost, None, "$$step.leaseUntil"]},
        "sends": {"$add": ["$$step.sends", 1]},
        "lookAt": {"$add": ["$$NOW", {"$toLong": wait}]},
    }
    return [
        {"$set": {"dispatch": {"$add": ["$dispatch", 1]}}},
        steps_where({"$and": [IS_OPEN, STAGE_STARTED, overdue]}, changes),
        due_time_from_steps(),
        with_problems(),
    ]


def expired() -> Pipeline:
    """Fail the operation because its deadline has passed."""
    return _stop("deadline", REASONS["deadline"], OperationStatus.FAILED)


def cancelled() -> Pipeline:
    """Cancel the operation."""
    return _stop("cancelled", REASONS["cancelled"], OperationStatus.CANCELLED)


def reopened(step: str, deadline_seconds: float, grace: float, earliest_starts: Mapping[str, datetime]) -> Pipeline:
    """Reopen an operation at the stage of one failed step: that step and all blocked steps become pending.

    Messages of earlier dispatches become invalid for them; other failed steps stay failed. `earliest_starts`: see
    `lease_fence`.
    """
    the_step = {"$first": {"$filter": {"input": "$steps", "as": "step", "cond": named(step)}}}
    fresh: Document = {
        **RELEASED,
        "status": StepStatus.PENDING,
        "attempts": 0,
        # an earlier attempt may still run: its outcome is discarded, and the step waits for its lease (`lease_fence`)
        "leaseToken": None,
        "reason": None,
        "message": None,
        "remedy": None,
        "retryable": False,
        "startedAt": None,
        "finishedAt": None,
        "dueAt": "$$NOW",
        "validFrom": "$dispatch",
        "sends": 0,
    }
    sent = {"dispatch": "$dispatch", "sends": 1, "lookAt": seconds_from_now(grace)}
    was_blocked = {"$eq": ["$$step.reason", "blocked"]}
    return [
        {
            "$set": {
                "status": OperationStatus.RUNNING,
                "settled": False,
                "finishedAt": None,
                "deadlineAt": seconds_from_now(deadline_seconds),
                # another step may still be paused: its pause counts from now on, because the deadline is new
                "pausedAt": {"$cond": [{"$gt": ["$pausedAt", None]}, "$$NOW", None]},
                "dispatch": {"$add": ["$dispatch", 1]},
                "phase": {"$let": {"vars": {"named": the_step}, "in": "$$named.phase"}},
            }
        },
        steps_where({"$or": [named(step), was_blocked]}, fresh),
        steps_where({"$and": [IS_OPEN, STAGE_STARTED, {"$eq": ["$$step.sends", 0]}]}, sent),
        *(steps_where({"$and": [IS_OPEN, named(name)]}, _not_before(until)) for name, until in earliest_starts.items()),
        due_time_from_steps(),
        with_problems(),
    ]


def _not_before(until: datetime) -> Document:
    return {"dueAt": until, "lookAt": {"$cond": [STAGE_STARTED, until, "$$step.lookAt"]}}


#: condition on `$$step`: no worker took it since its stage began
_NOT_TAKEN: Document = {"$and": [{"$eq": ["$$step.attempts", 0]}, {"$not": IS_DEFERRED}]}
_LAST_MESSAGE: Document = {"$ifNull": ["$$step.message", ""]}
#: what to correct about the last fault of a step that was to be retried
_CORRECTIONS = [
    {"case": {"$eq": ["$$step.reason", name]}, "then": reason.remedy}
    for name, reason in REASONS.items()
    if reason.retryable and reason.remedy
]


def _stop(code: str, reason: Reason, status: OperationStatus) -> Pipeline:
    """End all open steps as errors, with their last message appended. Leases stay until they are released or end.

    Steps of a stage that had not started end as blocked, so that a retry of an earlier step runs them too.
    """
    corrections, last = _CORRECTIONS, _LAST_MESSAGE
    if status is OperationStatus.FAILED:
        corrections = [{"case": _NOT_TAKEN, "then": NOT_TAKEN_REMEDY}, *_CORRECTIONS]
        last = {"$cond": [_NOT_TAKEN, "No worker took it.", last]}
    correction = {"$switch": {"branches": corrections, "default": reason.remedy}}
    changes = {
        "status": StepStatus.ERROR,
        "finishedAt": "$$NOW",
        "reason": code,
        "message": {"$trim": {"input": {"$concat": [reason.message, " ", last]}}},
        "remedy": {"$concat": [correction, " ", _how_to_repeat(has_failed=status is OperationStatus.FAILED)]},
        "retryable": True,
        "dueAt": None,
        "lookAt": None,
    }
    last_lease = {"$max": "$steps.leaseUntil"}
    leased = {"$cond": [{"$gt": [last_lease, "$$NOW"]}, last_lease, "$$REMOVE"]}
    return [
        steps_where({"$and": [IS_OPEN, STAGE_STARTED]}, changes),
        steps_where(IS_OPEN, BLOCKED),
        {"$set": {"status": status, "finishedAt": "$$NOW", "dueAt": None, "leasedUntil": leased}},
        deferral_fields(),
        with_problems(),
    ]


def _how_to_repeat(*, has_failed: bool) -> Document:
    """Return an expression for the sentence that says how to go on with the operation."""
    by_action = [
        {"case": {"$eq": ["$action", action]}, "then": how_to_repeat(action, has_failed=has_failed)}
        for action in Action
    ]
    dry_run = {"case": {"$eq": ["$mode", Mode.DRY_RUN]}, "then": how_to_repeat(Action.RECONCILE, is_dry_run=True)}
    return {"$switch": {"branches": [dry_run, *by_action], "default": "Then repeat the action."}}


def is_leased(token: str) -> Document:
    """Return an `$expr`: the lease of the attempt with this token has not ended."""
    return any_step({"$and": [{"$eq": ["$$step.leaseToken", token]}, {"$gt": ["$$step.leaseUntil", "$$NOW"]}]})


def claimable(step: str, dispatch: int) -> Document:
    """Return an `$expr`: the step is open, due and not leased, and messages of this dispatch are valid for it."""
    return {
        "$anyElementTrue": [
            {
                "$map": {
                    "input": "$steps",
                    "as": "step",
                    "in": {
                        "$and": [
                            named(step),
                            IS_OPEN,
                            STAGE_STARTED,
                            {"$lte": ["$$step.validFrom", dispatch]},
                            {"$lte": ["$$step.dueAt", "$$NOW"]},
                            {"$lte": ["$$step.leaseUntil", "$$NOW"]},
                        ]
                    },
                }
            }
        ]
    }
