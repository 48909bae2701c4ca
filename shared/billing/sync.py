"""Bring subscriptions from Stripe onto our records: by the billing step, and by syncs that Stripe's events request."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from shared.billing.model import Bill
from shared.billing.stripe_events import BillingEvent
from shared.billing.sync_queue import BillingSyncQueue, SyncClaim
from shared.core.errors import SubscriptionExists
from shared.db.connection import MongoConnection
from shared.db.documents import Transaction
from shared.events.model import Author, NewEvent, changed_values
from shared.events.repository import EventRepository
from shared.operations.model import Operation
from shared.subscriptions.model import EVENT_FIELDS, NewSubscription, Subscription, SubscriptionChanges
from shared.subscriptions.repository import SubscriptionRepository
from shared.tenants.repository import TenantRepository

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class BillingService:
    """Records what Stripe says about subscriptions."""

    connection: MongoConnection
    billing_syncs: BillingSyncQueue
    events: EventRepository
    subscriptions: SubscriptionRepository
    tenants: TenantRepository

    def receive(self, event: BillingEvent) -> bool:
        """Request a sync of the event's subscription. False for a subscription that is not on record.

        Events may come twice, late or out of order, so the event itself changes nothing.
        """
        known = self.billing_syncs.request(event.subscription_id) if event.subscription_id else False
        log.info("billing.event", stripe_event=event.id, type=event.type, known=known)
        return known

    def known(self, tenant_id: str) -> Subscription | None:
        """Return the tenant's live subscription, else its latest that Stripe knows."""
        live = self.subscriptions.find_live(tenant_id)
        if live is not None:
            return live
        ended = self.subscriptions.of_tenants((tenant_id,))
        return next((one for one in ended if one.stripe_subscription_id is not None), None)

    def save(self, operation: Operation, bill: Bill, until: datetime | None = None) -> bool:
        """Record a billing step's subscription.

        False, with nothing written, after a newer change of the tenant, or after `until`, the end of the step's lease.
        Raises SubscriptionExists when its record was canceled here and the tenant has another live one.
        """

        def work(session: Transaction) -> bool:
            if not self.tenants.lock_generation(operation.tenant_id, operation.generation, session, until):
                return False
            author = Author(operation.requested_by, operation.request_id)
            known = self.subscriptions.find_billed(operation.tenant_id, bill.subscription_id, session)
            if known is None:
                plan = bill.plan or ""
                known = self.subscriptions.insert(NewSubscription(operation.tenant_id, plan), session)
            if self._write(known, bill.to_changes(), operation.tenant_slug, author, session):
                # events that arrived before the id was on record were dropped, and a sync that ran after the step's
                # read is overwritten here, so read Stripe once more
                self.billing_syncs.request_within(known.id, session)
            return True

        return self.connection.transaction(work)

    def save_plan(self, operation: Operation, plan: str, until: datetime | None = None) -> None:
        """Record the tenant's plan on its live subscription, under the same conditions as `save`."""

        def work(session: Transaction) -> None:
            if self.tenants.lock_generation(operation.tenant_id, operation.generation, session, until):
                live = self.subscriptions.find_live(operation.tenant_id, session)
                if live is not None:
                    author = Author(operation.requested_by, operation.request_id)
                    self._write(live, {"plan": plan}, operation.tenant_slug, author, session)

        self.connection.transaction(work)

    def record_sync(self, claim: SyncClaim, bill: Bill) -> bool:
        """Record the result of a read. False when it is outdated: another was requested, or took over."""

        def work(session: Transaction) -> bool:
            if not self.billing_syncs.end(claim, session):
                return False
            known = self.subscriptions.find(claim.subscription.id, session)
            tenant = self.tenants.find_by_id(claim.subscription.tenant_id, session)
            if known is not None and tenant is not None and known.stripe_subscription_id == bill.subscription_id:
                author = Author(None, f"stripe-{known.id}")
                self._write(known, bill.to_changes(), tenant.slug, author, session)
            return True

        try:
            return self.connection.transaction(work)
        except SubscriptionExists:
            # people must decide between the two records; the tenant's next reconcile reads Stripe again
            log.warning("billing.second_live_subscription", tenant=claim.subscription.tenant_id)
            self.billing_syncs.end(claim)
            return False

    def _write(
        self, known: Subscription, changes: SubscriptionChanges, slug: str, author: Author, session: Transaction
    ) -> bool:
        """Write the changes, if there are any. Return whether there were."""
        if replace(known, **changes) == known:
            return False
        changed = self.subscriptions.change(known, changes, session)
        before, after = changed_values(known, changed, EVENT_FIELDS)
        event = NewEvent("subscription.changed", author, known.tenant_id, slug, before, {"_id": known.id} | after)
        self.events.append(event, session)
        return True
