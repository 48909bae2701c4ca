"""Response schemas of diagnostics."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from api.schemas.models import OMIT_EMPTY, RecordId, ResponseModel
from shared.diagnostics.model import CheckStatus, RunStatus


class CheckResponse(ResponseModel):
    """The result of one check. `not_configured`: there was nothing to check."""

    area: str
    name: str
    status: CheckStatus
    message: str
    remedy: Annotated[str | None, OMIT_EMPTY] = None
    version: str | None = Field(None, description="the version that a product reports")
    seconds: float | None = Field(None, description="how long the product took to answer")


class DiagnosisResponse(ResponseModel):
    """A diagnostics run. If it waits for more than a few seconds, no scheduler is alive."""

    id: RecordId
    status: RunStatus
    requested_by: RecordId | None = Field(None, description="the user's id")
    created_at: datetime
    finished_at: datetime | None = None
    checks: list[CheckResponse]
