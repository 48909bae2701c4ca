"""Response schemas of a tenant's export and purge receipt."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pydantic import Field

from api.schemas.accounts.subscriptions import SubscriptionResponse
from api.schemas.accounts.users import UserResponse
from api.schemas.models import RecordId, ResponseModel
from api.schemas.tenants.events import EventResponse
from api.schemas.tenants.operations import OperationResponse
from api.schemas.tenants.tenants import TenantResponse
from shared.provisioning.tenant_export import Export
from shared.tenants.views import TenantView


class RemovalResponse(ResponseModel):
    """A step of a purge. Without `verified` that purge did not verify its success."""

    operation: RecordId
    step: str
    status: str
    removed: list[str]
    verified: str | None = Field(None, description="how the absence was verified")
    at: datetime | None = None


class ReceiptResponse(ResponseModel):
    """The receipt of a purged tenant."""

    tenant: str = Field(validation_alias="slug", description="the slug; it is never reused")
    domains: list[str]
    purged_at: datetime
    users_removed: int = Field(description="user records that belonged to this tenant alone")
    removals: list[RemovalResponse]


class ExportResponse(ResponseModel):
    """All data about a tenant, in one document."""

    tenant: TenantResponse
    users: list[UserResponse]
    subscriptions: list[SubscriptionResponse]
    operations: list[OperationResponse]
    events: list[EventResponse]

    @classmethod
    def pages(cls, export: Export) -> dict[str, ResponseModel | Iterator[list[ResponseModel]]]:
        """Return this model's fields; each list as pages that are read on demand."""
        return {
            "tenant": TenantResponse.of(TenantView(export.tenant, None)),
            "users": ([UserResponse.of(one) for one in page] for page in export.users),
            "subscriptions": ([SubscriptionResponse.of(one) for one in page] for page in export.subscriptions),
            "operations": ([OperationResponse.of(one) for one in page] for page in export.operations),
            "events": ([EventResponse.of(one) for one in page] for page in export.events),
        }
