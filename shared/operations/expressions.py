"""Expressions on an operation's document that its update pipelines are made of."""

from __future__ import annotations

from typing import Any

from shared.db.documents import Document
from shared.operations.model import OPEN_STEP, OperationStatus

#: of one step, called `$$step`
IS_OPEN: Document = {"$in": ["$$step.status", list(OPEN_STEP)]}
#: its phase has begun
IN_PHASE: Document = {"$lte": ["$$step.phase", "$phase"]}
DEFERRED_BY: Document = {"$ifNull": ["$$step.heldBy", None]}
IS_DEFERRED: Document = {"$ne": [DEFERRED_BY, None]}
#: of the operation
IS_RUNNING: Document = {"$eq": ["$status", OperationStatus.RUNNING]}


def named(step: str) -> Document:
    return {"$eq": ["$$step.name", {"$literal": step}]}


def any_step(condition: Document) -> Document:
    return {"$anyElementTrue": [{"$map": {"input": "$steps", "as": "step", "in": condition}}]}


def steps_where(condition: Document, changes: dict[str, Any]) -> Document:
    merged = {"$mergeObjects": ["$$step", changes]}
    return {
        "$set": {
            "steps": {
                "$map": {"input": "$steps", "as": "step", "in": {"$cond": [condition, merged, "$$step"]}},
            }
        }
    }


def next_look() -> Document:
    open_in_phase = {"$filter": {"input": "$steps", "as": "step", "cond": {"$and": [IS_OPEN, IN_PHASE]}}}
    looks = {"$map": {"input": open_in_phase, "as": "step", "in": "$$step.lookAt"}}
    return {"$set": {"dueAt": {"$cond": [IS_RUNNING, {"$min": looks}, None]}}}
