"""Give the billing step the plan's price, our record of the subscription, and parts of its idempotency keys."""

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
    """`price`: the plan's, None when it has none. `known`: reads the tenant's recorded subscription.

    `save`: records Stripe's state, unless a newer change of the tenant was accepted. `attempt`: counts from 1.
    """

    price: str | None
    generation: int
    attempt: int
    known: Callable[[], Subscription | None]
    save: Callable[[Bill], object]


def account_of(billing: BillingService, operation: Operation, step: StepRecord, price: str | None) -> Account:
    """Return the account for one attempt of a step; a dry run saves nothing."""
    return Account(
        price=price,
        generation=operation.generation,
        attempt=step.attempts,
        known=partial(billing.known, operation.tenant_id),
        save=_save_nothing if operation.is_dry_run else partial(billing.save, operation),
    )


def _save_nothing(bill: Bill) -> None:
    """Ignore the state: a dry run changes nothing."""
