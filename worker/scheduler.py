"""The scheduler's process (`python -m worker.scheduler`): composition, start, stop. Its jobs are in `worker.jobs`."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import structlog

from shared.application.parts import (
    open_backfill,
    open_domain_monitor,
    open_drift_detector,
    open_orphan_scanner,
    open_restore_detector,
    open_starter,
)
from shared.application.services import open_services
from shared.application.store import Repositories, open_repositories
from shared.config.settings import Settings, SettingsError, read_settings
from shared.config.sources import warn_of_former_names
from shared.core.logging import configure_logs
from shared.integrations.catalog import BILLING, OCIS
from shared.messaging.celery_app import make_celery
from shared.metrics.exposition import serve_metrics
from shared.operations.dispatcher import Dispatcher
from shared.provisioning.starter import Starter
from worker.composition import (
    open_billing_sync_job,
    open_breaker,
    open_bulk_job,
    open_collector,
    open_delivery_loop,
    open_diagnostics,
    open_diagnostics_job,
    open_pending_members_job,
    open_retention,
    open_scheduler_loop,
)
from worker.dns_lookup import DnsLookup
from worker.integrations.registry import connect_integrations
from worker.jobs.certificates import CertificateJob
from worker.jobs.domain_checks import DomainCheckJob
from worker.jobs.orphan_scans import OrphanScanJob
from worker.jobs.scheduler_loop import BATCH, run_until

log = structlog.get_logger(__name__)


def _domain_checks(store: Repositories, starter: Starter, settings: Settings) -> DomainCheckJob:
    monitor = open_domain_monitor(store, starter, settings)
    return DomainCheckJob(monitor, DnsLookup(settings.dns_servers, lookup_seconds=settings.call_seconds), settings)


def _orphan_scans(store: Repositories, clients: Mapping[str, Any], settings: Settings) -> OrphanScanJob:
    scanner = open_orphan_scanner(store, settings)
    return OrphanScanJob(scanner, open_breaker(store, settings), clients, settings)


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
    starter, clients = open_starter(store, dispatcher, settings), connect_integrations(settings)
    log.info("scheduler.started", interval=settings.scheduler_interval_seconds)
    with (
        # these jobs work on threads of their own
        closing(_domain_checks(store, starter, settings)) as domain_checks,
        closing(open_billing_sync_job(store, clients[BILLING], settings)) as billing_sync,
        closing(_orphan_scans(store, clients, settings)) as orphan_scans,
        closing(open_pending_members_job(store, starter, clients[OCIS], settings)) as pending_members,
        _webhook_deliveries(store, settings),
    ):
        services = open_services(store, dispatcher, settings)
        bulk = open_bulk_job(store, services.bulk, settings)
        drift = open_drift_detector(store, starter, settings)
        certificates = CertificateJob(settings)
        app = make_celery(settings.broker, "sender")
        checks = open_diagnostics(store, dispatcher, app, clients, settings)
        diagnostics = open_diagnostics_job(store, checks)
        backfill = open_backfill(store, starter, settings)
        before = {"restore_detection": open_restore_detector(store, dispatcher.high_water_mark, settings).check}
        jobs: dict[str, Callable[[], int]] = {
            "lifecycle": partial(services.lifecycle.start_due, BATCH),
            "domain_checks": domain_checks.run_once,
            "billing_sync": billing_sync.run_once,
            "orphan_scans": orphan_scans.run_once,
            "pending_members": pending_members.run_once,
            "backfill": backfill.run_once,
            "drift_checks": drift.run_once,
            "status_repair": store.status_repair.run_once,
            "bulk_operations": bulk.run_once,
            "certificates": certificates.run_once,
            "diagnostics": diagnostics.run_once,
            "retention": open_retention(store, settings).run_once,
        }
        serve_metrics(settings.metrics_port, settings.metrics_host, [open_collector(store, dispatcher)])
        run_until(stop, open_scheduler_loop(store, dispatcher, jobs, before), settings.scheduler_interval_seconds)
    dispatcher.close()
    store.close()
    log.info("scheduler.stopped")


if __name__ == "__main__":
    main()
