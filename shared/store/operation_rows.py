"""An operation's document and the domain value it stands for."""

from __future__ import annotations

from shared.domain.operation import Action, Mode, Operation, OperationStatus, StepRecord, StepStatus
from shared.store.mongo import Document


def new_step(name: str, phase: int, look_at: Document | None, held_until: object | None) -> Document:
    """A pending step; the first phase's count as sent. `held_until`: end of an older lease it has to wait for."""
    return {
        "name": name,
        "phase": phase,
        "status": StepStatus.PENDING,
        "attempts": 0,
        "dispatch": 1 if phase == 0 else 0,
        "validFrom": 1,
        "sends": 1 if phase == 0 else 0,
        "dueAt": held_until or "$$NOW",
        "lookAt": held_until or look_at,
        "leaseToken": None,
        "leaseUntil": None,
    }


def _step_of(row: Document) -> StepRecord:
    return StepRecord(
        name=row["name"],
        phase=row["phase"],
        status=StepStatus(row["status"]),
        attempts=row["attempts"],
        dispatch=row["dispatch"],
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
    )


def operation_of(row: Document) -> Operation:
    """The operation a row of the collection stands for."""
    return Operation(
        id=str(row["_id"]),
        tenant_id=row["tenantId"],
        tenant_slug=row["tenantSlug"],
        action=Action(row["action"]),
        status=OperationStatus(row["status"]),
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
        mode=Mode(row.get("mode", Mode.APPLY)),
    )
