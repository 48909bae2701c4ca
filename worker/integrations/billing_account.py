"""Give the billing step the plan's price, our record of the subscription, and parts of its idempotency keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from shared.billing.model import Bill
from shared.billing.sync import BillingService
from shared.operations.model import Operation, StepRecord
from shared.subscriptions.model import Subscription


@dataclass(frozen=True)
class BillingAccount:
    """`price`: the plan's, None when it has none. `prices`: those of all plans. `attempt`: counts from 1.

    `known`: reads the tenant's recorded subscription. `save` records Stripe's state, and `save_plan` the tenant's plan
    on its live subscription, unless a newer change of the tenant was accepted or the attempt's lease has ended.
    """

    price: str | None
    prices: frozenset[str]
    generation: int
    attempt: int
    known: Callable[[], Subscription | None]
    save: Callable[[Bill], object]
    save_plan: Callable[[str], object]


def billing_account_of(
    billing: BillingService, operation: Operation, step: StepRecord, plan: str, prices: Mapping[str, str]
) -> BillingAccount:
    """Return the account for one attempt of a step; a dry run saves nothing."""
    lease_end = step.lease_until
    return BillingAccount(
        price=prices.get(plan),
        prices=frozenset(prices.values()),
        generation=operation.generation,
        attempt=step.attempts,
        known=partial(billing.known, operation.tenant_id),
        save=_save_nothing if operation.is_dry_run else partial(billing.save, operation, until=lease_end),
        save_plan=_save_nothing if operation.is_dry_run else partial(billing.save_plan, operation, until=lease_end),
    )


def _save_nothing(found: Bill | str) -> None:
    """Ignore the state: a dry run changes nothing."""
