"""Response schemas of operations and their steps."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from api.http.responses import ObjectIdText, ResponseModel
from shared.operations.model import Mode, Operation, OperationStatus, StepRecord, StepStatus
from shared.workflows.model import Action


class StepResponse(ResponseModel):
    """One integration's part of an operation. `changes`: made outside or, in a dry run, that would be made."""

    name: str
    status: StepStatus
    attempts: int
    started_at: datetime | None = None
    finished_at: datetime | None = None
    next_attempt_at: datetime | None = None
    reason: str | None = Field(None, description="stable code of the problem, or why the step was skipped")
    message: str | None = Field(None, description="the reason in words")
    remedy: str | None = Field(None, description="what to do about it")
    retryable: bool
    notes: dict[str, str] | None = None
    changes: list[str] | None = None

    @classmethod
    def of(cls, step: StepRecord) -> StepResponse:
        return cls(
            name=step.name,
            status=step.status,
            attempts=step.attempts,
            started_at=step.started_at,
            finished_at=step.finished_at,
            next_attempt_at=step.due_at if step.is_open and (step.attempts or step.deferred_by) else None,
            reason=step.reason,
            message=step.message,
            remedy=step.remedy,
            retryable=step.retryable,
            notes=dict(step.notes) or None,
            changes=list(step.changes) or None,
        )


class OperationResponse(ResponseModel):
    """One action on one tenant, from request to end."""

    id: ObjectIdText
    tenant: str = Field(description="the tenant's slug")
    action: Action
    mode: Mode
    status: OperationStatus
    requested_by: str | None = Field(None, description="the user's id; absent when the service started it")
    request_id: str
    generation: int
    steps: list[StepResponse]
    created_at: datetime
    deadline_at: datetime
    paused_at: datetime | None = Field(
        None, description="since when the deadline is suspended; it is then extended by that time"
    )
    finished_at: datetime | None = None
    allow_removals: bool | None = Field(None, description="approved to remove more than one run may")

    @classmethod
    def of(cls, operation: Operation) -> OperationResponse:
        return cls(
            id=operation.id,
            tenant=operation.tenant_slug,
            action=operation.action,
            mode=operation.mode,
            status=operation.shown_status,
            requested_by=operation.requested_by,
            request_id=operation.request_id,
            generation=operation.generation,
            steps=[StepResponse.of(step) for step in operation.steps],
            created_at=operation.created_at,
            deadline_at=operation.deadline_at,
            paused_at=operation.paused_at,
            finished_at=operation.finished_at if operation.settled else None,
            allow_removals=operation.allow_removals or None,
        )


def pace(operation: Operation | None) -> dict[str, str]:
    """Return the Retry-After header of a running operation."""
    return {"Retry-After": "1"} if operation is not None and not operation.settled else {}
