"""The scheduler's process (`python -m worker.scheduler`): composition, start, stop. Its jobs are in `worker.jobs`."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import structlog

from shared.application.collectors import PlatformCollector
from shared.application.services import open_services
from shared.application.store import Repositories, open_repositories
from shared.config.former_names import warn_of_former_names
from shared.config.settings import Settings, SettingsError, read_settings
from shared.core.logging import configure_logs
from shared.messaging.celery_app import make_celery
from shared.metrics.exposition import serve_metrics
from shared.operations.dispatcher import Dispatcher
from shared.orphans.scanner import OrphanScanner
from shared.provisioning.backfill import Backfill
from shared.provisioning.domain_monitor import DomainMonitor
from shared.provisioning.drift_detection import DriftDetector
from shared.provisioning.starter import Starter
from shared.restore_guard.detector import RestoreDetector
from worker.diagnostics.checks import Doctor
from worker.diagnostics.job import DiagnosticsJob
from worker.dns_lookup import DnsLookup
from worker.execution.breaker import Breaker
from worker.integrations.connect import connect_billing, connect_integrations
from worker.integrations.ocis import client as ocis
from worker.jobs.billing_sync import BillingSyncJob
from worker.jobs.bulk_operations import BulkJob
from worker.jobs.certificates import CertificateJob
from worker.jobs.domain_checks import DomainCheckJob
from worker.jobs.orphan_scans import OrphanScanJob
from worker.jobs.pending_members import PendingMembersJob
from worker.jobs.retention import RetentionJob
from worker.jobs.scheduler_loop import BATCH, SchedulerLoop, run_until
from worker.jobs.webhook_delivery.delivery_loop import open_delivery_loop

log = structlog.get_logger(__name__)


@contextmanager
def _domain_checks(store: Repositories, dispatcher: Dispatcher, settings: Settings) -> Iterator[Callable[[], int]]:
    """Yield the job that checks domains on its own threads; close it at the end."""
    monitor = DomainMonitor(store, Starter(store, dispatcher, settings), settings)
    job = DomainCheckJob(monitor, DnsLookup(settings.dns_servers, lookup_seconds=settings.call_seconds), settings)
    try:
        yield job.push
    finally:
        job.close()


@contextmanager
def _billing_sync(store: Repositories, settings: Settings) -> Iterator[Callable[[], int]]:
    """Yield the job that reads subscriptions from Stripe on its own threads; close it at the end."""
    job = BillingSyncJob(store, connect_billing(settings), settings)
    try:
        yield job.push
    finally:
        job.close()


@contextmanager
def _orphan_scans(store: Repositories, settings: Settings) -> Iterator[Callable[[], int]]:
    """Yield the job that scans integrations for orphans on its own threads; close it at the end."""
    scanner = OrphanScanner(store, settings)
    job = OrphanScanJob(scanner, Breaker(store, settings), connect_integrations(settings), settings)
    try:
        yield job.push
    finally:
        job.close()


@contextmanager
def _pending_members(store: Repositories, dispatcher: Dispatcher, settings: Settings) -> Iterator[Callable[[], int]]:
    """Yield the job that invites groups which OCIS did not know before, on its own thread; close it at the end."""
    job = PendingMembersJob(store, Starter(store, dispatcher, settings), ocis.connect(settings), settings)
    try:
        yield job.push
    finally:
        job.close()


@contextmanager
def _webhook_deliveries(store: Repositories, settings: Settings) -> Iterator[None]:
    """Deliver webhooks on their own thread during this block."""
    delivery_loop = open_delivery_loop(store, settings)
    thread = threading.Thread(target=delivery_loop.run, args=(settings.scheduler_interval_seconds,), name="deliveries")
    thread.start()
    try:
        yield
    finally:
        delivery_loop.stop()
        thread.join()


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    try:
        settings = read_settings()
    except SettingsError as problem:
        sys.exit(f"The settings are invalid:\n{problem}")
    configure_logs(settings.log_level, settings.log_format)
    warn_of_former_names()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    store = open_repositories(settings)
    dispatcher = Dispatcher(settings.broker)
    log.info("scheduler.started", interval=settings.scheduler_interval_seconds)
    with (
        _domain_checks(store, dispatcher, settings) as check_domains,
        _billing_sync(store, settings) as sync_billing,
        _orphan_scans(store, settings) as scan_orphans,
        _pending_members(store, dispatcher, settings) as invite_members,
        _webhook_deliveries(store, settings),
    ):
        services = open_services(store, dispatcher, settings)
        bulk = BulkJob(store, services.bulk, settings)
        drift = DriftDetector(store, Starter(store, dispatcher, settings), settings)
        certificates = CertificateJob(settings)
        app = make_celery(settings.broker, "sender")
        doctor = Doctor(store, dispatcher, app, connect_integrations(settings), settings)
        diagnostics = DiagnosticsJob(store, doctor)
        backfill = Backfill(store, Starter(store, dispatcher, settings), settings)
        jobs: dict[str, Callable[[], int]] = {
            "restore_detection": RestoreDetector(store, dispatcher.memory, settings).look,
            "lifecycle": partial(services.life.take_up, BATCH),
            "domain_checks": check_domains,
            "billing_sync": sync_billing,
            "orphan_scans": scan_orphans,
            "pending_members": invite_members,
            "backfill": backfill.push,
            "drift_checks": drift.push,
            "status_repair": store.status_repair.push,
            "bulk_operations": bulk.push,
            "certificates": certificates.push,
            "diagnostics": diagnostics.push,
            "retention": RetentionJob(store, settings).push,
        }
        serve_metrics(settings.metrics_port, settings.metrics_host, [PlatformCollector(store, dispatcher)])
        run_until(stop, SchedulerLoop(store, dispatcher, jobs), settings.scheduler_interval_seconds)
    dispatcher.close()
    store.close()
    log.info("scheduler.stopped")


if __name__ == "__main__":
    main()
