"""Response schema of events."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from api.http.responses import ObjectIdText, ResponseModel
from shared.events.model import Event


class EventResponse(ResponseModel):
    """An accepted change, or an operation's outcome."""

    id: ObjectIdText
    time: datetime
    actor: str | None = Field(None, description="the user's id; absent when the service itself acted")
    tenant: str | None = Field(None, description="the tenant's slug")
    action: str = Field(examples=["tenant.created", "operation.succeeded"])
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    request_id: str

    @classmethod
    def of(cls, event: Event) -> EventResponse:
        return cls(
            id=event.id,
            time=event.time,
            actor=event.actor,
            tenant=event.tenant_slug,
            action=event.action,
            before=dict(event.before) if event.before is not None else None,
            after=dict(event.after) if event.after is not None else None,
            request_id=event.request_id,
        )
