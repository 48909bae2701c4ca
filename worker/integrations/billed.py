"""What billing knows of a tenant, as small values, and its client if there is one.

Stripe's library is half a second of a process's start and a few megabytes, so it is loaded where it is configured only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from shared.domain.subscription import SubscriptionStatus
from shared.domain.tenant import Address, BillingInfo
from shared.settings import Settings

if TYPE_CHECKING:
    from worker.integrations.stripe_billing import StripeBilling


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


def connect_configured(settings: Settings) -> StripeBilling | None:
    """A client, or None when Stripe is not configured."""
    if settings.stripe_api_key is None:
        return None
    from worker.integrations.stripe_billing import connect

    return connect(
        settings.stripe_api_key.get_secret_value(),
        url=str(settings.stripe_api_url),
        call_seconds=settings.call_seconds,
        ca_file=settings.extra_ca_certs,
    )
