"""Users, partners, subscriptions and a caller's own page, as they are answered."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from api.http.responses import ObjectIdText, ResponseModel
from api.schemas.tenants import TenantAnswer
from shared.accounts.partner import Partner
from shared.accounts.user import Role, User
from shared.provisioning.exports import Profile
from shared.subscriptions.model import Subscription, SubscriptionStatus


class UserAnswer(ResponseModel):
    """A person's record: what the database, not the token, says they are."""

    id: ObjectIdText = Field(serialization_alias="_id")
    authentik_subject_id: str
    tenant_ids: list[str]
    partner_id: str | None = None
    email: str
    name: str
    role: Role
    platform_admin: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, user: User) -> UserAnswer:
        return cls(
            id=user.id,
            authentik_subject_id=user.subject,
            tenant_ids=list(user.tenant_ids),
            partner_id=user.partner_id,
            email=user.email,
            name=user.name,
            role=user.role,
            platform_admin=user.platform_admin,
            created_at=user.created_at,
            updated_at=user.updated_at,
        )


class PartnerAnswer(ResponseModel):
    """A reseller."""

    id: ObjectIdText = Field(serialization_alias="_id")
    slug: str
    name: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, partner: Partner) -> PartnerAnswer:
        return cls(
            id=partner.id,
            slug=partner.slug,
            name=partner.name,
            created_at=partner.created_at,
            updated_at=partner.updated_at,
        )


class SubscriptionAnswer(ResponseModel):
    """What a tenant pays for."""

    id: ObjectIdText = Field(serialization_alias="_id")
    tenant_id: str
    plan: str
    status: SubscriptionStatus
    stripe_customer_id: str | None = None
    stripe_subscription_id: str | None = None
    current_period_end: datetime | None = None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, subscription: Subscription) -> SubscriptionAnswer:
        return cls(
            id=subscription.id,
            tenant_id=subscription.tenant_id,
            plan=subscription.plan,
            status=subscription.status,
            stripe_customer_id=subscription.stripe_customer_id,
            stripe_subscription_id=subscription.stripe_subscription_id,
            current_period_end=subscription.current_period_end,
            created_at=subscription.created_at,
            updated_at=subscription.updated_at,
        )


class ProfileAnswer(ResponseModel):
    """What a portal's first page needs, in one answer."""

    profile: UserAnswer
    tenants: list[TenantAnswer]
    subscriptions: list[SubscriptionAnswer]

    @classmethod
    def of(cls, profile: Profile) -> ProfileAnswer:
        return cls(
            profile=UserAnswer.of(profile.user),
            tenants=[TenantAnswer.of(view) for view in profile.tenants],
            subscriptions=[SubscriptionAnswer.of(one) for one in profile.subscriptions],
        )
