"""One attempt: what was claimed is signed, sent, its end put on record; a webhook that only fails goes off."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import structlog

from shared.core.encryption import Sealer, Unsealable
from shared.core.signatures import signed_headers
from shared.db.connection import MongoConnection
from shared.db.documents import Transaction
from shared.events.model import Author
from shared.events.repository import EventRepository
from shared.metrics.metrics import WEBHOOK_DELIVERIES
from shared.tenants.repository import TenantRepository
from shared.webhooks.delivery_repository import Claim, DeliveryRepository, End
from shared.webhooks.delivery_rules import is_in_scope
from shared.webhooks.model import DeliveryRecord, DeliveryStatus, Webhook
from shared.webhooks.repository import WebhookRepository
from worker.jobs.webhook_delivery.backoff import WAITS, wait_after
from worker.jobs.webhook_delivery.payload import event_body, ping_body
from worker.jobs.webhook_delivery.safe_client import Delivered, Delivery, WebhookSender

log = structlog.get_logger(__name__)

#: how long a webhook that is switched off is left alone before somebody looks whether it still is, in seconds
OFF_PAUSE = 300.0
#: a receiver that does not even answer costs us time, so all of its events wait: this long first, doubled each time
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
#: a few failures say nothing, however long they lie apart
FEWEST_FAILURES = 10


class Attempts:
    """Safe to share between threads."""

    def __init__(
        self,
        *,
        connection: MongoConnection,
        deliveries: DeliveryRepository,
        events: EventRepository,
        tenants: TenantRepository,
        webhooks: WebhookRepository,
        sender: WebhookSender,
        sealer: Sealer,
        disable_seconds: float,
        waits: Sequence[float] = WAITS,
    ) -> None:
        self._connection = connection
        self._deliveries = deliveries
        self._events = events
        self._tenants = tenants
        self._webhooks = webhooks
        self._sender = sender
        self._sealer = sealer
        self._disable_seconds = disable_seconds
        self._waits = waits

    def make(self, claim: Claim) -> None:
        """Make the attempt. Raises StoreUnavailable: the lease then runs out, and the event is sent again."""
        record = claim.record
        webhook = self._webhooks.find(record.webhook_id)
        if webhook is None:
            self._deliveries.drop(record.webhook_id)
        elif not webhook.enabled:
            self._leave(claim)
        elif record.attempts > len(self._waits) + 1:
            self._deliveries.record(claim, End(DeliveryStatus.FAILED, reason="interrupted"))
        else:
            self._deliver(claim, webhook)

    def _leave(self, claim: Claim) -> None:
        self._deliveries.put_back(claim, OFF_PAUSE)
        self._deliveries.postpone(claim.record.webhook_id, OFF_PAUSE)

    def _deliver(self, claim: Claim, webhook: Webhook) -> None:
        body, reason = self._body(claim.record, webhook)
        if body is None:
            self._deliveries.record(claim, End(DeliveryStatus.FAILED, reason=reason))
            return
        try:
            secrets = [self._sealer.open(one) for one in self._webhooks.sealed_secrets(webhook.id)]
        except Unsealable:
            self._leave(claim)
            self._disable(webhook, "unsigned")
            return
        headers = signed_headers(secrets, claim.record.id, int(time.time()), body)
        self._settle(claim, webhook, self._sender.send(webhook.url, body, headers))

    def _body(self, record: DeliveryRecord, webhook: Webhook) -> tuple[bytes | None, str | None]:
        """The body to send, or None and the reason why there is none."""
        if record.event_id is None:
            return ping_body(record), None
        event = self._events.find(record.event_id)
        if event is None:
            return None, "event_missing"
        if not is_in_scope(self._tenants, webhook, event):
            return None, "out_of_scope"
        return event_body(event), None

    def _settle(self, claim: Claim, webhook: Webhook, ended: Delivery) -> None:
        end = self._end(claim.record, ended)
        if not self._deliveries.record(claim, end):
            return
        WEBHOOK_DELIVERIES.labels(ended.result.value).inc()
        log.info(
            "webhook.attempted",
            webhook=webhook.id,
            delivery=claim.record.id,
            attempt=claim.record.attempts,
            status=end.status,
            answer=ended.status,
            reason=ended.reason,
        )
        if ended.result is Delivered.YES:
            if webhook.failures:
                self._webhooks.succeeded(webhook)
        elif not claim.record.is_ping:
            self._hold_against(webhook, ended)

    def _end(self, record: DeliveryRecord, ended: Delivery) -> End:
        if ended.result is Delivered.YES:
            return End(DeliveryStatus.DELIVERED, ended.status)
        wait = None
        # somebody waits for a ping's answer, so it is not sent again
        if ended.result is Delivered.LATER and not record.is_ping:
            chance = random.random()  # noqa: S311 - spreads attempts, guards nothing
            wait = wait_after(record.attempts, chance, ended.wait, self._waits)
        status = DeliveryStatus.FAILED if wait is None else DeliveryStatus.PENDING
        return End(status, ended.status, ended.reason, wait)

    def _hold_against(self, webhook: Webhook, ended: Delivery) -> None:
        if ended.reason == "gone":
            self._disable(webhook, "gone")
            return
        failures = self._webhooks.failed(webhook)
        if ended.status is None and failures:
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures - 1, 16))
            self._deliveries.postpone(webhook.id, pause)
        if failures >= FEWEST_FAILURES:
            self._disable(webhook, "failing", self._disable_seconds)

    def _disable(self, webhook: Webhook, reason: str, failing_seconds: float | None = None) -> None:
        def work(session: Transaction) -> Webhook | None:
            disabled = self._webhooks.disable(webhook, reason, session, failing_seconds)
            if disabled is not None:
                after = {"_id": webhook.id, "host": webhook.host, "enabled": False, "reason": reason}
                event = disabled.event("disabled", Author(None, "sweep"), {"enabled": True}, after)
                self._events.append(event, session)
            return disabled

        if self._connection.transaction(work) is not None:
            log.warning("webhook.disabled", webhook=webhook.id, reason=reason)
