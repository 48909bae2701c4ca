"""The steps of billing: one customer and one subscription in Stripe, with our ownership marker, at the plan's price.

Nothing that costs money is created twice: each step searches first, by the record and by the marker, and creates with
an idempotency key.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from shared.billing.model import Bill
from shared.integrations.outcomes import NotFound, Outcome, PermanentError, TemporaryError, ok, skipped
from shared.subscriptions.model import SubscriptionStatus
from worker.integrations.billing_account import Account
from worker.integrations.step_context import StepContext
from worker.integrations.stripe.models import BilledSubscription, Customer
from worker.integrations.stripe.tax_ids import tax_id_of

if TYPE_CHECKING:
    from worker.integrations.stripe.client import StripeClient

T = TypeVar("T")

#: keys of one purpose per generation: Stripe keeps a server error under a key for a day
KEYS = 5


def ensure_billing(step: StepContext, billing: StripeClient) -> Outcome:
    """Ensure that customer and subscription exist and are on record.

    A subscription that has ended or will end stays so: a person decided that.
    """
    known = _on_record(step, billing)
    if known is not None and _has_ended(known):
        _save(step, known)
        return skipped("subscription_ended")
    return _ensure(step, billing, known)


def renew_billing(step: StepContext, billing: StripeClient) -> Outcome:
    """Ensure the same for a restored tenant: continue a subscription that was to end, or replace an ended one."""
    known = _on_record(step, billing)
    live = known if known is not None and not _has_ended(known) else _by_marker(step, billing)
    if live is not None and live.ends_with_period:
        act = partial(billing.end_with_period, live.id, False)
        live = step.change(f"let the subscription {live.id} go on", act, live)
    return _ensure(step, billing, live)


def close_billing(step: StepContext, billing: StripeClient) -> Outcome:
    """End the subscription with the paid period."""
    live = _live(step, billing)
    if live is None:
        return skipped("nothing_there")
    if not live.ends_with_period:
        act = partial(billing.end_with_period, live.id, True)
        live = step.change(f"let the subscription {live.id} end with its period", act, live)
    _save(step, live)
    return ok(ends=live.period_ends_at.isoformat() if live.period_ends_at else "with its period")


def remove_billing(step: StepContext, billing: StripeClient) -> Outcome:
    """End the tenant's subscription. The customer stays in Stripe with its invoices, which have to be kept."""
    live = _live(step, billing)
    if live is not None:
        _save(step, step.change(f"end the subscription {live.id}", partial(billing.cancel, live.id), live))
    if step.is_dry_run:
        return ok()
    if _live(step, billing) is not None:
        raise TemporaryError("not_ready", "A subscription of the tenant still runs.")
    return ok(verified="Stripe lists no running subscription with the tenant's ownership marker")


def _ensure(step: StepContext, billing: StripeClient, live: BilledSubscription | None) -> Outcome:
    price = _account(step).price
    if price is None:
        return skipped("no_price")
    customer = _ensure_customer(step, billing, live)
    if live is None and customer.id:
        live = billing.find_subscription(customer.id, step.tenant.id)
    if live is None:
        live = _new_subscription(step, billing, customer.id, price)
    live = _at_price(step, billing, live, price)
    _save(step, live)
    notes = _ensure_tax_id(step, billing, customer) | ({"ends": "with its period"} if live.ends_with_period else {})
    return ok(subscription=live.status.value, **notes)


# -- the customer


def _ensure_customer(step: StepContext, billing: StripeClient, live: BilledSubscription | None) -> Customer:
    tenant = step.tenant
    customer = _customer(step, billing, live)
    if customer is None:
        create = partial(billing.create_customer, tenant.id)
        customer = step.change(
            f"create a customer for {tenant.name}",
            lambda: _create_once(step, "customer", create, lambda: billing.find_customer(tenant.id)),
            Customer("", tenant.id, "", ""),
        )
    if not customer.is_invoiced_as(tenant.name, tenant.billing_info):
        act = partial(billing.update_customer, customer.id, tenant.name, tenant.billing_info)
        customer = step.change(f"set the details on the invoices of {tenant.name}", act, customer)
    return customer


