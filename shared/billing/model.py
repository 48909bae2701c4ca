"""A tenant's subscription as Stripe has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.subscriptions.model import SubscriptionChanges, SubscriptionStatus


@dataclass(frozen=True)
class Bill:
    """A subscription read from Stripe. `plan`: our plan with its price. None: not known."""

    customer_id: str
    subscription_id: str
    status: SubscriptionStatus
    paid_until: datetime | None
    plan: str | None = None

    def to_changes(self) -> SubscriptionChanges:
        """Return the changes of our record; unknown values change nothing."""
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
