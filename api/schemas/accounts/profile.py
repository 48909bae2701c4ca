"""Response schema of the caller's profile."""

from __future__ import annotations

from pydantic import Field

from api.schemas.accounts.subscriptions import SubscriptionResponse
from api.schemas.accounts.users import UserResponse
from api.schemas.response_model import ResponseModel
from api.schemas.tenants.tenants import TenantResponse


class ProfileResponse(ResponseModel):
    """The caller's profile with tenants and subscriptions, for a portal's first page."""

    profile: UserResponse = Field(validation_alias="user")
    tenants: list[TenantResponse]
    subscriptions: list[SubscriptionResponse]
