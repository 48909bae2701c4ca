"""Customers and subscriptions in Stripe, through Stripe's own library. Prices and products are set up in Stripe."""

from __future__ import annotations

import time
from typing import Any, cast

import stripe

from shared.billing.stripe_events import TENANT_KEY
from shared.integrations.outcomes import NotFound, PermanentError
from shared.subscriptions.model import SubscriptionStatus
from shared.tenants.model import BillingInfo
from worker.integrations.stripe.models import BilledSubscription, Customer, ascii_address
from worker.integrations.stripe.objects import ENDED_KEY, TAX_ID_KEY, customer_of, subscription_of, tax_id_in
from worker.integrations.stripe.tax_ids import TaxId
from worker.integrations.stripe.transport import our_faults, stripe_client

#: Stripe's search may lag an hour behind in an outage, so younger customers are read from the list, which never lags
SEARCH_LAG = 2 * 3600
PAGE = 100


class StripeClient:
    """Client of Stripe: methods in the platform's terms that return small values, without policy.

    `key`: an idempotency key. For a day the same key returns the same response and creates nothing twice, so a call
    whose response was lost is repeated with its key. Stripe keeps a fault of its own under the key as well: after
    TemporaryError("upstream_error") search first, then use another key. A key used for another request is
    PermanentError("invalid").
    """

    def __init__(self, client: stripe.StripeClient) -> None:
        self._customers = client.v1.customers
        self._tax_ids = client.v1.customers.tax_ids
        self._subscriptions = client.v1.subscriptions

    def version(self) -> str:
        """Return the version of the API that our calls use, once it has answered one."""
        with our_faults():
            self._customers.list({"limit": 1})
        return stripe.api_version

    def find_customer(self, tenant_id: str) -> Customer | None:
        """Return the customer with the tenant's marker. Raises PermanentError("ambiguous") when there are several."""
        with our_faults():
            query = f'metadata["{TENANT_KEY}"]:"{tenant_id}"'
            found = [customer_of(one) for one in self._customers.search({"query": query}).data]
            since = int(time.time()) - SEARCH_LAG
            recent = self._customers.list({"created": {"gte": since}, "limit": PAGE})
            found += [customer_of(one) for one in recent.auto_paging_iter()]
        ours = {one.id: one for one in found if one.tenant_id == tenant_id}
        if len(ours) > 1:
            raise PermanentError("ambiguous", "Stripe has several customers with this tenant's ownership marker.")
        return next(iter(ours.values()), None)

    def get_customer(self, customer_id: str) -> Customer:
        """Return a customer. Raises NotFound, for a deleted one too."""
        with our_faults():
            return customer_of(self._customers.retrieve(customer_id))

    def create_customer(self, tenant_id: str, *, key: str) -> Customer:
        """Create a customer with its marker only: without values that change, a repeat is the same request."""
        with our_faults():
            made = self._customers.create({"metadata": {TENANT_KEY: tenant_id}}, {"idempotency_key": key})
            return customer_of(made)

    def update_customer(self, customer_id: str, name: str, billing: BillingInfo | None) -> Customer:
        """Set the details that its invoices show. May be repeated. Raises NotFound."""
        with our_faults():
            return customer_of(self._customers.update(customer_id, cast("Any", _details(name, billing))))

    def tax_ids(self, customer_id: str) -> list[TaxId]:
        """Return all tax ids of the customer, those that people added included. Raises NotFound."""
        with our_faults():
            return [tax_id_in(one) for one in self._tax_ids.list(customer_id, {"limit": PAGE}).auto_paging_iter()]

    def replace_tax_id(self, customer_id: str, old: TaxId | None, new: TaxId | None) -> None:
        """Give the customer a tax id in place of the one that we gave it before; others are people's and stay.

        May be repeated. Raises PermanentError("invalid") for a value that Stripe rejects; then the old one is removed
        already.
        """
        listed = self.tax_ids(customer_id)
        with our_faults():
            for one in listed:
                if old is not None and one.id == old.id and not one.is_same(new):
                    self._tax_ids.delete(customer_id, one.id)
            kept = next((one for one in listed if new is not None and new.is_same(one)), None)
            if kept is None and new is not None:
                made = self._tax_ids.create(customer_id, cast("Any", {"type": new.type, "value": new.value}))
                kept = tax_id_in(made)
            self._customers.update(customer_id, {"metadata": {TAX_ID_KEY: kept.text() if kept else ""}})

    def find_subscription(self, customer_id: str, tenant_id: str) -> BilledSubscription | None:
        """Return the customer's subscription that has the tenant's ownership marker and has not ended.

        Raises PermanentError("ambiguous") when there are several.
        """
        with our_faults():
            listed = self._subscriptions.list({"customer": customer_id, "status": "all", "limit": PAGE})
            found = [subscription_of(one) for one in listed.auto_paging_iter()]
        ours = [one for one in found if one.tenant_id == tenant_id and one.status is not SubscriptionStatus.CANCELED]
        if len(ours) > 1:
            raise PermanentError("ambiguous", "Stripe has several subscriptions with this tenant's ownership marker.")
        return ours[0] if ours else None

    def get_subscription(self, subscription_id: str) -> BilledSubscription:
        """Return a subscription in its current state, ended or not. Raises NotFound."""
        with our_faults():
            return subscription_of(self._subscriptions.retrieve(subscription_id))

    def create_subscription(
        self,
        customer_id: str,
        tenant_id: str,
        price_id: str,
        *,
        key: str,
        trial_days: int = 0,
        days_until_due: int | None = None,
    ) -> BilledSubscription:
        """Create a subscription for one unit of the price.

        `days_until_due`: invoices are sent, to be paid within so many days; without it the customer's payment method is
        charged, and until it has one the subscription is PAST_DUE. Raises PermanentError("invalid") for an unknown
        customer or price.
        """
        wanted: dict[str, Any] = {
            "customer": customer_id,
            "items": [{"price": price_id}],
            "metadata": {TENANT_KEY: tenant_id},
            **({"trial_period_days": trial_days} if trial_days else {}),
            **_collection(days_until_due),
        }
        with our_faults():
            return subscription_of(self._subscriptions.create(cast("Any", wanted), {"idempotency_key": key}))

    def change_price(self, subscription: BilledSubscription, price_id: str, *, key: str) -> BilledSubscription:
        """Change the plan from now on, with the difference on the next invoice. Raises NotFound."""
        items: Any = [{"id": subscription.item_id, "price": price_id}]
        with our_faults():
            changed = self._subscriptions.update(
                subscription.id,
                {"items": items, "proration_behavior": "create_prorations"},
                {"idempotency_key": key},
            )
            return subscription_of(changed)

    def end_with_period(self, subscription_id: str, *, for_plan: bool = False) -> BilledSubscription:
        """End it with the paid period, instead of at a date that was set. May be repeated. Raises NotFound.

        `for_plan`: note on it that it ends because the tenant's plan has no price.
        """
        note = {ENDED_KEY: "no_price" if for_plan else ""}
        with our_faults():
            changed = self._subscriptions.update(subscription_id, {"cancel_at_period_end": True, "metadata": note})
            return subscription_of(changed)

    def let_go_on(self, subscription: BilledSubscription) -> BilledSubscription:
        """Undo that it will end. May be repeated. Raises NotFound."""
        # Stripe accepts one of the two parameters only
        is_date = subscription.ends_at is not None and not subscription.ends_with_period
        undone: dict[str, Any] = {"cancel_at": ""} if is_date else {"cancel_at_period_end": False}
        with our_faults():
            wanted = cast("Any", {**undone, "metadata": {ENDED_KEY: ""}})
            return subscription_of(self._subscriptions.update(subscription.id, wanted))

    def cancel(self, subscription_id: str) -> BilledSubscription:
        """End it at once. May be repeated: one that has ended already is returned as it is. Raises NotFound."""
        try:
            with our_faults():
                return subscription_of(self._subscriptions.cancel(subscription_id))
        except NotFound:
            # for cancelling, Stripe does not know those that have ended
            return self.get_subscription(subscription_id)


def connect(api_key: str, *, url: str, call_seconds: float = 10.0, ca_file: str | None = None) -> StripeClient:
    """Return a client. `url`: Stripe's own, or a simulator's."""
    return StripeClient(stripe_client(api_key, url.rstrip("/"), call_seconds, ca_file))


# -- parameters of requests


def _collection(days_until_due: int | None) -> dict[str, Any]:
    if days_until_due is None:
        return {"collection_method": "charge_automatically", "payment_behavior": "default_incomplete"}
    return {"collection_method": "send_invoice", "days_until_due": days_until_due}


def _details(name: str, billing: BillingInfo | None) -> dict[str, Any]:
    if billing is None:
        return {"name": name}
    address = billing.address
    shown = {
        "line1": address.line1,
        "line2": address.line2,
        "city": address.city,
        "postal_code": address.postal_code,
        "country": address.country,
    }
    return {"name": billing.company or name, "email": ascii_address(billing.email), "address": shown}
