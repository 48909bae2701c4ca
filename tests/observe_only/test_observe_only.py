"""In observe-only mode dry runs and checks continue, nothing changes outside, and operations are deferred."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from shared.application.parts import open_backfill, open_domain_monitor, open_drift_detector, open_starter
from shared.config.addresses import BrokerAddress
from shared.core.errors import Forbidden, ObserveOnly
from shared.operations.dispatcher import Dispatcher
from shared.operations.model import Mode, OperationStatus
from shared.rights.policy import Actor
from shared.tenants.model import NewTenant, Status
from shared.tenants.views import TenantView
from tests.platform_fixture import PlatformFixture
from tests.simulators import writes
from worker.composition import open_scheduler_loop


def release(platform: PlatformFixture) -> int:
    return open_scheduler_loop(platform.store, Dispatcher(BrokerAddress.of("redis://127.0.0.1:9/0"))).run_once()


def run_once(platform: PlatformFixture, operation_id: str) -> list[str]:
    operation = platform.store.operations.find(operation_id)
    assert operation is not None
    return [platform.runner.run(operation.id, step.name, operation.dispatch).summary for step in operation.steps]


def test_observe_only_mode_defers_accepted_operations_until_it_ends(
    platform: PlatformFixture,
) -> None:
    platform.services.observe_only.begin("a backup is being checked", platform.admin)
    operation = platform.services.tenants.create(
        NewTenant("acme", "Acme", "starter", ("acme.test",)), platform.admin
    ).operation
    assert operation is not None
    assert run_once(platform, operation.id) == ["deferred"] * 3
    assert writes(platform.authentik) == writes(platform.ocis) == []
    deferred = platform.store.operations.find(operation.id)
    assert deferred is not None
    step = deferred.step("ocis")
    assert (step.attempts, step.reason, step.status) == (0, "observe_only", "pending")
    assert "a backup is being checked" in (step.message or "")
    assert deferred.paused_at is not None
    platform.services.observe_only.end(platform.admin)
    assert release(platform) >= 1
    assert platform.finish(platform.services.tenants.get("acme", platform.admin)).status is OperationStatus.SUCCEEDED


def test_a_dry_run_still_runs_and_lists_the_changes(platform: PlatformFixture) -> None:
    tenant = platform.grown("acme")
    platform.clients["ocis"].update_space(tenant.remote["ocisSpaceId"], {"name": "Renamed"})
    platform.services.observe_only.begin("an investigation", platform.admin)
    dry_run = platform.finish(platform.services.tenants.reconcile("acme", platform.admin, Mode.DRY_RUN))
    assert dry_run.status is OperationStatus.SUCCEEDED
    assert dry_run.step("ocis").changes == ("set name of the space Renamed",)
    assert platform.clients["ocis"].find_space(tenant.remote["ocisSpaceId"]).name == "Renamed"


def test_in_observe_only_mode_no_automatic_operation_starts(
    make_platform: Callable[..., PlatformFixture], dispatcher: Dispatcher
) -> None:
    platform = make_platform(delete_grace_days=0)
    for slug in ("acme", "beta", "gamma"):
        platform.grown(slug)
    # acme is due for a purge, beta for a backfill, and a domain of gamma has just been verified
    platform.finish(platform.services.lifecycle.delete("acme", platform.admin))
    platform.rows["tenants"].update_one({"slug": "beta"}, {"$set": {"unconfigured": ["ocis"]}})
    platform.rows["domains"].update_one({"domain": "gamma.test"}, [{"$set": {"reconcileDueAt": "$$NOW"}}])
    starter = open_starter(platform.store, dispatcher, platform.settings)

    def begun() -> list[int]:
        backfill = open_backfill(platform.store, starter, platform.settings)
        reconciles = open_domain_monitor(platform.store, starter, platform.settings)
        return [platform.services.lifecycle.start_due(200), backfill.run_once(), reconciles.start_reconciles()]

    platform.services.observe_only.begin("an investigation", platform.admin)
    assert begun() == [0, 0, 0]
    platform.services.observe_only.end(platform.admin)
    assert begun() == [1, 1, 1]


def test_an_orphans_removal_is_refused_and_an_already_requested_one_waits(platform: PlatformFixture) -> None:
    platform.grown("acme")
    platform.forget("acme")
    platform.scan()
    platform.scan()
    platform.services.orphans.remove(platform.one("ocis").id, platform.admin)
    platform.services.observe_only.begin("an investigation", platform.admin)
    with pytest.raises(ObserveOnly):
        platform.services.orphans.remove(platform.one("authentik").id, platform.admin)
    platform.ocis.journal.clear()
    seen = platform.scan()
    assert (platform.one("ocis").status, writes(platform.ocis)) == ("removing", [])
    assert seen["authentik"].orphans == 1
    platform.services.observe_only.end(platform.admin)
    platform.run_orphan_jobs()
    assert platform.one("ocis").status == "removed"


def test_after_observe_only_mode_drift_checks_of_all_active_tenants_and_orphan_scans_of_all_products_are_due(
    platform: PlatformFixture, dispatcher: Dispatcher
) -> None:
    platform.grown("acme")
    platform.scan()
    drift = open_drift_detector(
        platform.store, open_starter(platform.store, dispatcher, platform.settings), platform.settings
    )
    assert drift.run_once() == 0
    platform.services.observe_only.begin("an investigation", platform.admin)
    before = list(platform.rows["tenants"].find())
    platform.services.observe_only.end(platform.admin)
    assert list(platform.rows["tenants"].find()) == before, (
        "they may be a hundred thousand, more than one request can write"
    )
    assert drift.run_once() == 1
    assert platform.tenant("acme").id in {row["tenantId"] for row in platform.rows["operations"].find({"mode": "plan"})}
    platform.finish(
        TenantView(platform.tenant("acme"), platform.store.operations.find_open(platform.tenant("acme").id))
    )
    assert drift.run_once() == 0
    claims = [platform.store.orphan_scans.claim([name], 5) for name in ("authentik", "stalwart", "ocis")]
    assert all(claims)


def test_start_and_end_are_events_with_actor_and_reason(platform: PlatformFixture) -> None:
    platform.services.observe_only.begin("first", platform.admin)
    again = platform.services.observe_only.begin("second", platform.admin)
    assert again.pause is not None
    assert (again.pause.reason, again.pause.by) == ("second", platform.admin.user.id)
    assert platform.services.observe_only.begin_automatically("third") is False
    platform.services.observe_only.end(platform.admin)
    platform.services.observe_only.end(platform.admin)
    found = platform.events("observe_only.begun", "observe_only.ended")
    assert [(one["action"], (one["after"] or {}).get("reason")) for one in found] == [
        ("observe_only.begun", "first"),
        ("observe_only.begun", "second"),
        ("observe_only.ended", None),
    ]
    assert platform.services.observe_only.state(platform.admin).pause is None


def test_in_observe_only_mode_access_to_our_api_still_closes_and_opens(platform: PlatformFixture) -> None:
    platform.grown("acme")
    platform.services.observe_only.begin("an investigation", platform.admin)
    assert platform.services.lifecycle.delete("acme", platform.admin).tenant.status is Status.DELETED
    assert platform.tenant("acme").purge_after is not None


def test_a_pause_of_all_integrations_defers_dry_runs_too(platform: PlatformFixture) -> None:
    platform.grown("acme")
    platform.services.observe_only.begin("an investigation", platform.admin)
    platform.services.switches.pause("all", "power cut", platform.admin)
    dry_run = platform.services.tenants.reconcile("acme", platform.admin, Mode.DRY_RUN).operation
    assert dry_run is not None
    assert set(run_once(platform, dry_run.id)) == {"skipped"}
    ended = platform.store.operations.find(dry_run.id)
    assert ended is not None
    assert {step.reason for step in ended.steps} == {"not_checked"}


def test_the_deadline_of_a_deferred_operation_is_extended(make_platform: Callable[..., PlatformFixture]) -> None:
    platform = make_platform(operation_deadline_seconds=1)
    platform.services.observe_only.begin("an investigation", platform.admin)
    operation = platform.services.tenants.create(NewTenant("acme", "Acme", "starter"), platform.admin).operation
    assert operation is not None
    run_once(platform, operation.id)
    time.sleep(1.2)
    release(platform)
    deferred = platform.store.operations.find(operation.id)
    assert deferred is not None
    assert deferred.status is OperationStatus.RUNNING
    platform.services.observe_only.end(platform.admin)
    release(platform)
    freed = platform.store.operations.find(operation.id)
    assert freed is not None
    assert freed.deadline_at > deferred.deadline_at


def test_a_step_that_is_open_in_a_backup_searches_before_it_creates(platform: PlatformFixture) -> None:
    view = platform.services.tenants.create(NewTenant("acme", "Acme", "starter", ("acme.test",)), platform.admin)
    backup = [(name, row) for name in ("tenants", "operations") for row in platform.rows[name].find()]
    assert platform.finish(view).status is OperationStatus.SUCCEEDED
    for name, row in backup:
        platform.rows[name].replace_one({"_id": row["_id"]}, row)
    platform.services.observe_only.begin("a backup was restored", platform.admin)
    platform.services.observe_only.end(platform.admin)
    assert platform.finish(view).status is OperationStatus.SUCCEEDED
    assert len(platform.spaces()) == 1


def test_only_a_platform_administrator_may_use_observe_only_mode(platform: PlatformFixture) -> None:
    outside = Actor(platform.admin.user, frozenset({"portal"}))
    observing = platform.services.observe_only
    for ask in (observing.state, observing.end, lambda actor: observing.begin("x", actor)):
        with pytest.raises(Forbidden):
            ask(outside)


def test_drift_checks_wait_while_the_tenant_is_paused(
    make_platform: Callable[..., PlatformFixture], dispatcher: Dispatcher
) -> None:
    platform = make_platform(drift_check_hours=24)
    platform.grown("acme")
    platform.rows["tenants"].update_many({}, {"$unset": {"driftDueAt": ""}})
    detector = open_drift_detector(
        platform.store, open_starter(platform.store, dispatcher, platform.settings), platform.settings
    )
    platform.services.switches.pause_tenant("acme", "moving", platform.admin)
    assert detector.run_once() == 0
    platform.services.switches.unpause_tenant("acme", platform.admin)
    assert detector.run_once() == 1
    assert platform.events("operation.failed") == []
