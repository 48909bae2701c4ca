"""An operation's document and the domain value it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bson import ObjectId

from shared.db.documents import Document
from shared.events.model import Author
from shared.operations.model import Mode, Operation, OperationStatus, StepRecord, StepStatus
from shared.workflows.model import Action, Workflow

#: how long a plan is kept
PLAN_KEPT = timedelta(days=30)

# a page of tenants has hundreds of these to find, and calling the class takes ten times as long
_ACTIONS = {one.value: one for one in Action}
_MODES = {one.value: one for one in Mode}
_STATUSES = {one.value: one for one in OperationStatus}
_STEP_STATUSES = {one.value: one for one in StepStatus}
#: operations that this build can carry on: of a newer one beside it, during a deployment, there may be others
KNOWN: Document = {"action": {"$in": list(_ACTIONS)}}


@dataclass(frozen=True)
class NewOperation:
    """What is known before the record: whose, what, on whose word, and how long it may take (seconds)."""

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
    operation_id: str, new: NewOperation, waits: Mapping[str, datetime], grace: float, at: datetime
) -> Document:
    """The document of a running operation, sent once. `at`: the time on the database's clock.

    `waits`: step name to the end of an older lease it has to wait for. `grace`: how long the first message has, in
    seconds.
    """
    first_look = at + timedelta(seconds=grace)
    # what was planned is told by its tenant or its answer; each look for drift leaves one of these
    expiry = {"expiresAt": at + PLAN_KEPT} if new.mode is Mode.PLAN else {}
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
        "dueAt": first_look,
        "steps": [
            _new_step(step.name, number, waits.get(step.name, at), waits.get(step.name, first_look))
            for number, phase in enumerate(new.workflow)
            for step in phase
        ],
    }


def _new_step(name: str, phase: int, due: datetime, look_at: datetime) -> Document:
    """A pending step, not to be run before it is due; the first phase's count as sent, others get their look then."""
    return {
        "name": name,
        "phase": phase,
        "status": StepStatus.PENDING,
        "attempts": 0,
        "dispatch": 1 if phase == 0 else 0,
        "validFrom": 1,
        "sends": 1 if phase == 0 else 0,
        "dueAt": due,
        "lookAt": look_at if phase == 0 else None,
        "leaseToken": None,
        "leaseUntil": None,
    }


def _step_of(row: Document) -> StepRecord:
    return StepRecord(
        name=row["name"],
        phase=row["phase"],
        status=_STEP_STATUSES[row["status"]],
        attempts=row["attempts"],
        dispatch=row["dispatch"],
        valid_from=row["validFrom"],
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
    """The operation a row of the collection stands for."""
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
        phase=row["phase"],
        settled=row["settled"],
        steps=tuple(_step_of(step) for step in row["steps"]),
        created_at=row["createdAt"],
        deadline_at=row["deadlineAt"],
        finished_at=row.get("finishedAt"),
        mode=_MODES[row.get("mode", Mode.APPLY)],
        paused_at=row.get("pausedAt"),
        allow_removals=row.get("allowRemovals", False),
        found=row.get("found") or {},
        forgotten=row.get("forgotten", 0),
    )
