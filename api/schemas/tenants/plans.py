"""Response schema of the plan catalogue."""

from __future__ import annotations

from pydantic import Field

from api.schemas.response_model import ResponseModel


class PlanResponse(ResponseModel):
    """A plan. A quota of 0 means no limit."""

    name: str
    mailboxes: int = Field(description="how many mail accounts")
    mail_bytes: int
    space_bytes: int
