"""The courier: a thread of the sweep that makes deliveries of new events, and hands those due to a few slots.

A slow receiver holds its slots and nothing else: they are none of the sweep's own threads, and one webhook has but two.
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
from shared.webhooks.delivery_repository import Claim, DeliveryRepository
from worker.jobs.webhook_delivery.attempt import Attempts
from worker.jobs.webhook_delivery.cleanup import EndedWebhooks
from worker.jobs.webhook_delivery.outbox_relay import OutboxRelay

log = structlog.get_logger(__name__)

#: slots that one webhook may have of a sweep at a time
EACH = 2


class DeliveryLoop:
    """Every act is an atomic claim or a conditional write, so any number of couriers may work at once."""

    def __init__(
        self,
        *,
        deliveries: DeliveryRepository,
        ended: EndedWebhooks,
        fan_out: OutboxRelay,
        attempts: Attempts,
        slots: int,
        lease_seconds: float,
    ) -> None:
        """`lease_seconds`: longer than an attempt can last."""
        self._deliveries = deliveries
        self._ended = ended
        self._fan_out = fan_out
        self._attempts = attempts
        self._slots = slots
        self._lease_seconds = lease_seconds
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="webhook")
        self._lock = threading.Lock()
        self._under_way: Counter[str] = Counter()
        self._look_again = threading.Event()
        self._stopped = threading.Event()

    def run(self, interval: float) -> None:
        """Work until told to stop: look for new events every `interval` seconds, for what is due whenever a slot is."""
        next_look = 0.0
        while not self._stopped.is_set():
            if time.monotonic() >= next_look:
                self._guarded(self.look)
                next_look = time.monotonic() + interval * random.uniform(0.8, 1.2)  # noqa: S311 - spreads looks only
            else:
                self._guarded(self.start_due)
            self._look_again.wait(max(0.0, next_look - time.monotonic()))
            self._look_again.clear()
        self._pool.shutdown()

    def stop(self) -> None:
        """Start nothing more; what is under way comes to its end."""
        self._stopped.set()
        self._look_again.set()

    def look(self) -> None:
        """Make the deliveries of new events, and start what is due; remove what has ended."""
        made = self._fan_out.look()
        if made:
            log.info("webhook.deliveries_made", deliveries=made)
        ended = self._ended.remove()
        if ended:
            log.info("webhook.ended", webhooks=ended)
        self.start_due()

    def start_due(self) -> None:
        """Start attempts until all slots are taken or nothing more is due."""
        while (claim := self._claim()) is not None:
            self._pool.submit(self._work, claim)

    def _claim(self) -> Claim | None:
        with self._lock:
            if self._under_way.total() >= self._slots or self._stopped.is_set():
                return None
            busy = [webhook_id for webhook_id, taken in self._under_way.items() if taken >= EACH]
        claim = self._deliveries.claim(self._lease_seconds, busy)
        if claim is not None:
            with self._lock:
                self._under_way[claim.record.webhook_id] += 1
        return claim

    def _work(self, claim: Claim) -> None:
        try:
            self._guarded(lambda: self._attempts.make(claim))
        finally:
            with self._lock:
                self._under_way[claim.record.webhook_id] -= 1
                self._under_way += Counter()  # forgets those with none
            self._look_again.set()

    def _guarded(self, work: Callable[[], None]) -> None:
        """A fault of ours or the database's ends one look or one attempt; its lease runs out, and all goes on."""
        try:
            work()
        except StoreUnavailable:
            log.warning("webhook.store_unavailable")
        except Exception:
            log.exception("webhook.bug")
