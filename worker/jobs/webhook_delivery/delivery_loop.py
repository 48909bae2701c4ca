"""The delivery loop: a thread of the scheduler that relays new events and starts due attempts on a thread pool.

A slow receiver blocks only its own attempts: the pool is separate from the scheduler's jobs, and one webhook gets at
most two of its threads.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from shared.core.errors import StoreUnavailable
from shared.webhooks.delivery_repository import DeliveryClaim, DeliveryRepository
from worker.jobs.webhook_delivery.attempt import Attempts
from worker.jobs.webhook_delivery.cleanup import EndedWebhooks
from worker.jobs.webhook_delivery.outbox_relay import OutboxRelay

log = structlog.get_logger(__name__)

#: concurrent attempts of one webhook in one scheduler
PER_WEBHOOK = 2


class DeliveryLoop:
    """Every write is an atomic claim or conditional, so any number of delivery loops may run at once."""

    def __init__(
        self,
        *,
        deliveries: DeliveryRepository,
        ended: EndedWebhooks,
        relay: OutboxRelay,
        attempts: Attempts,
        concurrency: int,
        lease_seconds: float,
    ) -> None:
        """`concurrency`: attempts at once. `lease_seconds`: longer than an attempt can last."""
        self._deliveries = deliveries
        self._ended = ended
        self._relay = relay
        self._attempts = attempts
        self._concurrency = concurrency
        self._lease_seconds = lease_seconds
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="webhook")
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()
        self._wake = threading.Event()
        self._stopped = threading.Event()

    def run(self, interval: float) -> None:
        """Run until `stop`: relay new events every `interval` seconds, and start due attempts when a thread is free."""
        next_poll = 0.0
        while not self._stopped.is_set():
            if time.monotonic() >= next_poll:
                self._run_guarded(self._create_deliveries)
                self._run_guarded(self._delete_ended)
                next_poll = time.monotonic() + interval * random.uniform(0.8, 1.2)  # noqa: S311 - spreads polls only
            self._run_guarded(self.start_due)
            self._wake.wait(max(0.0, next_poll - time.monotonic()))
            self._wake.clear()
        self._pool.shutdown()

    def stop(self) -> None:
        """Start no more attempts; running ones end normally."""
        self._stopped.set()
        self._wake.set()

    def _create_deliveries(self) -> None:
        made = self._relay.relay()
        if made:
            log.info("webhook.deliveries_created", deliveries=made)

    def _delete_ended(self) -> None:
        ended = self._ended.remove()
        if ended:
            log.info("webhook.ended", webhooks=ended)

    def start_due(self) -> None:
        """Start attempts until all threads are busy or nothing more is due."""
        while (claim := self._claim()) is not None:
            self._pool.submit(self._work, claim)

    def _claim(self) -> DeliveryClaim | None:
        with self._lock:
            if self._running.total() >= self._concurrency or self._stopped.is_set():
                return None
            busy = [webhook_id for webhook_id, taken in self._running.items() if taken >= PER_WEBHOOK]
        claim = self._deliveries.claim(self._lease_seconds, busy)
        if claim is not None:
            with self._lock:
                self._running[claim.record.webhook_id] += 1
        return claim

    def _work(self, claim: DeliveryClaim) -> None:
        try:
            self._run_guarded(lambda: self._attempts.make(claim))
        finally:
            with self._lock:
                self._running[claim.record.webhook_id] -= 1
                self._running += Counter()  # drops entries that are zero
            self._wake.set()

    def _run_guarded(self, work: Callable[[], None]) -> None:
        """Log a bug or a database fault and go on; an attempt's lease then runs out."""
        try:
            work()
        except StoreUnavailable:
            log.warning("webhook.store_unavailable")
        except Exception:
            log.exception("webhook.bug")
