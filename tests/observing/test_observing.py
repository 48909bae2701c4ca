"""While the platform only observes, plans and looks go on and nothing changes outside; what waits begins afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from shared.config.broker_url import BrokerAddress
from shared.core.errors import Forbidden, ObserveOnly
from shared.operations.dispatcher import Dispatcher
from shared.operations.model import Mode, OperationStatus
from shared.provisioning.backfill import Backfill
from shared.provisioning.domain_monitor import DomainWatch
from shared.provisioning.drift_detection import DriftWatch
from shared.provisioning.exports import TenantView
from shared.provisioning.policy import Actor
from shared.provisioning.starter import Starter
from shared.tenants.model import NewTenant, Status
from tests.simulators import writes
from tests.yard import Yard
from worker.jobs.scheduler_loop import Sweep


def release(yard: Yard) -> int:
    return Sweep(yard.store, Dispatcher(BrokerAddress.of("redis://127.0.0.1:9/0"))).look()


def run_once(yard: Yard, operation_id: str) -> list[str]:
    operation = yard.store.operations.find(operation_id)
    assert operation is not None
    return [yard.runner.run(operation.id, step.name, operation.dispatch).said for step in operation.steps]


def test_what_is_asked_for_is_accepted_and_waits_with_its_reason_and_begins_when_it_ends(yard: Yard) -> None:
    yard.plane.observing.begin("a backup is being looked at", yard.admin)
    operation = yard.plane.tenants.create(NewTenant("acme", "Acme", "starter", ("acme.test",)), yard.admin).operation
    assert operation is not None
    assert run_once(yard, operation.id) == ["deferred"] * 3
    assert writes(yard.authentik) == writes(yard.ocis) == []
    held = yard.store.operations.find(operation.id)
    assert held is not None
    step = held.step("ocis")
    assert (step.attempts, step.reason, step.status) == (0, "observe_only", "pending")
    assert "a backup is being looked at" in (step.message or "")
    assert held.paused_at is not None
    yard.plane.observing.end(yard.admin)
    assert release(yard) >= 1
    assert yard.finish(yard.plane.tenants.get("acme", yard.admin)).status is OperationStatus.SUCCEEDED


def test_a_plan_goes_on_and_says_what_would_change(yard: Yard) -> None:
    tenant = yard.grown("acme")
    yard.clients["ocis"].update_space(tenant.remote["ocisSpaceId"], {"name": "Renamed"})
    yard.plane.observing.begin("looking", yard.admin)
    plan = yard.finish(yard.plane.tenants.reconcile("acme", yard.admin, Mode.PLAN))
    assert plan.status is OperationStatus.SUCCEEDED
    assert plan.step("ocis").changes == ("set name of the space Renamed",)
    assert yard.clients["ocis"].find_space(tenant.remote["ocisSpaceId"]).name == "Renamed"


def test_nothing_begins_by_itself(make_yard: Callable[..., Yard], dispatcher: Dispatcher) -> None:
    yard = make_yard(delete_grace_days=0)
    for slug in ("acme", "beta", "gamma"):
        yard.grown(slug)
    # acme is to be purged, beta to be brought to an integration, a domain of gamma was proven just now
    yard.finish(yard.plane.life.delete("acme", yard.admin))
    yard.rows["tenants"].update_one({"slug": "beta"}, {"$set": {"unconfigured": ["ocis"]}})
    yard.rows["domains"].update_one({"domain": "gamma.test"}, [{"$set": {"reconcileDueAt": "$$NOW"}}])
    starter = Starter(yard.store, dispatcher, yard.settings)

    def begun() -> list[int]:
        backfill = Backfill(yard.store, starter, yard.settings)
        reconciles = DomainWatch(yard.store, starter, yard.settings)
        return [yard.plane.life.take_up(200), backfill.push(), reconciles.start_reconciles()]

    yard.plane.observing.begin("looking", yard.admin)
    assert begun() == [0, 0, 0]
    yard.plane.observing.end(yard.admin)
    assert begun() == [1, 1, 1]


def test_a_removal_of_an_orphan_is_refused_and_one_that_was_asked_for_waits(yard: Yard) -> None:
    yard.grown("acme")
    yard.forget("acme")
    yard.look()
    yard.look()
    yard.plane.orphans.remove(yard.one("ocis").id, yard.admin)
    yard.plane.observing.begin("looking", yard.admin)
    with pytest.raises(ObserveOnly):
        yard.plane.orphans.remove(yard.one("authentik").id, yard.admin)
    yard.ocis.journal.clear()
    seen = yard.look()
    assert (yard.one("ocis").status, writes(yard.ocis)) == ("removing", [])
    assert seen["authentik"].orphans == 1
    yard.plane.observing.end(yard.admin)
    yard.sweep()
    assert yard.one("ocis").status == "removed"


def test_when_it_ends_every_active_tenant_is_due_for_drift_and_every_product_for_orphans(
    yard: Yard, dispatcher: Dispatcher
) -> None:
    yard.grown("acme")
    yard.look()
    drift = DriftWatch(yard.store, Starter(yard.store, dispatcher, yard.settings), yard.settings)
    assert drift.push() == 0
    yard.plane.observing.begin("looking", yard.admin)
    before = list(yard.rows["tenants"].find())
    yard.plane.observing.end(yard.admin)
    assert list(yard.rows["tenants"].find()) == before, (
        "they may be a hundred thousand, more than one request can write"
    )
    assert drift.push() == 1
    assert yard.tenant("acme").id in {row["tenantId"] for row in yard.rows["operations"].find({"mode": "plan"})}
    yard.finish(TenantView(yard.tenant("acme"), yard.store.operations.find_open(yard.tenant("acme").id)))
    assert drift.push() == 0
    looks = [yard.store.orphan_looks.claim([name], 5) for name in ("authentik", "stalwart", "ocis")]
    assert all(looks)


def test_beginning_and_ending_are_events_with_who_and_why(yard: Yard) -> None:
    yard.plane.observing.begin("first", yard.admin)
    again = yard.plane.observing.begin("second", yard.admin)
    assert again.pause is not None
    assert (again.pause.reason, again.pause.by) == ("second", yard.admin.user.id)
    assert yard.plane.observing.begin_by_itself("third") is False
    yard.plane.observing.end(yard.admin)
    yard.plane.observing.end(yard.admin)
    found = yard.events("observe_only.begun", "observe_only.ended")
    assert [(one["action"], (one["after"] or {}).get("reason")) for one in found] == [
        ("observe_only.begun", "first"),
        ("observe_only.begun", "second"),
        ("observe_only.ended", None),
    ]
    assert yard.plane.observing.state(yard.admin).pause is None


def test_our_own_doors_close_and_open_all_the_same(yard: Yard) -> None:
    yard.grown("acme")
    yard.plane.observing.begin("looking", yard.admin)
    assert yard.plane.life.delete("acme", yard.admin).tenant.status is Status.DELETED
    assert yard.tenant("acme").purge_after is not None


def test_a_pause_of_all_lets_no_plan_through_still(yard: Yard) -> None:
    yard.grown("acme")
    yard.plane.observing.begin("looking", yard.admin)
    yard.plane.switches.pause("all", "power cut", yard.admin)
    plan = yard.plane.tenants.reconcile("acme", yard.admin, Mode.PLAN).operation
    assert plan is not None
    assert set(run_once(yard, plan.id)) == {"deferred"}


def test_the_deadline_of_what_waits_moves_on(make_yard: Callable[..., Yard]) -> None:
    yard = make_yard(operation_deadline_seconds=1)
    yard.plane.observing.begin("looking", yard.admin)
    operation = yard.plane.tenants.create(NewTenant("acme", "Acme", "starter"), yard.admin).operation
    assert operation is not None
    run_once(yard, operation.id)
    time.sleep(1.2)
    release(yard)
    held = yard.store.operations.find(operation.id)
    assert held is not None
    assert held.status is OperationStatus.RUNNING
    yard.plane.observing.end(yard.admin)
    release(yard)
    freed = yard.store.operations.find(operation.id)
    assert freed is not None
    assert freed.deadline_at > held.deadline_at


def test_what_had_not_begun_in_the_backup_looks_first_whether_it_had_later(yard: Yard) -> None:
    view = yard.plane.tenants.create(NewTenant("acme", "Acme", "starter", ("acme.test",)), yard.admin)
    backup = [(name, row) for name in ("tenants", "operations") for row in yard.rows[name].find()]
    assert yard.finish(view).status is OperationStatus.SUCCEEDED
    for name, row in backup:
        yard.rows[name].replace_one({"_id": row["_id"]}, row)
    yard.plane.observing.begin("a backup was restored", yard.admin)
    yard.plane.observing.end(yard.admin)
    assert yard.finish(view).status is OperationStatus.SUCCEEDED
    assert len(yard.spaces()) == 1


def test_only_a_platform_administrator_may(yard: Yard) -> None:
    outside = Actor(yard.admin.user, frozenset({"portal"}))
    observing = yard.plane.observing
    for ask in (observing.state, observing.end, lambda actor: observing.begin("x", actor)):
        with pytest.raises(Forbidden):
            ask(outside)