def _ensure_tax_id(step: StepContext, billing: StripeClient, customer: Customer) -> dict[str, str]:
    """Ensure that the customer has the tenant's VAT id as its tax id, and return a note if Stripe rejects it.

    An id that Stripe rejects does not stop billing: the invoices lack it, and the operation says so.
    """
    vat_id = step.tenant.billing_info.vat_id if step.tenant.billing_info else ""
    wanted = tax_id_of(vat_id)
    note = {"taxId": f"not sent: Stripe has no type that is known here for {vat_id}"} if vat_id and not wanted else {}
    if wanted == customer.tax_id or (wanted is not None and wanted.is_same(customer.tax_id)):
        return note
    act = partial(billing.replace_tax_id, customer.id, customer.tax_id, wanted)
    try:
        step.change(f"set the tax id of {step.tenant.name}", act, None)
    except PermanentError as refusal:
        if refusal.reason != "invalid":
            raise
        return {"taxId": "refused by Stripe; correct the VAT id"}
    return note


def _customer(step: StepContext, billing: StripeClient, live: BilledSubscription | None) -> Customer | None:
    """Return the subscription's customer, else the one on record, else the one with the marker."""
    if live is not None:
        return billing.get_customer(live.customer_id)
    known = _account(step).known()
    if known is not None and known.stripe_customer_id is not None:
        try:
            customer = billing.get_customer(known.stripe_customer_id)
        except NotFound:
            customer = None
        if customer is not None and customer.tenant_id == step.tenant.id:
            return customer
    return billing.find_customer(step.tenant.id)


# -- the subscription


def _live(step: StepContext, billing: StripeClient) -> BilledSubscription | None:
    """Return the tenant's running subscription, by the record or by the marker."""
    known = _on_record(step, billing)
    return known if known is not None and not _has_ended(known) else _by_marker(step, billing)


def _on_record(step: StepContext, billing: StripeClient) -> BilledSubscription | None:
    """Return the one on record as Stripe has it.

    Raises PermanentError("taken") for one without this tenant's marker.
    """
    known = _account(step).known()
    if known is None or known.stripe_subscription_id is None:
        return None
    try:
        found = billing.get_subscription(known.stripe_subscription_id)
    except NotFound:
        return None
    if found.tenant_id != step.tenant.id:
        raise PermanentError("taken", "The subscription on record does not carry this tenant's id in Stripe.")
    return found


def _by_marker(step: StepContext, billing: StripeClient) -> BilledSubscription | None:
    customer = _customer(step, billing, None)
    return billing.find_subscription(customer.id, step.tenant.id) if customer is not None else None


def _new_subscription(step: StepContext, billing: StripeClient, customer_id: str, price: str) -> BilledSubscription:
    tenant_id = step.tenant.id
    return step.change(
        f"begin a subscription at the price {price}",
        lambda: _create_once(
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
        lambda: _create_once(step, f"{live.id}-{price}", partial(billing.change_price, live, price), find),
        live,
    )


def _has_ended(subscription: BilledSubscription) -> bool:
    return subscription.status is SubscriptionStatus.CANCELED


# -- keys and our record


def _create_once(step: StepContext, what: str, make: Callable[..., T], find: Callable[[], T | None]) -> T:
    """Create an object once. Every attempt uses the same key, so that a request still running creates no second object.

    A key with a stored server error of Stripe's is used up: after a search, the next attempt uses the next key.
    """
    account = _account(step)
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


def _save(step: StepContext, found: BilledSubscription) -> None:
    account = _account(step)
    plan = step.tenant.plan if found.price_id == account.price else None
    account.save(Bill(found.customer_id, found.id, found.status, found.period_ends_at, plan))


def _account(step: StepContext) -> Account:
    if step.account is None:
        raise LookupError("a billing step has no account")
    return step.account
