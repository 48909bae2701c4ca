"""A subscription: what a tenant pays for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypedDict

#: a subscription's own fields, as events show them
SHOWN = ("plan", "status", "stripe_customer_id", "stripe_subscription_id", "current_period_end")


class SubscriptionStatus(StrEnum):
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    CANCELED = "canceled"


#: a tenant has one subscription in any of these at most
LIVE = (SubscriptionStatus.TRIALING, SubscriptionStatus.ACTIVE, SubscriptionStatus.PAST_DUE)


@dataclass(frozen=True)
class NewSubscription:
    """What is asked for; `plan` is checked against the catalogue, not yet whether the tenant has a live one."""

    tenant_id: str
    plan: str
    status: SubscriptionStatus = SubscriptionStatus.ACTIVE
    stripe_customer_id: str | None = None
    stripe_subscription_id: str | None = None
    current_period_end: datetime | None = None


class SubscriptionChanges(TypedDict, total=False):
    """Fields to change; what is absent stays."""

    plan: str
    status: SubscriptionStatus
    stripe_customer_id: str | None
    stripe_subscription_id: str | None
    current_period_end: datetime | None


@dataclass(frozen=True)
class Subscription:
    """`version` is raised by each accepted change."""

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
