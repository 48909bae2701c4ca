"""What may be sent of subscriptions."""

from __future__ import annotations

from typing import Annotated, cast

from pydantic import Field

from api.schemas.fields import Moment, ObjectIdText, StripeId
from api.schemas.request_model import UNSENT, Body, Patch, PlanName
from shared.subscriptions.model import NewSubscription, SubscriptionChanges, SubscriptionStatus

#: an enumeration comes as text, which strict checking would refuse
StatusText = Annotated[SubscriptionStatus, Field(strict=False)]


class NewSubscriptionBody(Body):
    """What a tenant pays for; a tenant has one live subscription at most."""

    tenant_id: ObjectIdText
    plan: PlanName
    status: StatusText = SubscriptionStatus.ACTIVE
    stripe_customer_id: StripeId | None = None
    stripe_subscription_id: StripeId | None = None
    current_period_end: Moment | None = None

    def to_domain(self) -> NewSubscription:
        return NewSubscription(**{name: getattr(self, name) for name in type(self).model_fields})


class SubscriptionPatchBody(Patch):
    """Changes to a subscription."""

    plan: PlanName = UNSENT
    status: StatusText = UNSENT
    stripe_customer_id: StripeId | None = None
    stripe_subscription_id: StripeId | None = None
    current_period_end: Moment | None = None

    def to_domain(self) -> SubscriptionChanges:
        return cast(SubscriptionChanges, self.sent_fields())
