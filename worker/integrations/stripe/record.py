"""Create objects of Stripe once, and save what a billing step found on our record."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from shared.billing.model import Bill
from shared.core.errors import SubscriptionExists
from shared.integrations.outcomes import PermanentError, TemporaryError
from worker.integrations.step_context import BillingAccount, StepContext
from worker.integrations.stripe.models import BilledSubscription

T = TypeVar("T")

#: keys of one purpose per generation: Stripe keeps a server error under a key for a day
KEYS = 5


def create_once(step: StepContext, what: str, make: Callable[..., T], find: Callable[[], T | None]) -> T:
    """Create an object once. Every attempt uses the same key, so that a request still running creates no second object.

    A key with a stored server error of Stripe's is used up: after a search, the next attempt uses the next key.
    """
    account = account_of_step(step)
    fault = TemporaryError("upstream_error")
    for number in range(min(account.attempt, KEYS)):
        try:
            return make(key=f"dezky-{step.tenant.id}-{account.generation}-{what}-{number}")
        except TemporaryError as problem:
            if problem.reason != "upstream_error":
                raise
            fault = problem
        found = find()
        if found is not None:
            return found
    raise fault


def save(step: StepContext, found: BilledSubscription) -> None:
    """Save a subscription on our record. Raises PermanentError("second_subscription") when another one is live."""
    account = account_of_step(step)
    plan = step.tenant.plan if found.price_id == account.price else None
    try:
        account.save(Bill(found.customer_id, found.id, found.status, found.period_ends_at, plan))
    except SubscriptionExists:
        raise PermanentError("second_subscription") from None


def account_of_step(step: StepContext) -> BillingAccount:
    if step.account is None:
        raise LookupError("a billing step has no account")
    return step.account
