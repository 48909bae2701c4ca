"""How a step is held back by a switch and let go again, as update pipelines. No attempt is spent on it.

A held step has `heldBy` (the switch), `holds` (how often in a row) and `stopsDeadline` (an operator paused it). The
operation's `heldBy` lists the switches that hold its open steps. While one of those is a pause, `pausedAt` says since
when and the deadline stands still: it is moved on by as long as it stood when the last such step is let go.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from shared.db.documents import Document
from shared.integrations.reasons import REASONS
from shared.operations.expressions import (
    HELD_BY,
    IS_HELD,
    IS_OPEN,
    IS_RUNNING,
    Pipeline,
    any_step,
    named,
    next_look,
    steps_where,
)
from shared.operations.model import Mode, StepStatus
from shared.operations.problems import with_problems
from shared.operations.stages import derived
from shared.switches.model import Hold


def _unless_held(field: str) -> Document:
    return {"$cond": [IS_HELD, None, {"$ifNull": [f"$$step.{field}", None]}]}


#: of a step that is held no more: what was said of the hold goes with it
LET_GO: Document = {
    "heldBy": None,
    "holds": 0,
    "stopsDeadline": False,
    **{field: _unless_held(field) for field in ("reason", "message", "remedy")},
}


def held(step: str, hold: Hold, grace: float) -> Pipeline:
    """The step is not run now; it is due again when the hold may be over, and then the sweep sends it."""
    spread = round(hold.seconds * random.uniform(0, 1000))  # noqa: S311 - spreads load, guards nothing
    begin: object = {"$max": [hold.until, "$$NOW"]} if hold.until else {"$add": ["$$NOW", round(hold.seconds * 1000)]}
    due = {"$add": [begin, spread]}
    changes = {
        "status": StepStatus.PENDING,
        "heldBy": hold.switch,
        "holds": {"$add": [{"$ifNull": ["$$step.holds", 0]}, 1]},
        "stopsDeadline": hold.stops_deadline,
        "reason": hold.reason,
        "message": {"$literal": hold.message},
        "remedy": {"$literal": REASONS[hold.reason].remedy},
        "retryable": REASONS[hold.reason].retryable,
        "dueAt": due,
        "lookAt": due,
    }
    return [steps_where({"$and": [named(step), IS_OPEN]}, changes), held_up(), *derived(grace)]


def released(stopped: Sequence[str]) -> Pipeline:
    """Steps held by any switch but these are due at once."""
    free = {"$and": [IS_OPEN, IS_HELD, {"$not": {"$in": [HELD_BY, list(stopped)]}}]}
    return [steps_where(free, LET_GO | {"dueAt": "$$NOW", "lookAt": "$$NOW"}), held_up(), next_look(), with_problems()]


def held_up() -> Document:
    """A stage: what its steps' holds mean for the operation. Somebody waits for a plan, so its time goes on."""
    names = {
        "$map": {
            "input": {"$filter": {"input": "$steps", "as": "step", "cond": {"$and": [IS_OPEN, IS_HELD]}}},
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
