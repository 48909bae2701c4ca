"""Request and response schemas of subscriptions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, cast

from pydantic import Field

from api.schemas.fields import Moment, ObjectIdText, StripeId
from api.schemas.models import UNSENT, PatchModel, PlanName, RequestModel, ResponseModel, example
from shared.subscriptions.model import NewSubscription, SubscriptionChanges, SubscriptionStatus

#: an enumeration arrives as text, which strict mode would refuse
StatusText = Annotated[SubscriptionStatus, Field(strict=False)]


class CreateSubscriptionRequest(RequestModel):
    """A new subscription; a tenant has at most one live subscription."""

    model_config = example(
        {"tenantId": "65f0c0ffee65f0c0ffee65f0", "plan": "starter", "currentPeriodEnd": "2030-01-31T00:00:00Z"}
    )

    tenant_id: ObjectIdText
    plan: PlanName
    status: StatusText = SubscriptionStatus.ACTIVE
    stripe_customer_id: StripeId | None = None
    stripe_subscription_id: StripeId | None = None
    current_period_end: Moment | None = None

    def to_value(self) -> NewSubscription:
        return NewSubscription(**{name: getattr(self, name) for name in type(self).model_fields})


class UpdateSubscriptionRequest(PatchModel):
    """Changes to a subscription."""

    model_config = example({"status": "past_due"})

    plan: PlanName = UNSENT
    status: StatusText = UNSENT
    stripe_customer_id: StripeId | None = None
    stripe_subscription_id: StripeId | None = None
    current_period_end: Moment | None = None

    def to_value(self) -> SubscriptionChanges:
        return cast(SubscriptionChanges, self.sent_fields())


class SubscriptionResponse(ResponseModel):
    """A tenant's subscription."""

    id: ObjectIdText = Field(serialization_alias="_id")
    tenant_id: str
    plan: str
    status: SubscriptionStatus
    stripe_customer_id: str | None = None
    stripe_subscription_id: str | None = None
    current_period_end: datetime | None = None
    created_at: datetime
    updated_at: datetime
