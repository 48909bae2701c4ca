"""The steps of billing: one customer and one subscription in Stripe, with our ownership marker, at the plan's price.

Nothing that costs money is created twice: each step searches first, by the record and by the marker, and creates with
an idempotency key.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from shared.integrations.outcomes import Outcome, PermanentError, TemporaryError, ok, skipped
from shared.subscriptions.model import SubscriptionStatus
from worker.integrations.step_context import StepContext, read_or_none
from worker.integrations.stripe.customer import ensure_customer, ensure_tax_id, find_customer
from worker.integrations.stripe.models import BilledSubscription
from worker.integrations.stripe.record import account_of_step, create_once, save

if TYPE_CHECKING:
    from worker.integrations.stripe.client import StripeClient

WITH_PERIOD = "with its period"


def ensure_billing(step: StepContext, billing: StripeClient) -> Outcome:
    """Ensure that customer and subscription exist and are on record.

    A subscription that has ended or will end stays so, because a person decided that. It is replaced if it never began,
    or continued if it was for a plan without a price and the plan has one now.
    """
    known = _on_record(step, billing)
    if known is not None and _has_ended(known):
        save(step, known)
        if account_of_step(step).price is not None and not (known.ended_for_plan or known.never_began):
            return skipped("subscription_ended")
        known = None
    return _ensure(step, billing, known)


def renew_billing(step: StepContext, billing: StripeClient) -> Outcome:
    """Ensure a restored tenant's billing: continue a subscription that was to end, or replace one that has ended."""
    live = _live(step, billing)
    if live is not None and live.will_end and not _is_of_another_plan(step, live):
        live = _continued(step, billing, live)
    return _ensure(step, billing, live)


def close_billing(step: StepContext, billing: StripeClient) -> Outcome:
    """End the subscription with the paid period. One that is to end earlier stays so."""
    live = _live(step, billing)
    if live is None:
        return skipped("nothing_there")
    if not live.ends_by_period:
        live = _ending(step, billing, live, for_plan=False)
    save(step, live)
    ends_at = live.period_ends_at if live.ends_with_period else live.ends_at
    return ok(ends=ends_at.isoformat() if ends_at else WITH_PERIOD)


def remove_billing(step: StepContext, billing: StripeClient) -> Outcome:
    """End the tenant's subscription. The customer stays in Stripe with its invoices, which have to be kept."""
    live = _live(step, billing)
    if live is not None:
        save(step, step.change(f"end the subscription {live.id}", partial(billing.cancel, live.id), live))
    if step.is_dry_run:
        return ok()
    if _live(step, billing) is not None:
        raise TemporaryError("not_ready", "A subscription of the tenant still runs.")
    return ok(verified="Stripe lists no running subscription with the tenant's ownership marker")


def _ensure(step: StepContext, billing: StripeClient, live: BilledSubscription | None) -> Outcome:
    price = account_of_step(step).price
    if price is None:
        return _end_unpriced(step, billing, live)
    customer = ensure_customer(step, billing, live)
    if live is None and customer.id:
        live = billing.find_subscription(customer.id, step.tenant.id)
    if live is None:
        live = _new_subscription(step, billing, customer.id, price)
    if live.ended_for_plan:
        live = _continued(step, billing, live)
    live = _at_price(step, billing, live, price)
    save(step, live)
    tax_id = ensure_tax_id(step, billing, customer)
    return ok(subscription=live.status.value, taxId=tax_id, ends=_end_of(live) if live.will_end else None)


def _end_unpriced(step: StepContext, billing: StripeClient, live: BilledSubscription | None) -> Outcome:
    """End the subscription of the tenant's former plan with the paid period.

    A subscription at a price that no plan has here stays: a person agreed on it in Stripe, or the price is missing in
    our settings.
    """
    live = live or _by_marker(step, billing)
    note = None
    if live is not None:
        if _is_of_another_plan(step, live) and not live.ends_by_period:
            live = _ending(step, billing, live, for_plan=True)
        save(step, live)
        goes_on = f"goes on at the price {live.price_id}, which no plan has here"
        note = f"ends {_end_of(live)}" if live.will_end else goes_on
    account_of_step(step).save_plan(step.tenant.plan)
    return skipped("no_price", subscription=note)


# -- the subscription


def _is_of_another_plan(step: StepContext, live: BilledSubscription) -> bool:
    """Return whether the tenant's plan has no price, and the subscription has that of another plan."""
    account = account_of_step(step)
    return account.price is None and live.price_id in account.prices


def _ending(
    step: StepContext, billing: StripeClient, live: BilledSubscription, *, for_plan: bool
) -> BilledSubscription:
    act = partial(billing.end_with_period, live.id, for_plan=for_plan)
    return step.change(f"let the subscription {live.id} end with its period", act, replace(live, ends_with_period=True))


def _continued(step: StepContext, billing: StripeClient, live: BilledSubscription) -> BilledSubscription:
    act, planned = partial(billing.let_go_on, live), replace(live, ends_with_period=False, ends_at=None)
    return step.change(f"let the subscription {live.id} go on", act, planned)


def _end_of(live: BilledSubscription) -> str:
    """Return when a subscription ends that will end, for a note."""
    if live.ends_with_period or live.ends_at is None or live.ends_at == live.period_ends_at:
        return WITH_PERIOD
    return f"on {live.ends_at.date().isoformat()}"


def _live(step: StepContext, billing: StripeClient) -> BilledSubscription | None:
    """Return the tenant's running subscription, by the record or by the marker."""
    known = _on_record(step, billing)
    return known if known is not None and not _has_ended(known) else _by_marker(step, billing)


def _on_record(step: StepContext, billing: StripeClient) -> BilledSubscription | None:
    """Return the one on record as Stripe has it.

    Raises PermanentError("taken") for one without this tenant's marker.
    """
    known = account_of_step(step).known()
    if known is None or known.stripe_subscription_id is None:
        return None
    found = read_or_none(partial(billing.get_subscription, known.stripe_subscription_id))
    if found is not None and found.tenant_id != step.tenant.id:
        raise PermanentError("taken", "The subscription on record does not carry this tenant's id in Stripe.")
    return found


def _by_marker(step: StepContext, billing: StripeClient) -> BilledSubscription | None:
    customer = find_customer(step, billing, None)
    return billing.find_subscription(customer.id, step.tenant.id) if customer is not None else None


def _new_subscription(step: StepContext, billing: StripeClient, customer_id: str, price: str) -> BilledSubscription:
    tenant_id = step.tenant.id
    return step.change(
        f"begin a subscription at the price {price}",
        lambda: create_once(
            step,
            f"subscription-{customer_id}-{price}",
            partial(billing.create_subscription, customer_id, tenant_id, price),
            lambda: billing.find_subscription(customer_id, tenant_id),
        ),
        BilledSubscription("", tenant_id, customer_id, SubscriptionStatus.ACTIVE, "", price, None, False),
    )


def _at_price(step: StepContext, billing: StripeClient, live: BilledSubscription, price: str) -> BilledSubscription:
    if live.price_id == price:
        return live

    def find() -> BilledSubscription | None:
        seen = billing.get_subscription(live.id)
        return seen if seen.price_id == price else None

    return step.change(
        f"move the subscription {live.id} to the price {price}",
        lambda: create_once(step, f"{live.id}-{price}", partial(billing.change_price, live, price), find),
        live,
    )


def _has_ended(subscription: BilledSubscription) -> bool:
    return subscription.status is SubscriptionStatus.CANCELED
