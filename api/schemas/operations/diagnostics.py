"""Response schemas of diagnostics."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from api.http.responses import ObjectIdText, ResponseModel
from shared.diagnostics.model import CheckStatus, Diagnosis, RunStatus


class CheckResponse(ResponseModel):
    """The result of one check. `not_configured`: there was nothing to check."""

    area: str
    name: str
    status: CheckStatus
    message: str
    remedy: str | None = None


class DiagnosisResponse(ResponseModel):
    """A diagnostics run. If it waits for more than a few seconds, no scheduler is alive."""

    id: ObjectIdText
    status: RunStatus
    requested_by: ObjectIdText | None = Field(None, description="the user's id")
    created_at: datetime
    finished_at: datetime | None = None
    checks: list[CheckResponse]

    @classmethod
    def of(cls, run: Diagnosis) -> DiagnosisResponse:
        checks = [CheckResponse(**{**vars(one), "remedy": one.remedy or None}) for one in run.checks]
        return cls(
            id=run.id,
            status=run.status,
            requested_by=run.requested_by,
            created_at=run.created_at,
            finished_at=run.finished_at,
            checks=checks,
        )
