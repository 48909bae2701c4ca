"""The steps of billing: one customer and one subscription in Stripe, with our ownership marker, at the plan's price.

Nothing that costs money is created twice: each step searches first, by the record and by the marker, and creates with
an idempotency key.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from shared.billing.model import Bill
from shared.integrations.outcomes import Missing, Outcome, Refused, Unavailable, ok, skipped
from shared.subscriptions.model import SubscriptionStatus
from worker.integrations.billing_account import Account
from worker.integrations.step_context import Work
from worker.integrations.stripe.models import BilledSubscription, Customer
from worker.integrations.stripe.tax_ids import tax_id_of

if TYPE_CHECKING:
    from worker.integrations.stripe.client import StripeBilling

T = TypeVar("T")

#: how many keys of one purpose a generation has: Stripe keeps a fault of its own under a key for a day
KEYS = 5


def ensure_billing(work: Work, billing: StripeBilling) -> Outcome:
    """Ensure that customer and subscription exist and are on record.

    A subscription that has ended or will end stays so: that was somebody's decision.
    """
    known = _on_record(work, billing)
    if known is not None and _has_ended(known):
        _save(work, known)
        return skipped("subscription_ended")
    return _ensured(work, billing, known)


def renew_billing(work: Work, billing: StripeBilling) -> Outcome:
    """Ensure the same for a tenant that is restored: continue a subscription that was to end, replace an ended one."""
    known = _on_record(work, billing)
    live = known if known is not None and not _has_ended(known) else _by_marker(work, billing)
    if live is not None and live.ends_with_period:
        act = partial(billing.end_with_period, live.id, False)
        live = work.change(f"let the subscription {live.id} go on", act, live)
    return _ensured(work, billing, live)


def close_billing(work: Work, billing: StripeBilling) -> Outcome:
    """Let the subscription end with the paid period."""
    live = _live(work, billing)
    if live is None:
        return skipped("nothing_there")
    if not live.ends_with_period:
        act = partial(billing.end_with_period, live.id, True)
        live = work.change(f"let the subscription {live.id} end with its period", act, live)
    _save(work, live)
    return ok(ends=live.period_ends_at.isoformat() if live.period_ends_at else "with its period")


def remove_billing(work: Work, billing: StripeBilling) -> Outcome:
    """End the tenant's subscription. The customer stays in Stripe with its invoices, which have to be kept."""
    live = _live(work, billing)
    if live is not None:
        _save(work, work.change(f"end the subscription {live.id}", partial(billing.cancel, live.id), live))
    if work.is_plan:
        return ok()
    if _live(work, billing) is not None:
        raise Unavailable("not_ready", "A subscription of the tenant still runs.")
    return ok(verified="Stripe lists no running subscription with the tenant's ownership marker")


def _ensured(work: Work, billing: StripeBilling, live: BilledSubscription | None) -> Outcome:
    price = _account(work).price
    if price is None:
        return skipped("no_price")
    customer = _ensure_customer(work, billing, live)
    if live is None and customer.id:
        live = billing.find_subscription(customer.id, work.tenant.id)
    if live is None:
        live = _new_subscription(work, billing, customer.id, price)
    live = _at_price(work, billing, live, price)
    _save(work, live)
    notes = _ensure_tax_id(work, billing, customer) | ({"ends": "with its period"} if live.ends_with_period else {})
    return ok(subscription=live.status.value, **notes)


# -- the customer


def _ensure_customer(work: Work, billing: StripeBilling, live: BilledSubscription | None) -> Customer:
    tenant = work.tenant
    customer = _customer(work, billing, live)
    if customer is None:
        create = partial(billing.create_customer, tenant.id)
        customer = work.change(
            f"create a customer for {tenant.name}",
            lambda: _made(work, "customer", create, lambda: billing.find_customer(tenant.id)),
            Customer("", tenant.id, "", ""),
        )
    if not customer.is_invoiced_as(tenant.name, tenant.billing_info):
        act = partial(billing.update_customer, customer.id, tenant.name, tenant.billing_info)
        customer = work.change(f"set the details on the invoices of {tenant.name}", act, customer)
    return customer


