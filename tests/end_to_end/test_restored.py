"""A database restored from a backup under real processes: nothing is changed outside until an operator allows it."""

from __future__ import annotations

import time

from shared.operations.model import Mode, OperationStatus
from shared.switches.repository import CACHE_SECONDS
from tests.end_to_end.conftest import Platform
from tests.simulators import writes
from tests.waiting import until


def restore(platform: Platform) -> None:
    """Make the database look like an older copy: a lower number and no observe-only mode."""
    rows = platform.store.connection.client[platform.settings.mongodb_database]
    until(lambda: _remembered(platform) > 1)
    rows["switches"].delete_many({})
    rows["epochs"].update_one({}, {"$set": {"number": 1}})


def _remembered(platform: Platform) -> int:
    found = platform.dispatcher.high_water_mark.read(platform.settings.mongodb_database)
    return found.number if found else 0


def is_observing(platform: Platform) -> bool:
    return platform.services.observe_only.state(platform.admin).pause is not None


def test_a_worker_that_starts_on_an_older_copy_runs_no_step_until_an_operator_ends_it(platform: Platform) -> None:
    worker = platform.start_worker()
    platform.create("acme")
    platform.settled("acme")
    worker.terminate()
    worker.wait(20)
    restore(platform)
    view = platform.create("beta")
    platform.ocis.journal.clear()
    platform.start_worker()
    until(lambda: is_observing(platform))
    until(lambda: _deferred_count(platform) == 3)
    assert writes(platform.ocis) == []
    platform.services.observe_only.end(platform.admin)
    platform.start_scheduler()
    assert platform.settled("beta").operation.status is OperationStatus.SUCCEEDED  # type: ignore[union-attr]
    assert platform.has_one_of_each("beta")
    assert view.operation is not None
    assert not is_observing(platform)


def _deferred_count(platform: Platform) -> int:
    operation = platform.tenant("beta").operation
    assert operation is not None
    return sum(step.reason == "observe_only" for step in operation.steps)


def test_running_processes_detect_a_restore_and_dry_runs_continue(platform: Platform) -> None:
    platform.start_worker()
    platform.start_scheduler()
    platform.create("acme")
    platform.settled("acme")
    restore(platform)
    until(lambda: is_observing(platform))
    time.sleep(CACHE_SECONDS)  # the worker may have read breakers and pauses just before
    dry_run = platform.services.tenants.reconcile("acme", platform.admin, Mode.DRY_RUN).operation
    assert dry_run is not None
    assert platform.services.operations.wait_for(dry_run.id, platform.admin, 30).status is OperationStatus.SUCCEEDED
    reconcile = platform.services.tenants.reconcile("acme", platform.admin, Mode.APPLY).operation
    assert reconcile is not None
    time.sleep(2)
    assert platform.services.operations.get(reconcile.id, platform.admin).is_open
    platform.services.observe_only.end(platform.admin)
    assert platform.settled("acme").operation.status is OperationStatus.SUCCEEDED  # type: ignore[union-attr]
