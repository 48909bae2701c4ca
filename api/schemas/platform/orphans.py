"""Response schemas of orphans and orphan scans."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from api.http.responses import ObjectIdText, ResponseModel
from shared.integrations.reasons import ORPHAN_CAUSES
from shared.orphans.model import Cause, Orphan, OrphanKind, OrphanScan, OrphanStatus, Removal


class OrphanRemovalResponse(ResponseModel):
    """The removal of an orphan, requested by an operator."""

    asked_by: ObjectIdText | None = Field(None, description="the user's id")
    asked_at: datetime
    attempts: int
    next_attempt_at: datetime | None = None
    reason: str | None = Field(None, description="stable code of the latest attempt's fault")
    message: str | None = None
    remedy: str | None = None
    removed: list[str] | None = Field(None, description="the changes made outside")
    verified: str | None = Field(None, description="how the absence was verified")
    ended_at: datetime | None = None

    @classmethod
    def of(cls, removal: Removal) -> OrphanRemovalResponse:
        return cls(
            asked_by=removal.requested_by,
            asked_at=removal.requested_at,
            attempts=removal.attempts,
            next_attempt_at=removal.due_at,
            reason=removal.reason,
            message=removal.message,
            remedy=removal.remedy,
            removed=list(removal.changes) or None,
            verified=removal.verified,
            ended_at=removal.ended_at,
        )


class OrphanResponse(ResponseModel):
    """An object outside that carries our ownership marker and belongs to no living tenant."""

    id: ObjectIdText = Field(serialization_alias="_id")
    integration: str
    kind: OrphanKind
    object_id: str = Field(description="its id in the integration")
    name: str
    tenant_id: ObjectIdText = Field(description="the tenant that its marker names")
    cause: Cause
    message: str = Field(description="the cause in words")
    status: OrphanStatus
    first_seen_at: datetime
    last_seen_at: datetime
    removable_at: datetime = Field(
        description="when its quarantine ends; the next scan that finds it makes it removable"
    )
    removal: OrphanRemovalResponse | None = None

    @classmethod
    def of(cls, orphan: Orphan) -> OrphanResponse:
        return cls(
            id=orphan.id,
            integration=orphan.integration,
            kind=orphan.kind,
            object_id=orphan.object_id,
            name=orphan.name,
            tenant_id=orphan.tenant_id,
            cause=orphan.cause,
            message=ORPHAN_CAUSES[orphan.cause],
            status=orphan.status,
            first_seen_at=orphan.first_seen_at,
            last_seen_at=orphan.last_seen_at,
            removable_at=orphan.removable_at,
            removal=OrphanRemovalResponse.of(orphan.removal) if orphan.removal else None,
        )


class OrphanScanResponse(ResponseModel):
    """The latest orphan scan of an integration. With `reason`, the scan failed."""

    integration: str
    done_at: datetime | None = Field(None, description="when a scan last succeeded")
    next_look_at: datetime | None = None
    stamped: int = Field(description="objects with an ownership marker, at that scan")
    orphans: int = Field(description="how many of them belong to no living tenant")
    reason: str | None = None
    message: str | None = None
    remedy: str | None = None

    @classmethod
    def of(cls, scan: OrphanScan) -> OrphanScanResponse:
        return cls(
            integration=scan.integration,
            done_at=scan.done_at,
            next_look_at=scan.due_at,
            stamped=scan.marked,
            orphans=scan.orphans,
            reason=scan.reason,
            message=scan.message,
            remedy=scan.remedy,
        )