def _ensure_tax_id(work: Work, billing: StripeBilling, customer: Customer) -> dict[str, str]:
    """Ensure that the customer has the tenant's VAT id as its tax id, and return a note when it has not.

    An id that Stripe rejects does not stop billing: the invoices lack it, and the operation says so.
    """
    vat_id = work.tenant.billing_info.vat_id if work.tenant.billing_info else ""
    wanted = tax_id_of(vat_id)
    note = {"taxId": f"not sent: Stripe has no type that is known here for {vat_id}"} if vat_id and not wanted else {}
    if wanted == customer.tax_id or (wanted is not None and wanted.is_same(customer.tax_id)):
        return note
    act = partial(billing.replace_tax_id, customer.id, customer.tax_id, wanted)
    try:
        work.change(f"set the tax id of {work.tenant.name}", act, None)
    except Refused as refusal:
        if refusal.reason != "invalid":
            raise
        return {"taxId": "refused by Stripe; correct the VAT id"}
    return note


def _customer(work: Work, billing: StripeBilling, live: BilledSubscription | None) -> Customer | None:
    """Return the subscription's customer, else the one on record, else the one with the marker."""
    if live is not None:
        return billing.get_customer(live.customer_id)
    known = _account(work).known()
    if known is not None and known.stripe_customer_id is not None:
        try:
            customer = billing.get_customer(known.stripe_customer_id)
        except Missing:
            customer = None
        if customer is not None and customer.tenant_id == work.tenant.id:
            return customer
    return billing.find_customer(work.tenant.id)


# -- the subscription


def _live(work: Work, billing: StripeBilling) -> BilledSubscription | None:
    """Return the tenant's running subscription, by the record or by the marker."""
    known = _on_record(work, billing)
    return known if known is not None and not _has_ended(known) else _by_marker(work, billing)


def _on_record(work: Work, billing: StripeBilling) -> BilledSubscription | None:
    """Return the one on record as Stripe has it. Raises Refused("taken") for one without this tenant's marker."""
    known = _account(work).known()
    if known is None or known.stripe_subscription_id is None:
        return None
    try:
        found = billing.get_subscription(known.stripe_subscription_id)
    except Missing:
        return None
    if found.tenant_id != work.tenant.id:
        raise Refused("taken", "The subscription on record does not carry this tenant's id in Stripe.")
    return found


def _by_marker(work: Work, billing: StripeBilling) -> BilledSubscription | None:
    customer = _customer(work, billing, None)
    return billing.find_subscription(customer.id, work.tenant.id) if customer is not None else None


def _new_subscription(work: Work, billing: StripeBilling, customer_id: str, price: str) -> BilledSubscription:
    tenant_id = work.tenant.id
    return work.change(
        f"begin a subscription at the price {price}",
        lambda: _made(
            work,
            f"subscription-{customer_id}-{price}",
            partial(billing.create_subscription, customer_id, tenant_id, price),
            lambda: billing.find_subscription(customer_id, tenant_id),
        ),
        BilledSubscription("", tenant_id, customer_id, SubscriptionStatus.ACTIVE, "", price, None, False),
    )


def _at_price(work: Work, billing: StripeBilling, live: BilledSubscription, price: str) -> BilledSubscription:
    if live.price_id == price:
        return live

    def look() -> BilledSubscription | None:
        seen = billing.get_subscription(live.id)
        return seen if seen.price_id == price else None

    return work.change(
        f"move the subscription {live.id} to the price {price}",
        lambda: _made(work, f"{live.id}-{price}", partial(billing.change_price, live, price), look),
        live,
    )


def _has_ended(subscription: BilledSubscription) -> bool:
    return subscription.status is SubscriptionStatus.CANCELED


# -- keys and our record


def _made(work: Work, what: str, make: Callable[..., T], look: Callable[[], T | None]) -> T:
    """Make it once. The key is the same in every attempt, so that what is still under way is not made beside it.

    A key that holds a fault of Stripe's own is spent: after a search, each further attempt has one key more.
    """
    account = _account(work)
    fault = Unavailable("upstream_error")
    for number in range(min(account.attempt, KEYS)):
        try:
            return make(key=f"dezky-{work.tenant.id}-{account.generation}-{what}-{number}")
        except Unavailable as problem:
            if problem.reason != "upstream_error":
                raise
            fault = problem
        found = look()
        if found is not None:
            return found
    raise fault


def _save(work: Work, found: BilledSubscription) -> None:
    account = _account(work)
    plan = work.tenant.plan if found.price_id == account.price else None
    account.save(Bill(found.customer_id, found.id, found.status, found.period_ends_at, plan))


def _account(work: Work) -> Account:
    if work.account is None:
        raise LookupError("a billing step was given no account")
    return work.account
