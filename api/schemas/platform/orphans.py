"""Query and response schemas of orphans and orphan scans."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from api.schemas.models import OMIT_EMPTY, ListQuery, RecordId, ResponseModel
from shared.integrations.catalog import SCANNED
from shared.integrations.reasons import NEWER, ORPHAN_CAUSES
from shared.orphans.model import Cause, OrphanKind, OrphanQuery, OrphanStatus


class OrphanListQuery(ListQuery):
    integration: Literal[*SCANNED] | None = None  # type: ignore[valid-type]
    status: OrphanStatus | None = None

    def to_value(self) -> OrphanQuery:
        return OrphanQuery(self.limit, self.cursor, self.integration, self.status)


class OrphanRemovalResponse(ResponseModel):
    """The removal of an orphan, requested by an operator."""

    asked_by: RecordId | None = Field(None, validation_alias="requested_by", description="the user's id")
    asked_at: datetime = Field(validation_alias="requested_at")
    attempts: int
    next_attempt_at: datetime | None = Field(None, validation_alias="due_at")
    reason: str | None = Field(None, description="stable code of the latest attempt's fault")
    message: str | None = None
    remedy: str | None = None
    removed: Annotated[list[str] | None, OMIT_EMPTY] = Field(
        None, validation_alias="changes", description="the changes made outside"
    )
    verified: str | None = Field(None, description="how the absence was verified")
    ended_at: datetime | None = None


class OrphanResponse(ResponseModel):
    """An object outside that carries our ownership marker and belongs to no living tenant."""

    id: RecordId = Field(serialization_alias="_id")
    integration: str
    kind: OrphanKind
    object_id: str = Field(description="its id in the integration")
    name: str
    tenant_id: RecordId = Field(description="the tenant that its marker names")
    cause: Cause
    message: Annotated[str, BeforeValidator(lambda cause: ORPHAN_CAUSES.get(cause, NEWER.message))] = Field(
        validation_alias="cause", description="the cause in words"
    )
    status: OrphanStatus
    first_seen_at: datetime
    last_seen_at: datetime
    removable_at: datetime = Field(
        description="when its quarantine ends; the next scan that finds it makes it removable"
    )
    removal: OrphanRemovalResponse | None = None


class OrphanScanResponse(ResponseModel):
    """The latest orphan scan of an integration. With `reason`, the scan failed."""

    integration: str
    done_at: datetime | None = Field(None, description="when a scan last succeeded")
    next_look_at: datetime | None = Field(None, validation_alias="due_at")
    stamped: int = Field(validation_alias="marked", description="objects with an ownership marker, at that scan")
    orphans: int = Field(description="how many of them belong to no living tenant")
    reason: str | None = None
    message: str | None = None
    remedy: str | None = None
