"""Map documents of the `operations` collection to values and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bson import ObjectId

from shared.db.documents import Document
from shared.events.model import Author
from shared.operations.model import Mode, Operation, OperationStatus, StepRecord, StepStatus
from shared.workflows.model import Action, Workflow

#: the database deletes dry runs after this time
DRY_RUN_RETENTION = timedelta(days=30)

# lookup tables: a page of tenants needs hundreds of lookups, and calling the enum class takes ten times as long
_ACTIONS = {one.value: one for one in Action}
_MODES = {one.value: one for one in Mode}
_STATUSES = {one.value: one for one in OperationStatus}
_STEP_STATUSES = {one.value: one for one in StepStatus}
#: selects operations of actions that this build knows: during a deployment a newer build may have added others
KNOWN_ACTIONS: Document = {"action": {"$in": list(_ACTIONS)}}


@dataclass(frozen=True)
class NewOperation:
    """Values of an operation that is not recorded yet. `author`: who asked for it."""

    tenant_id: str
    tenant_slug: str
    action: Action
    generation: int
    author: Author
    deadline_seconds: float
    workflow: Workflow
    mode: Mode = Mode.APPLY
    allow_removals: bool = False


def new_operation(
    operation_id: str, new: NewOperation, earliest_starts: Mapping[str, datetime], grace: float, at: datetime
) -> Document:
    """Return the document of a running operation that counts as dispatched once. `at`: the database's time.

    `earliest_starts`: step name to the end of an older lease that the step waits for. `grace`: seconds after which the
    scheduler publishes a step again that no worker claimed.
    """
    republish_at = at + timedelta(seconds=grace)
    # drift checks create many dry runs, and their results are on the tenant
    expiry = {"expiresAt": at + DRY_RUN_RETENTION} if new.mode is Mode.PLAN else {}
    return expiry | {
        "_id": ObjectId(operation_id),
        "tenantId": new.tenant_id,
        "tenantSlug": new.tenant_slug,
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


def _step_of(row: Document) -> StepRecord:
    return StepRecord(
        name=row["name"],
        stage=row["phase"],
        status=_STEP_STATUSES[row["status"]],
        attempts=row["attempts"],
        dispatch=row["dispatch"],
        min_dispatch=row["validFrom"],
        due_at=row.get("dueAt"),
        lease_until=row.get("leaseUntil"),
        started_at=row.get("startedAt"),
        finished_at=row.get("finishedAt"),
        reason=row.get("reason"),
        message=row.get("message"),
        remedy=row.get("remedy"),
        retryable=row.get("retryable", False),
        notes=row.get("notes") or {},
        changes=tuple(row.get("changes") or ()),
        deferred_by=row.get("heldBy"),
        deferrals=row.get("holds", 0),
    )


def operation_of(row: Document) -> Operation:
    """Return the operation of a document."""
    return Operation(
        id=str(row["_id"]),
        tenant_id=row["tenantId"],
        tenant_slug=row["tenantSlug"],
        action=_ACTIONS[row["action"]],
        status=_STATUSES[row["status"]],
        requested_by=row["requestedBy"],
        request_id=row["requestId"],
        generation=row["generation"],
        dispatch=row["dispatch"],
        stage=row["phase"],
        settled=row["settled"],
        steps=tuple(_step_of(step) for step in row["steps"]),
        created_at=row["createdAt"],
        deadline_at=row["deadlineAt"],
        finished_at=row.get("finishedAt"),
        mode=_MODES[row.get("mode", Mode.APPLY)],
        paused_at=row.get("pausedAt"),
        allow_removals=row.get("allowRemovals", False),
        found=row.get("found") or {},
        users_removed=row.get("forgotten", 0),
    )
