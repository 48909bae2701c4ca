"""Response schema of events."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from api.schemas.models import RecordId, ResponseModel


class EventResponse(ResponseModel):
    """An accepted change, or an operation's outcome."""

    id: RecordId
    time: datetime
    actor: str | None = Field(None, description="the user's id; absent when the service itself acted")
    tenant: str | None = Field(None, validation_alias="tenant_slug", description="the tenant's slug")
    action: str = Field(examples=["tenant.created", "operation.succeeded"])
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    request_id: str
