"""Update pipelines that defer a step because of a breaker or pause, and release it. Deferring spends no attempt.

Fields of a deferred step: `heldBy` is the switch, `holds` the number of deferrals in a row, `stopsDeadline` is true for
a pause. The operation's `heldBy` lists the switches that defer its open steps. During a pause `pausedAt` is set and the
deadline does not run; when the last paused step is released, the deadline moves by the length of the pause.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from shared.db.documents import Document, Pipeline
from shared.integrations.reasons import reason_of
from shared.operations.expressions import (
    DEFERRED_BY,
    IS_DEFERRED,
    IS_OPEN,
    IS_RUNNING,
    any_step,
    due_time_from_steps,
    named,
    steps_where,
)
from shared.operations.model import Mode, StepStatus
from shared.operations.problems import with_problems
from shared.operations.stages import operation_state
from shared.switches.model import Deferral


def _unless_deferred(field: str) -> Document:
    return {"$cond": [IS_DEFERRED, None, {"$ifNull": [f"$$step.{field}", None]}]}


#: fields of a step that is no longer deferred; the deferral's reason is removed too
RELEASED: Document = {
    "heldBy": None,
    "holds": 0,
    "stopsDeadline": False,
    **{field: _unless_deferred(field) for field in ("reason", "message", "remedy")},
}


def deferred(step: str, deferral: Deferral, grace: float) -> Pipeline:
    """Defer the step until the breaker or pause may have ended; the scheduler publishes it then."""
    spread = round(deferral.seconds * random.uniform(0, 1000))  # noqa: S311 - spreads load, guards nothing
    begin: object = (
        {"$max": [deferral.until, "$$NOW"]} if deferral.until else {"$add": ["$$NOW", round(deferral.seconds * 1000)]}
    )
    due = {"$add": [begin, spread]}
    changes = {
        "status": StepStatus.PENDING,
        "heldBy": deferral.switch,
        "holds": {"$add": [{"$ifNull": ["$$step.holds", 0]}, 1]},
        "stopsDeadline": deferral.stops_deadline,
        "reason": deferral.reason,
        "message": {"$literal": deferral.message},
        "remedy": {"$literal": reason_of(deferral.reason).remedy_while_open},
        "retryable": reason_of(deferral.reason).retryable,
        "dueAt": due,
        "lookAt": due,
    }
    return [steps_where({"$and": [named(step), IS_OPEN]}, changes), deferral_fields(), *operation_state(grace)]


def released(stopped: Sequence[str]) -> Pipeline:
    """Make due at once the steps that no switch in `stopped` defers any more.

    A worker deferred them, so it had taken them: their earlier dispatches do not make them overdue.
    """
    free = {"$and": [IS_OPEN, IS_DEFERRED, {"$not": {"$in": [DEFERRED_BY, list(stopped)]}}]}
    return [
        steps_where(free, RELEASED | {"sends": 0, "dueAt": "$$NOW", "lookAt": "$$NOW"}),
        deferral_fields(),
        due_time_from_steps(),
        with_problems(),
    ]


def deferral_fields() -> Document:
    """Derive `heldBy`, `pausedAt` and `deadlineAt` from the steps. A dry run's deadline always runs: a user waits."""
    names = {
        "$map": {
            "input": {"$filter": {"input": "$steps", "as": "step", "cond": {"$and": [IS_OPEN, IS_DEFERRED]}}},
            "as": "step",
            "in": "$$step.heldBy",
        }
    }
    has_paused_step = any_step({"$and": [IS_OPEN, {"$eq": ["$$step.stopsDeadline", True]}]})
    is_paused = {"$and": [IS_RUNNING, {"$ne": ["$mode", Mode.DRY_RUN]}, has_paused_step]}
    was_paused = {"$ne": [{"$ifNull": ["$pausedAt", None]}, None]}
    pause_ended = {"$and": [was_paused, {"$not": is_paused}]}
    return {
        "$set": {
            "heldBy": {"$cond": [{"$eq": [names, []]}, "$$REMOVE", names]},
            "pausedAt": {"$cond": [is_paused, {"$ifNull": ["$pausedAt", "$$NOW"]}, None]},
            "deadlineAt": {
                "$cond": [pause_ended, {"$add": ["$deadlineAt", {"$subtract": ["$$NOW", "$pausedAt"]}]}, "$deadlineAt"]
            },
        }
    }
