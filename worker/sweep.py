"""The sweep's process (`python -m worker.sweep`): its composition, and its end. What it does is in `sweeping`."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import structlog

from shared.control_plane.backfill import Backfill
from shared.control_plane.domain_watch import DomainWatch
from shared.control_plane.drift import DriftWatch
from shared.control_plane.opening import open_control_plane
from shared.control_plane.orphan_watch import OrphanWatch
from shared.control_plane.restore_watch import RestoreWatch
from shared.control_plane.starting import Starter
from shared.dispatch.sender import Dispatcher
from shared.logs import configure_logs
from shared.settings import Settings, SettingsError, read_settings
from shared.store.opening import Store, open_store
from worker.billing_looks import BillingLooks
from worker.domain_looks import DomainLooks
from worker.gate import Gate
from worker.integrations.connecting import connect_billing, connect_integrations
from worker.integrations.dns_lookup import DnsLookup
from worker.orphans.looks import OrphanLooks
from worker.sweeping import BATCH, Sweep, sweep_until
from worker.webhooks.courier import open_courier

log = structlog.get_logger(__name__)


@contextmanager
def _looking_at_domains(store: Store, dispatcher: Dispatcher, settings: Settings) -> Iterator[Callable[[], int]]:
    """The duty that has domains looked at, on threads of its own."""
    watch = DomainWatch(store, Starter(store, dispatcher, settings), settings)
    looks = DomainLooks(watch, DnsLookup(settings.dns_servers, look_seconds=settings.call_seconds), settings)
    try:
        yield looks.push
    finally:
        looks.close()


@contextmanager
def _looking_at_billing(store: Store, settings: Settings) -> Iterator[Callable[[], int]]:
    """The duty that has subscriptions looked at in Stripe, on threads of its own."""
    looks = BillingLooks(store, connect_billing(settings), settings)
    try:
        yield looks.push
    finally:
        looks.close()


@contextmanager
def _looking_for_orphans(store: Store, settings: Settings) -> Iterator[Callable[[], int]]:
    """The duty that has products looked through for what belongs to no tenant, on threads of its own."""
    watch = OrphanWatch(store, settings)
    looks = OrphanLooks(watch, Gate(store, settings), connect_integrations(settings), settings)
    try:
        yield looks.push
    finally:
        looks.close()


@contextmanager
def _delivering(store: Store, settings: Settings) -> Iterator[None]:
    """Webhooks are delivered on a thread of its own meanwhile."""
    courier = open_courier(store, settings)
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
    store = open_store(settings)
    dispatcher = Dispatcher(settings.broker)
    log.info("sweep.started", interval=settings.sweep_interval_seconds)
    with (
        _looking_at_domains(store, dispatcher, settings) as look_at_domains,
        _looking_at_billing(store, settings) as look_at_billing,
        _looking_for_orphans(store, settings) as look_for_orphans,
        _delivering(store, settings),
    ):
        life = open_control_plane(store, dispatcher, settings).life
        drift = DriftWatch(store, Starter(store, dispatcher, settings), settings)
        backfill = Backfill(store, Starter(store, dispatcher, settings), settings)
        looks = (look_at_domains, look_at_billing, look_for_orphans)
        restored = RestoreWatch(store, dispatcher.memory, settings)
        duties = (restored.look, partial(life.take_up, BATCH), *looks, backfill.push, drift.push)
        sweep_until(stop, Sweep(store, dispatcher, duties), settings.sweep_interval_seconds)
    dispatcher.close()
    store.close()
    log.info("sweep.stopped")


if __name__ == "__main__":
    main()
