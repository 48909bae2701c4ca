"""A tenant's export and the receipt of its removal, as they are answered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pydantic import Field

from api.http.responses import ObjectIdText, ResponseModel
from api.schemas.accounts.subscriptions import SubscriptionResponse
from api.schemas.accounts.users import UserResponse
from api.schemas.tenants.events import EventResponse
from api.schemas.tenants.operations import OperationResponse
from api.schemas.tenants.tenants import TenantResponse
from shared.provisioning.tenant_export import Export
from shared.tenants.views import Receipt, Removal, TenantView


class RemovalResponse(ResponseModel):
    """One step of one purge. Without `verified` its success was not seen in that purge."""

    operation: ObjectIdText
    step: str
    status: str
    removed: list[str]
    verified: str | None = Field(None, description="how the absence was seen")
    at: datetime | None = None

    @classmethod
    def of(cls, removal: Removal) -> RemovalResponse:
        return cls(
            operation=removal.operation,
            step=removal.step,
            status=removal.status,
            removed=list(removal.removed),
            verified=removal.verified,
            at=removal.at,
        )


class ReceiptResponse(ResponseModel):
    """What is left to show of a tenant that was removed for good."""

    tenant: str = Field(description="the slug, which is never given again")
    domains: list[str]
    purged_at: datetime
    users_removed: int = Field(description="user records that belonged to this tenant alone")
    removals: list[RemovalResponse]

    @classmethod
    def of(cls, receipt: Receipt) -> ReceiptResponse:
        return cls(
            tenant=receipt.slug,
            domains=list(receipt.domains),
            purged_at=receipt.purged_at,
            users_removed=receipt.users_removed,
            removals=[RemovalResponse.of(one) for one in receipt.removals],
        )


class ExportResponse(ResponseModel):
    """All that is held about a tenant, in one document."""

    tenant: TenantResponse
    users: list[UserResponse]
    subscriptions: list[SubscriptionResponse]
    operations: list[OperationResponse]
    events: list[EventResponse]

    @classmethod
    def pages(cls, export: Export) -> dict[str, ResponseModel | Iterator[list[ResponseModel]]]:
        """This model's fields; of each list its pages, which are read as they are taken."""
        return {
            "tenant": TenantResponse.of(TenantView(export.tenant, None)),
            "users": ([UserResponse.of(one) for one in page] for page in export.users),
            "subscriptions": ([SubscriptionResponse.of(one) for one in page] for page in export.subscriptions),
            "operations": ([OperationResponse.of(one) for one in page] for page in export.operations),
            "events": ([EventResponse.of(one) for one in page] for page in export.events),
        }
