"""The stored field `problems`: a projection of an operation's steps, updated by every write that changes a step.

It maps an integration to `<kind>/<reason>` when its step has a problem, and `any` to the most severe kind; a purge has
the same value under `purge`. It is empty without problems, so its partial indexes cost a healthy operation nothing.
Only the tenant's latest operation has problems: recording a new operation clears those of older ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from pymongo import ASCENDING, IndexModel

from shared.db.documents import Document
from shared.integrations.catalog import INTEGRATIONS
from shared.operations.expressions import IS_DEFERRED, IS_OPEN, STAGE_STARTED
from shared.operations.model import Mode, StepStatus
from shared.workflows.model import INTEGRATION_OF_STEP, Action


class Kind(StrEnum):
    """Kinds of problems, the most severe first.

    `overdue`: published several times, but no worker claimed it. `retrying`: an attempt failed and another follows.
    `deferred`: waits for a breaker. `paused`: waits for an operator, which is not an error.
    """

    FAILED = "failed"
    OVERDUE = "overdue"
    RETRYING = "retrying"
    DEFERRED = "deferred"
    PAUSED = "paused"


#: a step that was published this many times and never claimed is overdue
OVERDUE_SEND_COUNT = 3
NOT_TAKEN = "not_taken"
NOT_TAKEN_MESSAGE = "The step was sent several times and no worker took it."
NOT_TAKEN_REMEDY = "Check that workers run and read this integration's queue."
#: the pseudo integration under which an operation's most severe kind is kept
ANY = "any"
#: the same for purges
PURGE = "purge"
#: MongoDB uses a partial index only when the query contains this condition
HAS_PROBLEM: Document = {"$gt": ""}


def field_of(integration: str) -> str:
    """Return the path of the field with an integration's problem."""
    return f"problems.{integration}"


def _index(name: str) -> IndexModel:
    keys = [(field, ASCENDING) for field in (field_of(name), "createdAt", "tenantId", "_id")]
    return IndexModel(keys, name=f"problems_{name}", partialFilterExpression={field_of(name): HAS_PROBLEM})


#: condition that a query of all problems needs to use the partial index
ANY_PROBLEMS: Document = {"problems": {"$gt": {}}}
#: the index by which problems are counted: many operations have the same set of them, which is one range of keys
COUNTED = "problems_all"
_COUNTED = IndexModel(
    [("problems", ASCENDING), ("tenantId", ASCENDING)], name=COUNTED, partialFilterExpression=ANY_PROBLEMS
)
#: everything that /status counts is in these indexes: no operation is read for it
PROBLEM_INDEXES = [*(_index(name) for name in (*INTEGRATIONS, ANY, PURGE)), _COUNTED]


def _join(kind: Kind, reason: Any) -> Document:
    return {"$concat": [f"{kind}/", {"$ifNull": [reason, "unknown"]}]}


def _integration() -> Any:
    """Return an expression for the integration of `$$step`."""
    others = {step: integration for step, integration in INTEGRATION_OF_STEP.items() if step != integration}
    branches = [
        {"case": {"$eq": ["$$step.name", step]}, "then": integration} for step, integration in sorted(others.items())
    ]
    return {"$switch": {"branches": branches, "default": "$$step.name"}} if branches else "$$step.name"


def _problem() -> Document:
    """Return an expression for the problem of `$$step`: null without one, and for a step blocked by another step."""
    failed = {"$and": [{"$eq": ["$$step.status", StepStatus.ERROR]}, {"$ne": ["$$step.reason", "blocked"]}]}
    is_paused = {"$eq": ["$$step.stopsDeadline", True]}
    has_reason = {"$gt": [{"$ifNull": ["$$step.reason", ""]}, ""]}
    never_claimed = {
        "$and": [STAGE_STARTED, {"$eq": ["$$step.attempts", 0]}, {"$gte": ["$$step.sends", OVERDUE_SEND_COUNT]}]
    }
    reason = "$$step.reason"
    branches = [
        {"case": failed, "then": _join(Kind.FAILED, reason)},
        {"case": {"$not": IS_OPEN}, "then": None},
        {"case": {"$and": [IS_DEFERRED, is_paused]}, "then": _join(Kind.PAUSED, reason)},
        {"case": IS_DEFERRED, "then": _join(Kind.DEFERRED, reason)},
        {"case": has_reason, "then": _join(Kind.RETRYING, reason)},
        {"case": never_claimed, "then": _join(Kind.OVERDUE, NOT_TAKEN)},
    ]
    return {"$switch": {"branches": branches, "default": None}}


def problems_expression() -> Document:
    """Return an expression for `problems`, derived from the steps. A dry run has none."""
    each = {"$map": {"input": "$steps", "as": "step", "in": {"k": _integration(), "v": _problem()}}}
    found = {"$filter": {"input": each, "as": "one", "cond": {"$ne": ["$$one.v", None]}}}
    is_dry_run = {"$eq": ["$mode", Mode.DRY_RUN]}
    kinds = [kind.value for kind in Kind]
    rank = {"$indexOfArray": [kinds, {"$first": {"$split": ["$$one.v", "/"]}}]}
    ranks = {"$map": {"input": "$$found", "as": "one", "in": rank}}
    worst = {"$concat": [{"$arrayElemAt": [kinds, {"$min": ranks}]}, "/"]}
    purge = {"$cond": [{"$eq": ["$action", Action.PURGE]}, [{"k": PURGE, "v": "$$worst"}], []]}
    pairs = {"$concatArrays": ["$$found", [{"k": ANY, "v": "$$worst"}], purge]}
    problems: Document = {"$let": {"vars": {"worst": worst}, "in": {"$arrayToObject": pairs}}}
    return {
        "$let": {
            "vars": {"found": {"$cond": [is_dry_run, [], found]}},
            "in": {"$cond": [{"$eq": ["$$found", []]}, {}, problems]},
        }
    }


_EXPRESSION = problems_expression()


def with_problems() -> Document:
    """Return the last stage of an update pipeline: derive `problems` from the updated steps."""
    return {"$set": {"problems": _EXPRESSION}}


def problem_condition(kinds: Sequence[Kind], reason: str | None) -> Document:
    """Return a condition on one integration's problem: one of these kinds and, when given, this reason."""
    if reason is not None:
        return {"$in": [f"{kind}/{reason}" for kind in kinds]}
    return {"$in": [re.compile(f"^{kind}/") for kind in kinds]}
