"""How an operation's document moves on, as update pipelines: each is one atomic write on the database's own clock.

A step's document: name, phase, status, attempts, dispatch (the last that sent it), validFrom (the oldest whose messages
count), sends, dueAt (not before), lookAt (when the sweep must push it again), leaseToken, leaseUntil, startedAt,
finishedAt, reason, message, remedy, retryable, notes, changes; and what `deferrals` says.
The operation's `dueAt` is the earliest `lookAt` among the open steps of its phase, and null once it is closed;
`resentBy` says which look of a sweep sent it last; `leasedUntil`, on one that was stopped, how long its attempts may
go on; `found`, until it is settled, what its steps found for the tenant's record.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from shared.db.documents import Document, Pipeline, seconds_from_now
from shared.integrations.outcomes import Outcome, Result
from shared.integrations.reasons import REASONS, Reason
from shared.operations.deferrals import RELEASED, summarised
from shared.operations.expressions import (
    IN_PHASE,
    IS_OPEN,
    IS_RUNNING,
    named,
    next_look,
    steps_where,
)
from shared.operations.model import OperationStatus, StepStatus
from shared.operations.problems import with_problems
from shared.operations.stages import derived

#: the longest a sent step may stay unclaimed before it is sent again, in seconds
LONGEST_LOOK = 60


def claimed(step: str, token: str, lease_seconds: float) -> Pipeline:
    """The step is taken: attempt counted and lease set before any work is done."""
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
    return [steps_where(named(step), changes), summarised(), next_look(), with_problems()]


def recorded(step: str, outcome: Outcome, retry_in: float, grace: float) -> Pipeline:
    """The attempt's end is on the step, and the operation follows from all its steps in the same write."""
    changes: Document = {
        "leaseToken": None,
        "leaseUntil": None,
        "reason": outcome.reason,
        "message": {"$literal": outcome.message},
        "remedy": {"$literal": outcome.remedy},
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
    # a step that its operation's deadline ended stays ended; only its lease is given back
    released = {"leaseToken": None, "leaseUntil": None}
    stages = [
        steps_where({"$and": [named(step), {"$not": IS_OPEN}]}, released),
        steps_where({"$and": [named(step), IS_OPEN]}, changes),
    ]
    if outcome.found:
        # whoever ends after his operation was stopped comes too late: it may be settled, and its row is read no more
        known = {"$mergeObjects": ["$found", {"$literal": dict(outcome.found)}]}
        stages.append({"$set": {"found": {"$cond": [IS_RUNNING, known, "$found"]}}})
    return [*stages, summarised(), *derived(grace)]


def resent(grace: float) -> Pipeline:
    """A new dispatch: every open step of the phase that is overdue and not under a live lease is to be sent again."""
    overdue = {"$lte": ["$$step.lookAt", "$$NOW"]}
    wait = {"$min": [LONGEST_LOOK * 1000, {"$multiply": [round(grace * 1000), {"$pow": [2, "$$step.sends"]}]}]}
    # once for a lease that was lost. What is sent after that, as what nobody took, may still wait in a long queue: it
    # stays good, or each new message would void the one before
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
        steps_where({"$and": [IS_OPEN, IN_PHASE, overdue]}, changes),
        next_look(),
        with_problems(),
    ]


def expired() -> Pipeline:
    """The deadline has passed: the operation fails."""
    return _stopped("deadline", REASONS["deadline"], OperationStatus.FAILED)


def cancelled() -> Pipeline:
    """Somebody stopped the operation."""
    return _stopped("cancelled", REASONS["cancelled"], OperationStatus.CANCELLED)


def reopened(step: str, deadline_seconds: float, grace: float, waits: Mapping[str, datetime]) -> Pipeline:
    """An operation runs (again), from the phase of one failed step: that step and what was blocked are pending.

    Messages of earlier dispatches no longer count for them; other failed steps stay failed. `waits`: step name to the
    time before which it must not be run.
    """
    the_step = {"$first": {"$filter": {"input": "$steps", "as": "step", "cond": named(step)}}}
    fresh: Document = {
        **RELEASED,
        "status": StepStatus.PENDING,
        "attempts": 0,
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
                # while another step is paused, it stands still from now on
                "pausedAt": {"$cond": [{"$gt": ["$pausedAt", None]}, "$$NOW", None]},
                "dispatch": {"$add": ["$dispatch", 1]},
                "phase": {"$let": {"vars": {"named": the_step}, "in": "$$named.phase"}},
            }
        },
        steps_where({"$or": [named(step), was_blocked]}, fresh),
        steps_where({"$and": [IS_OPEN, IN_PHASE, {"$eq": ["$$step.sends", 0]}]}, sent),
        *(steps_where({"$and": [IS_OPEN, named(name)]}, _not_before(until)) for name, until in waits.items()),
        next_look(),
        with_problems(),
    ]


def _not_before(until: datetime) -> Document:
    return {"dueAt": until, "lookAt": {"$cond": [IN_PHASE, until, "$$step.lookAt"]}}


def _stopped(code: str, reason: Reason, status: OperationStatus) -> Pipeline:
    """Open steps end as errors, keeping what was last said; a lease stays until its holder gives it back."""
    changes = {
        "status": StepStatus.ERROR,
        "finishedAt": "$$NOW",
        "reason": code,
        "message": {"$concat": [reason.message, " ", {"$ifNull": ["$$step.message", ""]}]},
        "remedy": {"$ifNull": ["$$step.remedy", reason.remedy]},
        "retryable": True,
        "dueAt": None,
        "lookAt": None,
    }
    last_lease = {"$max": "$steps.leaseUntil"}
    leased = {"$cond": [{"$gt": [last_lease, "$$NOW"]}, last_lease, "$$REMOVE"]}
    return [
        steps_where(IS_OPEN, changes),
        {"$set": {"status": status, "finishedAt": "$$NOW", "dueAt": None, "leasedUntil": leased}},
        summarised(),
        with_problems(),
    ]


def claimable(step: str, dispatch: int) -> Document:
    """An `$expr`: the step is open and due, under no live lease, and messages of this dispatch still count for it."""
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
                            IN_PHASE,
                            {"$lte": ["$$step.validFrom", dispatch]},
                            {"$lte": ["$$step.dueAt", "$$NOW"]},
                            {"$lte": ["$$step.leaseUntil", "$$NOW"]},
                        ]
                    },
                }
            }
        ]
    }
