"""Documents of the `operations` collection: their indexes, and the mapping to values and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel

from shared.db.documents import Document
from shared.db.mapping import each, mapper
from shared.events.model import Author
from shared.operations.lease_fence import LEASED
from shared.operations.model import Mode, Operation, OperationStatus, StepRecord, StepStatus
from shared.operations.problems import PROBLEM_INDEXES
from shared.workflows.model import Action, Workflow

#: the unique index is a rule of the platform; the others serve queries
INDEXES = [
    # enforces the rule "one open operation for each tenant"
    IndexModel([("tenantId", ASCENDING)], name="open", unique=True, partialFilterExpression={"status": "running"}),
    IndexModel([("tenantId", ASCENDING), ("_id", DESCENDING)], name="history"),
    IndexModel([("dueAt", ASCENDING)], name="due", partialFilterExpression={"status": "running"}),
    IndexModel([("deadlineAt", ASCENDING)], name="deadline", partialFilterExpression={"status": "running"}),
    IndexModel([("heldBy", ASCENDING)], name="held", sparse=True),
    LEASED,
    IndexModel([("finishedAt", ASCENDING)], name="unsettled", partialFilterExpression={"settled": False}),
    # deletes dry runs
    IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0, sparse=True),
    *PROBLEM_INDEXES,
    # partial, because a list of failed operations is rare and most operations succeed
    IndexModel(
        [("status", ASCENDING), ("_id", DESCENDING)],
        name="ended",
        partialFilterExpression={"status": {"$in": [OperationStatus.FAILED, OperationStatus.CANCELLED]}},
    ),
    IndexModel([("action", ASCENDING), ("_id", DESCENDING)], name="action"),
    # covers the hourly summary, which reads no operation
    IndexModel(
        [(name, ASCENDING) for name in ("finishedAt", "status", "action", "mode", "createdAt", "tenantId")],
        name="outcomes",
        partialFilterExpression={"finishedAt": {"$type": "date"}},
    ),
]

#: selects operations whose action and mode this build knows: during a deployment a newer build may have added others.
#: The earliest documents have no mode.
KNOWN: Document = {
    "action": {"$in": [one.value for one in Action]},
    "mode": {"$in": [*(one.value for one in Mode), None]},
}


@dataclass(frozen=True)
class NewOperation:
    """Values of an operation that is not recorded yet. `author`: who asked for it. `new_tenant`: see `Operation`."""

    tenant_id: str
    tenant_slug: str
    action: Action
    generation: int
    author: Author
    deadline_seconds: float
    workflow: Workflow
    mode: Mode = Mode.APPLY
    allow_removals: bool = False
    new_tenant: Document | None = None


def new_operation(
    operation_id: str,
    new: NewOperation,
    earliest_starts: Mapping[str, datetime],
    grace: float,
    at: datetime,
    dry_run_kept: timedelta,
) -> Document:
    """Return the document of a running operation that counts as dispatched once. `at`: the database's time.

    `earliest_starts`: step name to the end of an older lease that the step waits for. `grace`: seconds after which the
    scheduler publishes a step again that no worker claimed. `dry_run_kept`: the database deletes a dry run after that.
    """
    republish_at = at + timedelta(seconds=grace)
    # drift checks create many dry runs, and their results are on the tenant
    expiry = {"expiresAt": at + dry_run_kept} if new.mode is Mode.DRY_RUN else {}
    return expiry | {
        "_id": ObjectId(operation_id),
        "tenantId": new.tenant_id,
        "tenantSlug": new.tenant_slug,
        "newTenant": new.new_tenant,
        "action": new.action,
        "status": OperationStatus.RUNNING,
        "mode": new.mode,
        "allowRemovals": new.allow_removals,
        "requestedBy": new.author.user_id,
        "requestId": new.author.request_id,
        "generation": new.generation,
        "dispatch": 1,
        "phase": 0,
        "settled": False,
        "problems": {},
        "finishedAt": None,
        "createdAt": at,
        "deadlineAt": at + timedelta(seconds=new.deadline_seconds),
        "dueAt": republish_at,
        "steps": [
            _new_step(
                step.name,
                number,
                earliest_starts.get(step.name, at),
                earliest_starts.get(step.name, republish_at),
            )
            for number, stage in enumerate(new.workflow)
            for step in stage
        ],
    }


def _new_step(name: str, stage: int, due: datetime, republish_at: datetime) -> Document:
    """Return a pending step. Steps of the first stage count as dispatched; later ones get their times when it opens."""
    return {
        "name": name,
        "phase": stage,
        "status": StepStatus.PENDING,
        "attempts": 0,
        "dispatch": 1 if stage == 0 else 0,
        "validFrom": 1,
        "sends": 1 if stage == 0 else 0,
        "dueAt": due,
        "lookAt": republish_at if stage == 0 else None,
        "leaseToken": None,
        "leaseUntil": None,
    }


_step = mapper(StepRecord, stage="phase", min_dispatch="validFrom", deferred_by="heldBy", deferrals="holds")
operation_of = mapper(Operation, stage="phase", steps=each("steps", _step), users_removed="forgotten")
