"""Response schema of the caller's profile."""

from __future__ import annotations

from api.http.responses import ResponseModel
from api.schemas.accounts.subscriptions import SubscriptionResponse
from api.schemas.accounts.users import UserResponse
from api.schemas.tenants.tenants import TenantResponse
from shared.administration.sign_in import Profile


class ProfileResponse(ResponseModel):
    """The caller's profile with tenants and subscriptions, for a portal's first page."""

    profile: UserResponse
    tenants: list[TenantResponse]
    subscriptions: list[SubscriptionResponse]

    @classmethod
    def of(cls, profile: Profile) -> ProfileResponse:
        return cls(
            profile=UserResponse.of(profile.user),
            tenants=[TenantResponse.of(view) for view in profile.tenants],
            subscriptions=[SubscriptionResponse.of(one) for one in profile.subscriptions],
        )
