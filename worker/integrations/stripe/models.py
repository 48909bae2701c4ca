"""Values of billing. They do not need Stripe's library."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from shared.core.naming import domain_name
from shared.subscriptions.model import SubscriptionStatus
from shared.tenants.model import Address, BillingInfo
from worker.integrations.stripe.tax_ids import TaxId


@dataclass(frozen=True)
class Customer:
    id: str
    tenant_id: str | None
    name: str
    email: str
    address: Address = field(default_factory=Address)
    #: the tax id that we created last
    tax_id: TaxId | None = None

    def is_invoiced_as(self, name: str, billing: BillingInfo | None) -> bool:
        """Return whether `update_customer` with these would change nothing."""
        if billing is None:
            return self.name == name
        wanted = (billing.company or name, ascii_address(billing.email), billing.address)
        return (self.name, self.email, self.address) == wanted


def ascii_address(email: str) -> str:
    """Return an e-mail address with its domain as A-labels, the only form that Stripe accepts."""
    local, at, domain = email.rpartition("@")
    try:
        return f"{local}{at}{domain_name(domain)}" if at else email
    except ValueError:
        return email  # Stripe says what is wrong with it


@dataclass(frozen=True)
class BilledSubscription:
    """A subscription as Stripe has it.

    `item_id`: of its one item, which has the price. `period_ends_at`: until when it is paid for, if known. `ends_at`: a
    date that was set for its end. Stripe's customer portal sets such a date, even for the end of the period.
    `ended_for_plan`: the platform let it end, because the tenant's plan has no price. `never_began`: Stripe ended it,
    because its first invoice was not paid in time.
    """

    id: str
    tenant_id: str | None
    customer_id: str
    status: SubscriptionStatus
    item_id: str
    price_id: str
    period_ends_at: datetime | None
    ends_with_period: bool
    ends_at: datetime | None = None
    ended_for_plan: bool = False
    never_began: bool = False

    @property
    def will_end(self) -> bool:
        return self.ends_with_period or self.ends_at is not None

    @property
    def ends_by_period(self) -> bool:
        """Return whether it will end with the paid period or before."""
        if self.ends_with_period or self.ends_at is None:
            return self.ends_with_period
        return self.period_ends_at is not None and self.ends_at <= self.period_ends_at
