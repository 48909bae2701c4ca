"""The scheduler's process (`python -m worker.scheduler`): its composition and end. Its jobs are in `worker.jobs`."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

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
from shared.core.logging import configure_logs
from shared.messaging.celery_app import make_celery
from shared.metrics.exposition import serve_metrics
from shared.operations.dispatcher import Dispatcher
from worker.composition import (
    open_billing_sync_job,
    open_breaker,
    open_bulk_job,
    open_collector,
    open_delivery_loop,
    open_diagnostics_job,
    open_doctor,
    open_pending_members_job,
    open_retention,
    open_scheduler_loop,
)
from worker.dns_lookup import DnsLookup
from worker.integrations.connect import connect_billing, connect_integrations
from worker.integrations.ocis import client as ocis
from worker.jobs.certificates import CertificateWatch
from worker.jobs.domain_checks import DomainCheckJob
from worker.jobs.orphan_scans import OrphanScanJob
from worker.jobs.scheduler_loop import BATCH, run_until

log = structlog.get_logger(__name__)


@contextmanager
def _looking_at_domains(store: Repositories, dispatcher: Dispatcher, settings: Settings) -> Iterator[Callable[[], int]]:
    """Give the job that checks domains, on threads of its own."""
    watch = open_domain_monitor(store, open_starter(store, dispatcher, settings), settings)
    looks = DomainCheckJob(watch, DnsLookup(settings.dns_servers, look_seconds=settings.call_seconds), settings)
    try:
        yield looks.push
    finally:
        looks.close()


@contextmanager
def _looking_at_billing(store: Repositories, settings: Settings) -> Iterator[Callable[[], int]]:
    """Give the job that compares subscriptions with Stripe, on threads of its own."""
    looks = open_billing_sync_job(store, connect_billing(settings), settings)
    try:
        yield looks.push
    finally:
        looks.close()


@contextmanager
def _looking_for_orphans(store: Repositories, settings: Settings) -> Iterator[Callable[[], int]]:
    """Give the job that scans products for what belongs to no tenant, on threads of its own."""
    watch = open_orphan_scanner(store, settings)
    looks = OrphanScanJob(watch, open_breaker(store, settings), connect_integrations(settings), settings)
    try:
        yield looks.push
    finally:
        looks.close()


@contextmanager
def _inviting_members(store: Repositories, dispatcher: Dispatcher, settings: Settings) -> Iterator[Callable[[], int]]:
    """Run the job that invites groups which OCIS did not know before, on a thread of its own."""
    job = open_pending_members_job(store, open_starter(store, dispatcher, settings), ocis.connect(settings), settings)
    try:
        yield job.push
    finally:
        job.close()


@contextmanager
def _delivering(store: Repositories, settings: Settings) -> Iterator[None]:
    """Deliver webhooks on a thread of their own meanwhile."""
    courier = open_delivery_loop(store, settings)
    deliveries = threading.Thread(target=courier.run, args=(settings.sweep_interval_seconds,), name="courier")
    deliveries.start()
    try:
        yield
    finally:
        courier.stop()
        deliveries.join()


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    try:
        settings = read_settings()
    except SettingsError as problem:
        sys.exit(f"The settings do not make sense:\n{problem}")
    configure_logs(settings.log_level, settings.log_format)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    store = open_repositories(settings)
    dispatcher = Dispatcher(settings.broker)
    log.info("sweep.started", interval=settings.sweep_interval_seconds)
    with (
        _looking_at_domains(store, dispatcher, settings) as look_at_domains,
        _looking_at_billing(store, settings) as look_at_billing,
        _looking_for_orphans(store, settings) as look_for_orphans,
        _inviting_members(store, dispatcher, settings) as invite_members,
        _delivering(store, settings),
    ):
        control_plane = open_services(store, dispatcher, settings)
        life = control_plane.life
        bulk = open_bulk_job(store, control_plane.bulk, settings)
        drift = open_drift_detector(store, open_starter(store, dispatcher, settings), settings)
        certificates = CertificateWatch(settings)
        app = make_celery(settings.broker, "sender")
        doctor = open_doctor(store, dispatcher, app, connect_integrations(settings), settings)
        diagnostics = open_diagnostics_job(store, doctor)
        backfill = open_backfill(store, open_starter(store, dispatcher, settings), settings)
        jobs: dict[str, Callable[[], int]] = {
            "restore_detection": open_restore_detector(store, dispatcher.memory, settings).look,
            "lifecycle": partial(life.take_up, BATCH),
            "domain_checks": look_at_domains,
            "billing_sync": look_at_billing,
            "orphan_scans": look_for_orphans,
            "pending_members": invite_members,
            "backfill": backfill.push,
            "drift_checks": drift.push,
            "status_repair": store.status_repair.push,
            "bulk_operations": bulk.push,
            "certificates": certificates.push,
            "diagnostics": diagnostics.push,
            "retention": open_retention(store, settings).push,
        }
        serve_metrics(settings.metrics_port, settings.metrics_host, [open_collector(store, dispatcher)])
        run_until(stop, open_scheduler_loop(store, dispatcher, jobs), settings.sweep_interval_seconds)
    dispatcher.close()
    store.close()
    log.info("sweep.stopped")


if __name__ == "__main__":
    main()
