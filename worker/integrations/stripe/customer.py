"""The tenant's customer in Stripe: the details and the tax id that its invoices show."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from shared.integrations.outcomes import PermanentError
from worker.integrations.step_context import StepContext, read_or_none
from worker.integrations.stripe.models import BilledSubscription, Customer, ascii_address
from worker.integrations.stripe.record import account_of_step, create_once
from worker.integrations.stripe.tax_ids import TaxId, tax_id_of

if TYPE_CHECKING:
    from worker.integrations.stripe.client import StripeClient


def ensure_customer(step: StepContext, billing: StripeClient, live: BilledSubscription | None) -> Customer:
    tenant = step.tenant
    customer = find_customer(step, billing, live)
    if customer is None:
        create = partial(billing.create_customer, tenant.id)
        customer = step.change(
            f"create a customer for {tenant.name}",
            lambda: create_once(step, "customer", create, lambda: billing.find_customer(tenant.id)),
            Customer("", tenant.id, "", ""),
        )
    if not customer.is_invoiced_as(tenant.name, tenant.billing_info):
        if tenant.billing_info is not None and not ascii_address(tenant.billing_info.email).isascii():
            raise PermanentError("invalid", "Stripe sends invoices to no e-mail address with a non-ASCII local part.")
        act = partial(billing.update_customer, customer.id, tenant.name, tenant.billing_info)
        customer = step.change(f"set the details on the invoices of {tenant.name}", act, customer)
    return customer


def ensure_tax_id(step: StepContext, billing: StripeClient, customer: Customer) -> str | None:
    """Ensure that the customer has the tenant's VAT id as its tax id, and return a note if Stripe rejects it.

    An id that Stripe rejects does not stop billing: the invoices lack it, and the operation says so.
    """
    vat_id = step.tenant.billing_info.vat_id if step.tenant.billing_info else ""
    wanted = tax_id_of(vat_id)
    note = f"not sent: Stripe has no type that is known here for {vat_id}" if vat_id and not wanted else None
    if _has_tax_id(billing, customer, wanted):
        return note
    act = partial(billing.replace_tax_id, customer.id, customer.tax_id, wanted)
    try:
        step.change(f"set the tax id of {step.tenant.name}", act, None)
    except PermanentError as refusal:
        if refusal.reason != "invalid":
            raise
        return "refused by Stripe; correct the VAT id"
    return note


def _has_tax_id(billing: StripeClient, customer: Customer, wanted: TaxId | None) -> bool:
    """Return whether the tax id that we created last is the wanted one, or is gone if none is wanted.

    The customer's metadata alone does not tell: a refused value leaves it behind, and people remove tax ids.
    """
    if wanted is None and customer.tax_id is None:
        return True
    listed = billing.tax_ids(customer.id) if customer.id else []
    ours = next((one for one in listed if customer.tax_id is not None and one.id == customer.tax_id.id), None)
    return ours is None if wanted is None else wanted.is_same(ours)


def find_customer(step: StepContext, billing: StripeClient, live: BilledSubscription | None) -> Customer | None:
    """Return the subscription's customer, else the one on record, else the one with the marker."""
    if live is not None:
        return billing.get_customer(live.customer_id)
    known = account_of_step(step).known()
    if known is not None and known.stripe_customer_id is not None:
        customer = read_or_none(partial(billing.get_customer, known.stripe_customer_id))
        if customer is not None and customer.tenant_id == step.tenant.id:
            return customer
    # nothing of a new tenant exists yet, and the search reads all customers of the last hours
    return None if step.is_first else billing.find_customer(step.tenant.id)
