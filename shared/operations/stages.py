"""Update pipeline that derives an operation's stage and status from its steps.

A stage opens when all steps of the stage before it are ok or skipped; after a failure its steps end as blocked. Suspend
and delete are different: there the next stage opens once each step of the stage before it was tried or deferred.
"""

from __future__ import annotations

from shared.db.documents import Document, Pipeline, seconds_from_now
from shared.integrations.reasons import REASONS
from shared.operations.expressions import (
    IS_DEFERRED,
    IS_OPEN,
    IS_RUNNING,
    STAGE_STARTED,
    any_step,
    due_time_from_steps,
    steps_where,
)
from shared.operations.model import OperationStatus, StepStatus
from shared.operations.problems import with_problems
from shared.workflows.model import CONTINUES_AFTER_FAILURE

#: condition on `$$step`: an attempt is under way, or it waits for its first attempt and is not deferred
_UNTRIED: Document = {
    "$or": [
        {"$eq": ["$$step.status", StepStatus.RUNNING]},
        {"$and": [{"$eq": ["$$step.attempts", 0]}, {"$not": IS_DEFERRED}]},
    ]
}
_CONTINUES: Document = {"$in": ["$action", sorted(CONTINUES_AFTER_FAILURE)]}
#: condition on `$$step`: its stage has not started
_IS_LATER: Document = {"$and": [IS_OPEN, {"$gt": ["$$step.phase", "$phase"]}]}
#: fields of a step that never ran because an earlier stage did not succeed
BLOCKED: Document = {
    "status": StepStatus.ERROR,
    "reason": "blocked",
    "message": REASONS["blocked"].message,
    "remedy": REASONS["blocked"].remedy,
    "finishedAt": "$$NOW",
    "dueAt": None,
    "lookAt": None,
}


def operation_state(grace: float) -> Pipeline:
    """Return pipeline stages that close the operation, open its next stage, or change neither. `grace`: in seconds."""
    open_now = any_step({"$and": [IS_OPEN, STAGE_STARTED]})
    failed = any_step({"$eq": ["$$step.status", StepStatus.ERROR]})
    later = any_step(_IS_LATER)
    untried = any_step({"$and": [IS_OPEN, STAGE_STARTED, _UNTRIED]})
    transition = {
        "$switch": {
            "branches": [
                {"case": {"$not": IS_RUNNING}, "then": "closed"},
                {"case": {"$and": [_CONTINUES, later, {"$not": untried}]}, "then": "next"},
                {"case": open_now, "then": "open"},
                {"case": failed, "then": "failed"},
                {"case": later, "then": "next"},
            ],
            "default": "succeeded",
        }
    }
    begin = {"dispatch": "$dispatch", "validFrom": "$dispatch", "sends": 1, "lookAt": seconds_from_now(grace)}
    is_next = {"$eq": ["$transition", "next"]}
    ended = {"$in": ["$transition", [OperationStatus.FAILED, OperationStatus.SUCCEEDED]]}
    return [
        {"$set": {"transition": transition}},
        {
            "$set": {
                "phase": {"$add": ["$phase", {"$cond": [is_next, 1, 0]}]},
                "dispatch": {"$add": ["$dispatch", {"$cond": [is_next, 1, 0]}]},
                "status": {"$cond": [ended, "$transition", "$status"]},
                "finishedAt": {"$cond": [ended, "$$NOW", "$finishedAt"]},
            }
        },
        steps_where({"$and": [is_next, IS_OPEN, {"$eq": ["$$step.phase", "$phase"]}]}, begin),
        steps_where({"$and": [{"$eq": ["$transition", "failed"]}, IS_OPEN]}, BLOCKED),
        due_time_from_steps(),
        with_problems(),
        {"$unset": "transition"},
    ]
