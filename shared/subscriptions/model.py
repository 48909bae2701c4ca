"""A subscription: the plan that a tenant pays for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypedDict

from shared.core.errors import FieldError, InvalidInput

#: a subscription's fields that events show
EVENT_FIELDS = ("plan", "status", "stripe_customer_id", "stripe_subscription_id", "current_period_end")


class SubscriptionStatus(StrEnum):
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    CANCELED = "canceled"


#: a tenant has at most one subscription in any of these statuses
LIVE = (SubscriptionStatus.TRIALING, SubscriptionStatus.ACTIVE, SubscriptionStatus.PAST_DUE)


@dataclass(frozen=True)
class NewSubscription:
    """A requested subscription. `plan` exists in the catalogue; the repository checks for another live one."""

    tenant_id: str
    plan: str
    status: SubscriptionStatus = SubscriptionStatus.ACTIVE
    stripe_customer_id: str | None = None
    stripe_subscription_id: str | None = None
    current_period_end: datetime | None = None


class SubscriptionChanges(TypedDict, total=False):
    """Fields to change; an absent field keeps its value."""

    plan: str
    status: SubscriptionStatus
    stripe_customer_id: str | None
    stripe_subscription_id: str | None
    current_period_end: datetime | None


@dataclass(frozen=True)
class Subscription:
    """A subscription on record. Each accepted change increments `version`."""

    id: str
    tenant_id: str
    plan: str
    status: SubscriptionStatus
    stripe_customer_id: str | None
    stripe_subscription_id: str | None
    current_period_end: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class SubscriptionQuery:
    """A list request; both filters are exact."""

    limit: int = 50
    after: str | None = None
    tenant_id: str | None = None
    status: str | None = None


def require_plan(plan: str | None, plans: Collection[str]) -> None:
    """Raise InvalidInput when a plan is given that is not configured."""
    if plan is not None and plan not in plans:
        raise InvalidInput([FieldError("/plan", f"is not one of {', '.join(sorted(plans))}")])
