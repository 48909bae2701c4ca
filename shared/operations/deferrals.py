"""How a step is deferred by a breaker or pause, and released, as update pipelines. No attempt is spent.

A deferred step has `heldBy` (the switch), `holds` (how often in a row) and `stopsDeadline` (an operator paused it). The
operation's `heldBy` lists the switches that defer its open steps. While one of those is a pause, `pausedAt` says since
when, and the deadline stands still: it moves on by that time when the last such step is released.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from shared.db.documents import Document, Pipeline
from shared.integrations.reasons import REASONS
from shared.operations.expressions import (
    DEFERRED_BY,
    IS_DEFERRED,
    IS_OPEN,
    IS_RUNNING,
    any_step,
    named,
    next_look,
    steps_where,
)
from shared.operations.model import Mode, StepStatus
from shared.operations.problems import with_problems
from shared.operations.stages import derived
from shared.switches.model import Deferral


def _unless_deferred(field: str) -> Document:
    return {"$cond": [IS_DEFERRED, None, {"$ifNull": [f"$$step.{field}", None]}]}


#: a step that is no longer deferred: the reason of the deferral goes with it
RELEASED: Document = {
    "heldBy": None,
    "holds": 0,
    "stopsDeadline": False,
    **{field: _unless_deferred(field) for field in ("reason", "message", "remedy")},
}


def deferred(step: str, deferral: Deferral, grace: float) -> Pipeline:
    """Make the step due again when the deferral may be over; the scheduler publishes it then."""
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
        "remedy": {"$literal": REASONS[deferral.reason].remedy},
        "retryable": REASONS[deferral.reason].retryable,
        "dueAt": due,
        "lookAt": due,
    }
    return [steps_where({"$and": [named(step), IS_OPEN]}, changes), summarised(), *derived(grace)]


def released(stopped: Sequence[str]) -> Pipeline:
    """Make steps due at once that are deferred by any switch but these."""
    free = {"$and": [IS_OPEN, IS_DEFERRED, {"$not": {"$in": [DEFERRED_BY, list(stopped)]}}]}
    return [
        steps_where(free, RELEASED | {"dueAt": "$$NOW", "lookAt": "$$NOW"}),
        summarised(),
        next_look(),
        with_problems(),
    ]


def summarised() -> Document:
    """Bring the operation in line with its deferred steps. A dry run's time goes on: somebody waits for it."""
    names = {
        "$map": {
            "input": {"$filter": {"input": "$steps", "as": "step", "cond": {"$and": [IS_OPEN, IS_DEFERRED]}}},
            "as": "step",
            "in": "$$step.heldBy",
        }
    }
    stops = any_step({"$and": [IS_OPEN, {"$eq": ["$$step.stopsDeadline", True]}]})
    stands = {"$and": [IS_RUNNING, {"$ne": ["$mode", Mode.PLAN]}, stops]}
    since = {"$ifNull": ["$pausedAt", None]}
    stood = {"$and": [{"$ne": [since, None]}, {"$not": stands}]}
    return {
        "$set": {
            "heldBy": {"$cond": [{"$eq": [names, []]}, "$$REMOVE", names]},
            "pausedAt": {"$cond": [stands, {"$ifNull": ["$pausedAt", "$$NOW"]}, None]},
            "deadlineAt": {
                "$cond": [stood, {"$add": ["$deadlineAt", {"$subtract": ["$$NOW", "$pausedAt"]}]}, "$deadlineAt"]
            },
        }
    }
