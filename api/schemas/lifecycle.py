"""A tenant's export and the receipt of its removal, as they are answered."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from api.http.responses import ObjectIdText, ResponseModel
from api.schemas.events import EventAnswer
from api.schemas.operations import OperationAnswer
from api.schemas.people import SubscriptionAnswer, UserAnswer
from api.schemas.tenants import TenantAnswer
from shared.provisioning.exports import Export, Receipt, Removal, TenantView


class RemovalAnswer(ResponseModel):
    """One step of one purge. Without `verified` its success was not seen in that purge."""

    operation: ObjectIdText
    step: str
    status: str
    removed: list[str]
    verified: str | None = Field(None, description="how the absence was seen")
    at: datetime | None = None

    @classmethod
    def of(cls, removal: Removal) -> RemovalAnswer:
        return cls(
            operation=removal.operation,
            step=removal.step,
            status=removal.status,
            removed=list(removal.removed),
            verified=removal.verified,
            at=removal.at,
        )


class ReceiptAnswer(ResponseModel):
    """What is left to show of a tenant that was removed for good."""

    tenant: str = Field(description="the slug, which is never given again")
    domains: list[str]
    purged_at: datetime
    users_removed: int = Field(description="user records that belonged to this tenant alone")
    removals: list[RemovalAnswer]

    @classmethod
    def of(cls, receipt: Receipt) -> ReceiptAnswer:
        return cls(
            tenant=receipt.slug,
            domains=list(receipt.domains),
            purged_at=receipt.purged_at,
            users_removed=receipt.users_removed,
            removals=[RemovalAnswer.of(one) for one in receipt.removals],
        )


class ExportAnswer(ResponseModel):
    """All that is held about a tenant, in one document."""

    tenant: TenantAnswer
    users: list[UserAnswer]
    subscriptions: list[SubscriptionAnswer]
    operations: list[OperationAnswer]
    events: list[EventAnswer]

    @classmethod
    def of(cls, export: Export) -> ExportAnswer:
        return cls(
            tenant=TenantAnswer.of(TenantView(export.tenant, None)),
            users=[UserAnswer.of(user) for user in export.users],
            subscriptions=[SubscriptionAnswer.of(one) for one in export.subscriptions],
            operations=[OperationAnswer.of(operation) for operation in export.operations],
            events=[EventAnswer.of(event) for event in export.events],
        )
