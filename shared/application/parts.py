"""Compose single services: those that several others need, and those that only the scheduler runs."""

from __future__ import annotations

from shared.application.store import Repositories
from shared.billing.sync import BillingService
from shared.config.settings import Settings
from shared.messaging.high_water_mark import HighWaterMark
from shared.operations.dispatcher import Dispatcher
from shared.orphans.scanner import OrphanScanner
from shared.provisioning.backfill import Backfill
from shared.provisioning.domain_monitor import DomainMonitor
from shared.provisioning.drift_detection import DriftDetector
from shared.provisioning.settlement import Settlement
from shared.provisioning.starter import Starter
from shared.restore_guard.detector import RestoreDetector
from shared.restore_guard.service import ObserveOnlyService


def open_settlement(store: Repositories) -> Settlement:
    """Compose the settlement; `on_purged` lists the changes made in the transaction that purges a tenant."""
    on_purged = (
        store.subscriptions.cancel_all,
        store.domains.stop_checks,
        store.webhooks.schedule_removal,
        store.operations.remove_new_tenant,
    )
    return Settlement(
        connection=store.connection,
        events=store.events,
        operations=store.operations,
        tenants=store.tenants,
        tombstones=store.tombstones,
        users=store.users,
        on_purged=on_purged,
    )


def open_starter(store: Repositories, dispatcher: Dispatcher, settings: Settings) -> Starter:
    return Starter(
        connection=store.connection,
        events=store.events,
        operations=store.operations,
        tenants=store.tenants,
        settlement=open_settlement(store),
        dispatcher=dispatcher,
        settings=settings,
    )


def open_billing_service(store: Repositories) -> BillingService:
    return BillingService(
        connection=store.connection,
        billing_syncs=store.billing_syncs,
        events=store.events,
        subscriptions=store.subscriptions,
        tenants=store.tenants,
    )


def open_observe_only_service(store: Repositories) -> ObserveOnlyService:
    return ObserveOnlyService(
        connection=store.connection,
        events=store.events,
        orphan_scans=store.orphan_scans,
        restore_guard=store.restore_guard,
        switches=store.switches,
    )


def open_restore_detector(store: Repositories, high_water_mark: HighWaterMark, settings: Settings) -> RestoreDetector:
    return RestoreDetector(
        restore_guard=store.restore_guard,
        switches=store.switches,
        tenant_counts=store.tenant_counts,
        observe_only=open_observe_only_service(store),
        high_water_mark=high_water_mark,
        settings=settings,
    )


def open_orphan_scanner(store: Repositories, settings: Settings) -> OrphanScanner:
    return OrphanScanner(
        connection=store.connection,
        events=store.events,
        operations=store.operations,
        orphan_scans=store.orphan_scans,
        orphans=store.orphans,
        switches=store.switches,
        tenants=store.tenants,
        recorded_objects=store.recorded_objects,
        settings=settings,
    )


def open_domain_monitor(store: Repositories, starter: Starter, settings: Settings) -> DomainMonitor:
    return DomainMonitor(
        connection=store.connection,
        domain_checks=store.domain_checks,
        domains=store.domains,
        events=store.events,
        switches=store.switches,
        tenants=store.tenants,
        starter=starter,
        settings=settings,
    )


def open_drift_detector(store: Repositories, starter: Starter, settings: Settings) -> DriftDetector:
    return DriftDetector(
        operations=store.operations, switches=store.switches, tenants=store.tenants, starter=starter, settings=settings
    )


def open_backfill(store: Repositories, starter: Starter, settings: Settings) -> Backfill:
    return Backfill(
        connection=store.connection,
        backfill=store.backfill,
        operations=store.operations,
        rate_limiter=store.rate_limiter,
        switches=store.switches,
        starter=starter,
        settings=settings,
    )
