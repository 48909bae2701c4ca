"""Make one delivery attempt: sign and send the event, record the result, disable a webhook that keeps failing."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic_core import to_json

from shared.core.encryption import EncryptionError, SecretCipher
from shared.core.signatures import signed_headers
from shared.db.connection import MongoConnection
from shared.db.documents import Transaction
from shared.events.model import Author, Event
from shared.events.repository import EventRepository
from shared.metrics.metrics import WEBHOOK_DELIVERIES
from shared.tenants.repository import TenantRepository
from shared.webhooks.delivery_repository import AttemptResult, DeliveryClaim, DeliveryRepository
from shared.webhooks.delivery_rules import is_in_scope
from shared.webhooks.model import DeliveryRecord, DeliveryStatus, Webhook
from shared.webhooks.repository import WebhookRepository
from worker.jobs.webhook_delivery.safe_client import DeliveryOutcome, DeliveryResult, SafeWebhookClient

log = structlog.get_logger(__name__)

MINUTE, HOUR = 60.0, 3600.0
#: seconds between attempts, as Standard Webhooks recommends: short at first, and longer than a weekend in total
RETRY_DELAYS = (
    *(5.0, 5 * MINUTE, 30 * MINUTE),
    *(2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR),
)
#: jitter: the largest share of a wait that is added at random, so that a recovered receiver gets no burst
JITTER = 0.2
MAX_RETRY_AFTER = 24 * HOUR
#: seconds until a delivery to a disabled webhook is due again
DISABLED_WAIT = 300.0
#: a receiver that does not answer costs a whole call, so all its events wait: the first wait, doubled up to the longest
FIRST_WAIT, MAX_WAIT = 1.0, 300.0
#: a webhook is disabled after this many failures at least, however long ago the first was
MIN_FAILURES = 10


@dataclass(frozen=True, kw_only=True)
class Attempts:
    """Makes delivery attempts; safe to share between threads."""

    connection: MongoConnection
    deliveries: DeliveryRepository
    events: EventRepository
    tenants: TenantRepository
    webhooks: WebhookRepository
    client: SafeWebhookClient
    cipher: SecretCipher
    disable_seconds: float
    waits: Sequence[float] = RETRY_DELAYS

    def make(self, claim: DeliveryClaim) -> None:
        """Make the attempt. Raises StoreUnavailable; the lease then runs out and the event is sent again."""
        record = claim.record
        webhook = self.webhooks.find(record.webhook_id)
        if webhook is None:
            self.deliveries.delete_all(record.webhook_id)
        elif not webhook.enabled:
            self._postpone(claim)
        elif record.attempts > len(self.waits) + 1:
            self.deliveries.record(claim, AttemptResult(DeliveryStatus.FAILED, reason="interrupted"))
        else:
            self._deliver(claim, webhook)

    def _postpone(self, claim: DeliveryClaim) -> None:
        self.deliveries.give_back(claim, DISABLED_WAIT)
        self.deliveries.postpone(claim.record.webhook_id, DISABLED_WAIT)

    def _deliver(self, claim: DeliveryClaim, webhook: Webhook) -> None:
        body, reason = self._body(claim.record, webhook)
        if body is None:
            self.deliveries.record(claim, AttemptResult(DeliveryStatus.FAILED, reason=reason))
            return
        encrypted = self.webhooks.encrypted_secrets(webhook.id)
        if not encrypted:
            # it was deleted after it was read
            self.deliveries.delete_all(webhook.id)
            return
        try:
            secrets = self._decrypted(encrypted)
        except EncryptionError:
            self._postpone(claim)
            self._disable(webhook, "unsigned")
            return
        headers = signed_headers(secrets, claim.record.id, int(claim.claimed_at.timestamp()), body)
        self._settle(claim, webhook, self.client.send(webhook.url, body, headers))

    def _decrypted(self, encrypted: Sequence[str]) -> list[str]:
        """Return the secrets, newest first. Raises EncryptionError if no key decrypts the newest.

        A former secret whose key was removed is left out: the receiver has the newest one, or will soon.
        """
        newest, *former = encrypted
        secrets = [self.cipher.decrypt(newest)]
        for one in former:
            with suppress(EncryptionError):
                secrets.append(self.cipher.decrypt(one))
        return secrets

    def _body(self, record: DeliveryRecord, webhook: Webhook) -> tuple[bytes | None, str | None]:
        """Return the body to send, or None and the reason why there is none."""
        if record.event_id is None:
            return ping_body(record), None
        event = self.events.find(record.event_id)
        if event is None:
            return None, "event_missing"
        if not is_in_scope(self.tenants, webhook, event):
            return None, "out_of_scope"
        return event_body(event), None

    def _settle(self, claim: DeliveryClaim, webhook: Webhook, ended: DeliveryOutcome) -> None:
        end = self._end(claim.record, ended)
        if not self.deliveries.record(claim, end):
            return
        WEBHOOK_DELIVERIES.labels(ended.result.value).inc()
        log.info(
            "webhook.attempted",
            webhook=webhook.id,
            delivery=claim.record.id,
            attempt=claim.record.attempts,
            status=end.status,
            response_status=ended.status,
            reason=ended.reason,
        )
        if ended.result is DeliveryResult.DELIVERED:
            if webhook.failures:
                self.webhooks.succeeded(webhook)
        elif not claim.record.is_ping:
            self._record_failure(webhook, ended)

    def _end(self, record: DeliveryRecord, ended: DeliveryOutcome) -> AttemptResult:
        if ended.result is DeliveryResult.DELIVERED:
            return AttemptResult(DeliveryStatus.DELIVERED, ended.status)
        wait = None
        # a person waits for the result of a ping, so it is not retried
        if ended.result is DeliveryResult.RETRY and not record.is_ping:
            chance = random.random()  # noqa: S311 - spreads attempts, protects nothing
            wait = wait_after(record.attempts, chance, ended.wait, self.waits)
        status = DeliveryStatus.FAILED if wait is None else DeliveryStatus.PENDING
        return AttemptResult(status, ended.status, ended.reason, wait)

    def _record_failure(self, webhook: Webhook, ended: DeliveryOutcome) -> None:
        if ended.reason == "gone":
            self._disable(webhook, "gone")
            return
        failures = self.webhooks.failed(webhook)
        if failures >= MIN_FAILURES:
            self._disable(webhook, "failing", self.disable_seconds)
        if ended.status is None and failures:
            # last: while many thousand events wait, it may take longer than a call may
            wait = min(MAX_WAIT, FIRST_WAIT * 2 ** min(failures - 1, 16))
            self.deliveries.postpone(webhook.id, wait)

    def _disable(self, webhook: Webhook, reason: str, failing_seconds: float | None = None) -> None:
        def work(session: Transaction) -> Webhook | None:
            disabled = self.webhooks.disable(webhook, reason, session, failing_seconds)
            if disabled is not None:
                after = {"_id": webhook.id, "host": webhook.host, "enabled": False, "reason": reason}
                event = disabled.event("disabled", Author(None, "scheduler"), {"enabled": True}, after)
                self.events.append(event, session)
            return disabled

        if self.connection.transaction(work) is not None:
            log.warning("webhook.disabled", webhook=webhook.id, reason=reason)


def wait_after(
    attempts: int, chance: float, asked: float | None = None, waits: Sequence[float] = RETRY_DELAYS
) -> float | None:
    """Return the seconds to wait after this many failed attempts (1 or more); None after the last one.

    `chance`: a random number in [0, 1). `asked`: the receiver's Retry-After in seconds; it can lengthen a wait, to a
    day at most, and never shorten it.
    """
    if attempts > len(waits):
        return None
    wait = waits[attempts - 1] * (1 + JITTER * chance)
    return max(wait, min(asked or 0.0, MAX_RETRY_AFTER))


def event_body(event: Event) -> bytes:
    """Return the event as JSON, with the same fields as the API's response."""
    return _json(
        id=event.id,
        time=event.time,
        actor=event.actor,
        tenant=event.tenant_slug,
        action=event.action,
        before=event.before,
        after=event.after,
        requestId=event.request_id,
    )


def ping_body(record: DeliveryRecord) -> bytes:
    """Return a ping as JSON: an event that only this webhook gets, with the delivery's id."""
    return _json(id=record.id, time=record.created_at, action=record.action, requestId=record.request_id)


def _json(**fields: Any) -> bytes:
    return to_json({name: value for name, value in fields.items() if value is not None})
