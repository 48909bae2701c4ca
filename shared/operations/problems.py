"""The problems of an operation's open or failed steps, derived on the record in the write that changes a step.

`problems` on an operation: integration to `<kind>/<reason>` for each step that is not well, and `any`, the most severe
kind; on one that removes a tenant for good `purge` is the same as `any`. It is empty while nothing is wrong, so that
its partial indexes cost a healthy operation nothing. Only a tenant's latest operation keeps problems: the next one that
is recorded clears them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from pymongo import ASCENDING, IndexModel

from shared.db.documents import Document
from shared.integrations.catalog import INTEGRATIONS
from shared.operations.expressions import IN_PHASE, IS_DEFERRED, IS_OPEN
from shared.operations.model import Mode, StepStatus
from shared.workflows.model import INTEGRATION_OF_STEP, Action


class Kind(StrEnum):
    """Most severe first. `retrying`: an attempt failed and another will follow. `deferred`: waits for a breaker.

    `overdue`: sent several times and taken by no worker. `paused`: waits for an operator, which is no error.
    """

    FAILED = "failed"
    OVERDUE = "overdue"
    RETRYING = "retrying"
    DEFERRED = "deferred"
    PAUSED = "paused"


#: a step that was sent so often and never begun is overdue
OVERDUE_SENDS = 3
NOT_TAKEN = "not_taken"
#: the pseudo integration under which an operation's most severe kind is kept
ANY = "any"
#: and the same of operations that remove a tenant for good
PURGE = "purge"
#: what every query for problems must hold for its partial index to be used
PRESENT: Document = {"$gt": ""}


def field_of(integration: str) -> str:
    """The field that holds an integration's problem."""
    return f"problems.{integration}"


def _index(name: str) -> IndexModel:
    keys = [(field, ASCENDING) for field in (field_of(name), "createdAt", "tenantId", "_id")]
    return IndexModel(keys, name=f"problems_{name}", partialFilterExpression={field_of(name): PRESENT})


#: everything that /status counts is in these indexes: no operation is read for it
PROBLEM_INDEXES = [_index(name) for name in (*INTEGRATIONS, ANY, PURGE)]


def _joined(kind: Kind, reason: Any) -> Document:
    return {"$concat": [f"{kind}/", {"$ifNull": [reason, "unknown"]}]}


def _integration() -> Any:
    """An expression: the integration of `$$step`, which is its name unless the table says otherwise."""
    others = {step: integration for step, integration in INTEGRATION_OF_STEP.items() if step != integration}
    branches = [
        {"case": {"$eq": ["$$step.name", step]}, "then": integration} for step, integration in sorted(others.items())
    ]
    return {"$switch": {"branches": branches, "default": "$$step.name"}} if branches else "$$step.name"


def _problem() -> Document:
    """An expression: the problem of `$$step`, null when it has none. A blocked step is a consequence of another's."""
    failed = {"$and": [{"$eq": ["$$step.status", StepStatus.ERROR]}, {"$ne": ["$$step.reason", "blocked"]}]}
    stops = {"$eq": ["$$step.stopsDeadline", True]}
    told = {"$gt": [{"$ifNull": ["$$step.reason", ""]}, ""]}
    untaken = {"$and": [IN_PHASE, {"$eq": ["$$step.attempts", 0]}, {"$gte": ["$$step.sends", OVERDUE_SENDS]}]}
    reason = "$$step.reason"
    branches = [
        {"case": failed, "then": _joined(Kind.FAILED, reason)},
        {"case": {"$not": IS_OPEN}, "then": None},
        {"case": {"$and": [IS_DEFERRED, stops]}, "then": _joined(Kind.PAUSED, reason)},
        {"case": IS_DEFERRED, "then": _joined(Kind.DEFERRED, reason)},
        {"case": told, "then": _joined(Kind.RETRYING, reason)},
        {"case": untaken, "then": _joined(Kind.OVERDUE, NOT_TAKEN)},
    ]
    return {"$switch": {"branches": branches, "default": None}}


def problems_expression() -> Document:
    """An expression: the `problems` of the operation as its steps stand. A plan changes nothing, so it has none."""
    each = {"$map": {"input": "$steps", "as": "step", "in": {"k": _integration(), "v": _problem()}}}
    found = {"$filter": {"input": each, "as": "one", "cond": {"$ne": ["$$one.v", None]}}}
    is_plan = {"$eq": ["$mode", Mode.PLAN]}
    worst = {
        "$switch": {
            "branches": [
                {"case": {"$anyElementTrue": [_are_of(kind)]}, "then": f"{kind}/"}
                for kind in Kind
                if kind is not Kind.PAUSED
            ],
            "default": f"{Kind.PAUSED}/",
        }
    }
    purge = {"$cond": [{"$eq": ["$action", Action.PURGE]}, [{"k": PURGE, "v": "$$worst"}], []]}
    pairs = {"$concatArrays": ["$$found", [{"k": ANY, "v": "$$worst"}], purge]}
    told: Document = {"$let": {"vars": {"worst": worst}, "in": {"$arrayToObject": pairs}}}
    return {
        "$let": {
            "vars": {"found": {"$cond": [is_plan, [], found]}},
            "in": {"$cond": [{"$eq": ["$$found", []]}, {}, told]},
        }
    }


def _are_of(kind: Kind) -> Document:
    prefix = f"{kind}/"
    is_of = {"$eq": [{"$substrCP": ["$$one.v", 0, len(prefix)]}, prefix]}
    return {"$map": {"input": "$$found", "as": "one", "in": is_of}}


_EXPRESSION = problems_expression()


def with_problems() -> Document:
    """A pipeline's last stage: the problems follow from the steps as the stages before have left them."""
    return {"$set": {"problems": _EXPRESSION}}


def told_values(kinds: Sequence[Kind], reason: str | None) -> Document:
    """A condition on one integration's problem: of these kinds, and of this reason where one is given."""
    if reason is not None:
        return {"$in": [f"{kind}/{reason}" for kind in kinds]}
    return {"$in": [re.compile(f"^{kind}/") for kind in kinds]}
