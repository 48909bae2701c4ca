"""Compose the parts of worker and scheduler from the repositories."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from celery import Celery

from shared.application.collectors import PlatformCollector
from shared.application.parts import open_billing_service, open_settlement
from shared.application.store import Repositories
from shared.bulk.service import BulkService
from shared.config.settings import Settings
from shared.core.encryption import SecretCipher
from shared.operations.dispatcher import Dispatcher
from shared.provisioning.starter import Starter
from shared.webhooks.delivery_rules import webhook_cipher
from shared.workflows.model import Action
from worker.diagnostics.checks import Diagnostics
from worker.diagnostics.job import DiagnosticsJob
from worker.dns_lookup import DnsLookup
from worker.execution.breaker import Breaker
from worker.execution.bulkhead import Bulkhead
from worker.execution.runner import Runner
from worker.execution.step_contexts import StepContexts
from worker.execution.watchdog import Watchdog
from worker.integrations.ocis.client import OcisClient
from worker.integrations.registry import Functions
from worker.jobs.billing_sync import BillingSyncJob
from worker.jobs.bulk_operations import BulkJob
from worker.jobs.pending_members import PendingMembersJob
from worker.jobs.retention import RetentionJob
from worker.jobs.scheduler_loop import SchedulerLoop
from worker.jobs.webhook_delivery.attempt import RETRY_DELAYS, Attempts
from worker.jobs.webhook_delivery.cleanup import EndedWebhooks
from worker.jobs.webhook_delivery.delivery_loop import DeliveryLoop
from worker.jobs.webhook_delivery.outbox_relay import EVENTS, OutboxRelay
from worker.jobs.webhook_delivery.safe_client import SafeWebhookClient

if TYPE_CHECKING:
    from worker.integrations.stripe.client import StripeClient


def open_breaker(store: Repositories, settings: Settings) -> Breaker:
    return Breaker(operations=store.operations, switches=store.switches, settings=settings)


def open_runner(
    store: Repositories,
    dispatcher: Dispatcher,
    steps: Mapping[Action, Functions],
    clients: Mapping[str, Any],
    settings: Settings,
    bulkhead: Bulkhead | None = None,
    watchdog: Watchdog | None = None,
) -> Runner:
    breaker = open_breaker(store, settings)
    contexts = StepContexts(
        domains=store.domains,
        operations=store.operations,
        tenants=store.tenants,
        recorded_objects=store.recorded_objects,
        billing=open_billing_service(store),
        settings=settings,
        breaker=breaker,
        clients=clients,
    )
    return Runner(
        deferrals=store.deferrals,
        operations=store.operations,
        tenants=store.tenants,
        settlement=open_settlement(store),
        breaker=breaker,
        contexts=contexts,
        dispatcher=dispatcher,
        steps=steps,
        clients=clients,
        settings=settings,
        bulkhead=bulkhead,
        watchdog=watchdog,
    )


def open_scheduler_loop(
    store: Repositories,
    dispatcher: Dispatcher,
    jobs: Mapping[str, Callable[[], int]] = {},
    before: Mapping[str, Callable[[], int]] = {},
) -> SchedulerLoop:
    return SchedulerLoop(
        connection=store.connection,
        deferrals=store.deferrals,
        operations=store.operations,
        switches=store.switches,
        settlement=open_settlement(store),
        dispatcher=dispatcher,
        before=before,
        jobs=jobs,
    )


def open_bulk_job(store: Repositories, bulk: BulkService, settings: Settings) -> BulkJob:
    return BulkJob(
        bulk=store.bulk,
        rate_limiter=store.rate_limiter,
        switches=store.switches,
        service=bulk,
        settings=settings,
    )


def open_billing_sync_job(store: Repositories, billing: StripeClient | None, settings: Settings) -> BillingSyncJob:
    return BillingSyncJob(
        billing_syncs=store.billing_syncs,
        breaker=open_breaker(store, settings),
        service=open_billing_service(store),
        billing=billing,
        settings=settings,
    )


def open_pending_members_job(
    store: Repositories, starter: Starter, ocis: OcisClient | None, settings: Settings
) -> PendingMembersJob:
    return PendingMembersJob(
        pending_members=store.pending_members,
        switches=store.switches,
        starter=starter,
        breaker=open_breaker(store, settings),
        ocis=ocis,
        settings=settings,
    )


def open_retention(store: Repositories, settings: Settings) -> RetentionJob:
    return RetentionJob(rate_limiter=store.rate_limiter, retention=store.retention, settings=settings)


def open_diagnostics(
    store: Repositories, dispatcher: Dispatcher, app: Celery, clients: Mapping[str, Any], settings: Settings
) -> Diagnostics:
    return Diagnostics(
        connection=store.connection,
        missing_indexes=store.missing_indexes,
        migrator=store.migrator,
        problems=store.problems,
        status_repair=store.status_repair,
        dispatcher=dispatcher,
        app=app,
        clients=clients,
        settings=settings,
    )


def open_diagnostics_job(store: Repositories, diagnostics: Diagnostics) -> DiagnosticsJob:
    return DiagnosticsJob(runs=store.diagnostics, diagnostics=diagnostics)


def open_collector(store: Repositories, dispatcher: Dispatcher) -> PlatformCollector:
    return PlatformCollector(
        connection=store.connection,
        outcomes=store.outcomes,
        problems=store.problems,
        switches=store.switches,
        dispatcher=dispatcher,
    )


def open_ended_webhooks(store: Repositories) -> EndedWebhooks:
    return EndedWebhooks(
        connection=store.connection, deliveries=store.deliveries, events=store.events, webhooks=store.webhooks
    )


def open_outbox_relay(store: Repositories, keep_days: float, batch: int = EVENTS) -> OutboxRelay:
    return OutboxRelay(
        connection=store.connection,
        deliveries=store.deliveries,
        events=store.events,
        tenants=store.tenants,
        webhooks=store.webhooks,
        keep_days=keep_days,
        batch=batch,
    )


def open_attempts(
    store: Repositories,
    client: SafeWebhookClient,
    cipher: SecretCipher,
    disable_seconds: float,
    waits: Sequence[float] = RETRY_DELAYS,
) -> Attempts:
    return Attempts(
        connection=store.connection,
        deliveries=store.deliveries,
        events=store.events,
        tenants=store.tenants,
        webhooks=store.webhooks,
        client=client,
        cipher=cipher,
        disable_seconds=disable_seconds,
        waits=waits,
    )


def compose_delivery_loop(
    store: Repositories, attempts: Attempts, *, keep_days: float, concurrency: int, lease_seconds: float
) -> DeliveryLoop:
    return DeliveryLoop(
        deliveries=store.deliveries,
        ended=open_ended_webhooks(store),
        relay=open_outbox_relay(store, keep_days),
        attempts=attempts,
        concurrency=concurrency,
        lease_seconds=lease_seconds,
    )


def open_delivery_loop(store: Repositories, settings: Settings) -> DeliveryLoop:
    call_seconds = settings.webhook_call_seconds
    lookup = DnsLookup(settings.dns_servers, lookup_seconds=call_seconds)
    client = SafeWebhookClient(
        lookup.addresses,
        allowed_networks=settings.webhook_allowed_networks,
        call_seconds=call_seconds,
        ca_file=settings.extra_ca_certs,
    )
    attempts = open_attempts(store, client, webhook_cipher(settings), settings.webhook_disable_seconds)
    # if a slow database makes an attempt outlive its lease, the event is sent twice, which is allowed
    lease_seconds = 2 * call_seconds + 5
    return compose_delivery_loop(
        store,
        attempts,
        keep_days=settings.webhook_keep_days,
        concurrency=settings.webhook_concurrency,
        lease_seconds=lease_seconds,
    )
