"""Read subscriptions from Stripe on a few own threads, so that a Stripe that hangs delays no other job."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog

from shared.billing.model import Bill
from shared.billing.sync import BillingService
from shared.billing.sync_queue import BillingSyncQueue, SyncClaim
from shared.config.settings import Settings
from shared.integrations.catalog import BILLING
from shared.integrations.outcomes import Fault, NotFound, PermanentError
from worker.execution.breaker import Breaker, JobDeferred
from worker.http.deadline import within
from worker.jobs.worker_pool import WorkerPool

if TYPE_CHECKING:
    from worker.integrations.stripe.client import StripeClient

log = structlog.get_logger(__name__)

#: subscriptions read at once
CONCURRENCY = 4
#: seconds until a failed read is retried: the first wait is doubled each time, up to the maximum
FIRST_WAIT, MAX_WAIT = 2.0, 600.0


@dataclass(kw_only=True)
class BillingSyncJob:
    """One per scheduler. Without a client nothing is claimed: subscriptions wait until Stripe is configured."""

    billing_syncs: BillingSyncQueue
    breaker: Breaker
    service: BillingService
    billing: StripeClient | None
    settings: Settings

    def __post_init__(self) -> None:
        self._pool = WorkerPool("billing", CONCURRENCY)

    def run_once(self) -> int:
        """Start due reads while threads are free. Starts no operation: returns 0."""
        while self.billing is not None and self._pool.free:
            claim = self.billing_syncs.claim(self.settings.lease_seconds)
            if claim is None:
                break
            self._pool.submit(partial(self._sync, claim, self.billing), subscription=claim.subscription.id)
        return 0

    def close(self) -> None:
        """Wait until running reads have ended; each has a deadline."""
        self._pool.close()

    def _sync(self, claim: SyncClaim, billing: StripeClient) -> None:
        known = claim.subscription
        if known.stripe_subscription_id is None:
            self.billing_syncs.end(claim)
            return
        try:
            with self.breaker.job_call(BILLING), within(self.settings.attempt_seconds):
                found = billing.get_subscription(known.stripe_subscription_id)
            if found.tenant_id != known.tenant_id:
                raise PermanentError("taken")
        except JobDeferred as deferred:
            return self.billing_syncs.postpone(claim, deferred.wait or 0.0)
        except Fault as fault:
            return self._record_fault(claim, fault)
        done = self.service.record_sync(claim, Bill(found.customer_id, found.id, found.status, found.period_ends_at))
        log.info("billing.synced", subscription=known.id, status=found.status, recorded=done)

    def _record_fault(self, claim: SyncClaim, fault: Fault) -> None:
        log.warning("billing.sync_failed", subscription=claim.subscription.id, reason=fault.reason)
        if isinstance(fault, NotFound) or fault.reason == "taken":
            # not ours, or of another Stripe account: a retry cannot find it
            self.billing_syncs.end(claim)
            return
        ceiling = min(MAX_WAIT, FIRST_WAIT * 2 ** min(claim.attempts - 1, 16))
        if isinstance(fault, PermanentError):
            ceiling = MAX_WAIT  # a retry before a correction would only use up our rate limit
        wait = getattr(fault, "wait", None) or 0.0
        self.billing_syncs.postpone(claim, max(random.uniform(ceiling / 2, ceiling), wait))  # noqa: S311
