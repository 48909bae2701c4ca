"""What is known of a tenant's subscription at Stripe, as it goes on our own record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.subscriptions.model import SubscriptionChanges, SubscriptionStatus


@dataclass(frozen=True)
class Bill:
    """`plan`: the one whose price it has, None when unknown. `paid_until`: None when unknown."""

    customer_id: str
    subscription_id: str
    status: SubscriptionStatus
    paid_until: datetime | None
    plan: str | None = None

    def to_changes(self) -> SubscriptionChanges:
        changes: SubscriptionChanges = {
            "status": self.status,
            "stripe_customer_id": self.customer_id,
            "stripe_subscription_id": self.subscription_id,
        }
        if self.plan is not None:
            changes["plan"] = self.plan
        if self.paid_until is not None:
            changes["current_period_end"] = self.paid_until
        return changes
