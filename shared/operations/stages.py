"""How an operation goes from phase to phase and ends: whatever its steps now say, as an update pipeline.

A phase begins when all steps of the one before are ok or skipped; else its own are blocked. What closes doors goes on
all the same: there the next phase begins once every step of the last was tried, however it went.
"""

from __future__ import annotations

from shared.db.documents import Document, Pipeline, seconds_from_now
from shared.integrations.reasons import REASONS
from shared.operations.expressions import (
    IN_PHASE,
    IS_DEFERRED,
    IS_OPEN,
    IS_RUNNING,
    any_step,
    next_look,
    steps_where,
)
from shared.operations.model import OperationStatus, StepStatus
from shared.operations.problems import with_problems
from shared.workflows.model import PRESSING

#: of one step: it waits for the very first that becomes of it
_UNTRIED: Document = {
    "$or": [
        {"$eq": ["$$step.status", StepStatus.RUNNING]},
        {"$and": [{"$eq": ["$$step.attempts", 0]}, {"$not": IS_DEFERRED}]},
    ]
}
_IS_PRESSING: Document = {"$in": ["$action", sorted(PRESSING)]}
#: of one step: its phase is to come
_IS_LATER: Document = {"$and": [IS_OPEN, {"$gt": ["$$step.phase", "$phase"]}]}


def derived(grace: float) -> Pipeline:
    """Close the operation, open its next phase, or leave it running: whatever its steps now say."""
    open_now = any_step({"$and": [IS_OPEN, IN_PHASE]})
    failed = any_step({"$eq": ["$$step.status", StepStatus.ERROR]})
    later = any_step(_IS_LATER)
    untried = any_step({"$and": [IS_OPEN, IN_PHASE, _UNTRIED]})
    verdict = {
        "$switch": {
            "branches": [
                {"case": {"$not": IS_RUNNING}, "then": "closed"},
                {"case": {"$and": [_IS_PRESSING, later, {"$not": untried}]}, "then": "next"},
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
        steps_where({"$and": [is_next, IS_OPEN, {"$eq": ["$$step.phase", "$phase"]}]}, begin),
        steps_where({"$and": [{"$eq": ["$verdict", "failed"]}, IS_OPEN]}, block),
        next_look(),
        with_problems(),
        {"$unset": "verdict"},
    ]
