"""Aggregation expressions on an operation's document, shared by its update pipelines."""

from __future__ import annotations

from typing import Any

from shared.db.documents import Document
from shared.operations.model import OPEN_STEP, OperationStatus

# conditions on one step, named `$$step`
IS_OPEN: Document = {"$in": ["$$step.status", list(OPEN_STEP)]}
#: the step's stage has started
STAGE_STARTED: Document = {"$lte": ["$$step.phase", "$phase"]}
DEFERRED_BY: Document = {"$ifNull": ["$$step.heldBy", None]}
IS_DEFERRED: Document = {"$ne": [DEFERRED_BY, None]}
# condition on the operation
IS_RUNNING: Document = {"$eq": ["$status", OperationStatus.RUNNING]}


def named(step: str) -> Document:
    """Return the condition that `$$step` has this name."""
    return {"$eq": ["$$step.name", {"$literal": step}]}


def any_step(condition: Document) -> Document:
    """Return the condition that at least one step meets `condition`."""
    return {"$anyElementTrue": [{"$map": {"input": "$steps", "as": "step", "in": condition}}]}


def steps_where(condition: Document, changes: dict[str, Any]) -> Document:
    """Return a pipeline stage that sets fields on the steps that meet `condition`."""
    merged = {"$mergeObjects": ["$$step", changes]}
    return {
        "$set": {
            "steps": {
                "$map": {"input": "$steps", "as": "step", "in": {"$cond": [condition, merged, "$$step"]}},
            }
        }
    }


def due_time_from_steps() -> Document:
    """Return a pipeline stage that sets the operation's `dueAt` to the earliest `lookAt` of its started open steps."""
    open_steps = {"$filter": {"input": "$steps", "as": "step", "cond": {"$and": [IS_OPEN, STAGE_STARTED]}}}
    times = {"$map": {"input": open_steps, "as": "step", "in": "$$step.lookAt"}}
    return {"$set": {"dueAt": {"$cond": [IS_RUNNING, {"$min": times}, None]}}}
