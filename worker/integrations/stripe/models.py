"""What billing knows of a tenant, as small values: to have them needs no library of Stripe's."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from shared.subscriptions.model import SubscriptionStatus
from shared.tenants.model import Address, BillingInfo


@dataclass(frozen=True)
class Customer:
    id: str
    tenant_id: str | None
    name: str
    email: str
    address: Address = field(default_factory=Address)

    def is_invoiced_as(self, name: str, billing: BillingInfo | None) -> bool:
        """Whether `update_customer` with these would change nothing."""
        if billing is None:
            return self.name == name
        return (self.name, self.email, self.address) == (billing.company or name, billing.email, billing.address)


@dataclass(frozen=True)
class BilledSubscription:
    """`item_id`: of its one item, which has the price. `period_ends_at`: until when it is paid for, if known."""

    id: str
    tenant_id: str | None
    customer_id: str
    status: SubscriptionStatus
    item_id: str
    price_id: str
    period_ends_at: datetime | None
    ends_with_period: bool
