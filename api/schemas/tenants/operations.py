"""Response schemas of operations and their steps."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from api.schemas.models import OMIT_EMPTY, RecordId, ResponseModel
from shared.operations.model import Mode, OperationStatus, StepStatus
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
    notes: Annotated[dict[str, str] | None, OMIT_EMPTY] = None
    changes: Annotated[list[str] | None, OMIT_EMPTY] = None


class OperationResponse(ResponseModel):
    """One action on one tenant, from request to end."""

    id: RecordId
    tenant: str = Field(validation_alias="tenant_slug", description="the tenant's slug")
    action: Action
    mode: Mode
    status: OperationStatus = Field(validation_alias="shown_status")
    requested_by: str | None = Field(None, description="the user's id; absent when the service started it")
    request_id: str
    generation: int
    steps: list[StepResponse]
    created_at: datetime
    deadline_at: datetime
    paused_at: datetime | None = Field(
        None, description="since when the deadline is suspended; it is then extended by that time"
    )
    finished_at: datetime | None = Field(None, validation_alias="shown_finished_at")
    allow_removals: Annotated[bool | None, OMIT_EMPTY] = Field(
        None, description="approved to remove more than one run may"
    )
