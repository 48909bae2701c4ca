"""How an operation's document moves on, as update pipelines: each is one atomic write on the database's own clock.

A step's document: name, phase, status, attempts, dispatch (the last that sent it), validFrom (the oldest whose messages
count), sends, dueAt (not before), lookAt (when the sweep must push it again), leaseToken, leaseUntil, startedAt,
finishedAt, reason, message, remedy, retryable, notes, changes.
The operation's `dueAt` is the earliest `lookAt` among the open steps of its phase, and null once it is closed.
"""

from __future__ import annotations

from typing import Any

from shared.domain.faults import Outcome, Result
from shared.domain.operation import OPEN_STEP, OperationStatus, StepStatus
from shared.domain.reasons import REASONS, Reason
from shared.store.mongo import Document, seconds_from_now

Pipeline = list[Document]

#: the longest a sent step may stay unclaimed before it is sent again, in seconds
LONGEST_LOOK = 60

_IS_OPEN: Document = {"$in": ["$$step.status", list(OPEN_STEP)]}
_IN_PHASE: Document = {"$eq": ["$$step.phase", "$phase"]}
_IS_RUNNING: Document = {"$eq": ["$status", OperationStatus.RUNNING]}


def claimed(step: str, token: str, lease_seconds: float) -> Pipeline:
    """The step is taken: attempt counted and lease set before any work is done."""
    lease_end = seconds_from_now(lease_seconds)
    changes = {
        "status": StepStatus.RUNNING,
        "attempts": {"$add": ["$$step.attempts", 1]},
        "leaseToken": token,
        "leaseUntil": lease_end,
        "lookAt": lease_end,
        "startedAt": {"$ifNull": ["$$step.startedAt", "$$NOW"]},
    }
    return [_steps_where(_named(step), changes), _next_look()]


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
        _steps_where({"$and": [_named(step), {"$not": _IS_OPEN}]}, released),
        _steps_where({"$and": [_named(step), _IS_OPEN]}, changes),
    ]
    return [*stages, *_derived(grace)]


def resent(grace: float) -> Pipeline:
    """A new dispatch: every open step of the phase that is overdue and not under a live lease is to be sent again."""
    overdue = {"$lte": ["$$step.lookAt", "$$NOW"]}
    wait = {"$min": [LONGEST_LOOK * 1000, {"$multiply": [round(grace * 1000), {"$pow": [2, "$$step.sends"]}]}]}
    # a step nobody took may still wait in a long queue: its first message stays good, or each new one would void it
    was_taken = {"$ne": ["$$step.leaseUntil", None]}
    changes = {
        "dispatch": "$dispatch",
        "validFrom": {"$cond": [was_taken, "$dispatch", "$$step.validFrom"]},
        "sends": {"$add": ["$$step.sends", 1]},
        "lookAt": {"$add": ["$$NOW", {"$toLong": wait}]},
    }
    return [
        {"$set": {"dispatch": {"$add": ["$dispatch", 1]}}},
        _steps_where({"$and": [_IS_OPEN, _IN_PHASE, overdue]}, changes),
        _next_look(),
    ]


def expired() -> Pipeline:
    """The deadline has passed: the operation fails."""
    return _stopped("deadline", REASONS["deadline"], OperationStatus.FAILED)


def cancelled() -> Pipeline:
    """Somebody stopped the operation."""
    return _stopped("cancelled", REASONS["cancelled"], OperationStatus.CANCELLED)


def reopened(step: str, deadline_seconds: float, grace: float) -> Pipeline:
    """An operation runs (again), from the phase of one failed step: that step and what was blocked are pending.

    Messages of earlier dispatches no longer count for them; other failed steps stay failed.
    """
    named = {"$first": {"$filter": {"input": "$steps", "as": "step", "cond": _named(step)}}}
    fresh: Document = {
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
                "dispatch": {"$add": ["$dispatch", 1]},
                "phase": {"$let": {"vars": {"named": named}, "in": "$$named.phase"}},
            }
        },
        _steps_where({"$or": [_named(step), was_blocked]}, fresh),
        _steps_where({"$and": [_IS_OPEN, _IN_PHASE, {"$eq": ["$$step.sends", 0]}]}, sent),
        _next_look(),
    ]


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
    return [
        _steps_where(_IS_OPEN, changes),
        {"$set": {"status": status, "finishedAt": "$$NOW", "dueAt": None}},
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
                            _named(step),
                            _IS_OPEN,
                            _IN_PHASE,
                            {"$lte": ["$$step.validFrom", dispatch]},
                            {"$lte": ["$$step.dueAt", "$$NOW"]},
                            {"$lte": ["$$step.leaseUntil", "$$NOW"]},
                        ]
                    },
                }
            }
        ]
    }


def _derived(grace: float) -> Pipeline:
    """Close the operation, open its next phase, or leave it running: whatever its steps now say."""
    open_now = _any_step({"$and": [_IS_OPEN, _IN_PHASE]})
    failed = _any_step({"$eq": ["$$step.status", StepStatus.ERROR]})
    later = _any_step({"$gt": ["$$step.phase", "$phase"]})
    verdict = {
        "$switch": {
            "branches": [
                {"case": {"$not": _IS_RUNNING}, "then": "closed"},
                {"case": open_now, "then": "open"},
                {"case": failed, "then": "failed"},
                {"case": later, "then": "next"},
            ],
            "default": "succeeded",
        }
    }
    blocked = REASONS["blocked"]
    block = {
        "status": StepStatus.ERROR,
        "reason": "blocked",
        "message": blocked.message,
        "remedy": blocked.remedy,
        "finishedAt": "$$NOW",
        "lookAt": None,
    }
    begin = {"dispatch": "$dispatch", "validFrom": "$dispatch", "sends": 1, "lookAt": seconds_from_now(grace)}
    is_next = {"$eq": ["$verdict", "next"]}
    ended = {"$in": ["$verdict", [OperationStatus.FAILED, OperationStatus.SUCCEEDED]]}
    return [
        {"$set": {"verdict": verdict}},
        {
            "$set": {
                "phase": {"$add": ["$phase", {"$cond": [is_next, 1, 0]}]},
                "dispatch": {"$add": ["$dispatch", {"$cond": [is_next, 1, 0]}]},
                "status": {"$cond": [ended, "$verdict", "$status"]},
                "finishedAt": {"$cond": [ended, "$$NOW", "$finishedAt"]},
            }
        },
        _steps_where({"$and": [is_next, _IN_PHASE]}, begin),
        _steps_where({"$and": [{"$eq": ["$verdict", "failed"]}, _IS_OPEN]}, block),
        _next_look(),
        {"$unset": "verdict"},
    ]


def _named(step: str) -> Document:
    return {"$eq": ["$$step.name", {"$literal": step}]}


def _any_step(condition: Document) -> Document:
    return {"$anyElementTrue": [{"$map": {"input": "$steps", "as": "step", "in": condition}}]}


def _steps_where(condition: Document, changes: dict[str, Any]) -> Document:
    merged = {"$mergeObjects": ["$$step", changes]}
    return {
        "$set": {
            "steps": {
                "$map": {"input": "$steps", "as": "step", "in": {"$cond": [condition, merged, "$$step"]}},
            }
        }
    }


def _next_look() -> Document:
    open_in_phase = {"$filter": {"input": "$steps", "as": "step", "cond": {"$and": [_IS_OPEN, _IN_PHASE]}}}
    looks = {"$map": {"input": open_in_phase, "as": "step", "in": "$$step.lookAt"}}
    return {"$set": {"dueAt": {"$cond": [_IS_RUNNING, {"$min": looks}, None]}}}
