"""What the billing step is given besides Stripe: the plan's price, our record, and names for its idempotency keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from shared.billing.model import Bill
from shared.billing.sync import BillingService
from shared.operations.model import Operation, StepRecord
from shared.subscriptions.model import Subscription


@dataclass(frozen=True)
class Account:
    """`price`: the plan's, None when it has none. `known`: reads the tenant's subscription as it is on record.

    `save`: puts what Stripe has on record, unless a newer change of the tenant was accepted. `attempt`: from 1.
    """

    price: str | None
    generation: int
    attempt: int
    known: Callable[[], Subscription | None]
    save: Callable[[Bill], object]


def account_of(billing: BillingService, operation: Operation, step: StepRecord, price: str | None) -> Account:
    """The account for one attempt of a step; a plan saves nothing."""
    return Account(
        price=price,
        generation=operation.generation,
        attempt=step.attempts,
        known=partial(billing.known, operation.tenant_id),
        save=_nothing if operation.is_plan else partial(billing.save, operation),
    )


def _nothing(bill: Bill) -> None:
    """A plan changes nothing."""
