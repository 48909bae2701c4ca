"""A pause defers steps: no attempt is spent, and the operation's deadline is suspended."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.application.services import Services, open_services
from shared.application.store import Repositories
from shared.config.addresses import BrokerAddress
from shared.config.settings import Settings
from shared.integrations.outcomes import PermanentError
from shared.operations.dispatcher import Dispatcher
from shared.operations.model import Mode, Operation, OperationStatus, StepStatus
from shared.rights.policy import Actor
from shared.switches.model import Deferral
from shared.tenants.model import NewTenant, Status
from shared.tenants.views import TenantView
from tests.worker.conftest import STEPS, RunnerFixture, raising, run_all
from worker.composition import open_scheduler_loop


@pytest.fixture
def other(create: Callable[..., TenantView]) -> Operation:
    made = create("beta").operation
    assert made is not None
    return made


def summaries(runners: RunnerFixture, operation: Operation) -> list[str]:
    """Run each step's message in a worker; return the outcomes."""
    return [runners.runner().run(operation.id, step, 1).summary for step in STEPS]


def test_a_paused_integration_defers_its_steps_of_every_tenant_and_no_others(
    runners: RunnerFixture, operation: Operation, other: Operation, services: Services, admin: Actor
) -> None:
    services.switches.pause("stalwart", "upgrade to 0.17", admin)
    assert summaries(runners, operation) == summaries(runners, other) == ["ok", "deferred", "ok"]
    step = runners.seen(operation).step("stalwart")
    assert (step.status, step.attempts, step.reason) == (StepStatus.PENDING, 0, "paused")
    assert "upgrade to 0.17" in (step.message or "")
    shown = services.tenants.get("acme", admin).tenant
    assert "upgrade to 0.17" in shown.provisioning_errors["stalwart"]


def test_a_paused_tenant_defers_its_own_steps_and_no_other_tenants(
    runners: RunnerFixture, operation: Operation, other: Operation, services: Services, admin: Actor
) -> None:
    services.switches.pause_tenant("acme", "legal hold", admin)
    assert summaries(runners, operation) == ["deferred"] * 3
    assert summaries(runners, other) == ["ok"] * 3
    services.switches.unpause_tenant("acme", admin)
    assert open_scheduler_loop(runners.store, Dispatcher(BrokerAddress.of("redis://127.0.0.1:9/0"))).run_once() == 1
    assert summaries(runners, operation) == ["ok"] * 3
    assert services.tenants.get("acme", admin).tenant.provisioning_errors == {}


def test_all_can_be_paused_at_once(
    runners: RunnerFixture, operation: Operation, other: Operation, services: Services, admin: Actor
) -> None:
    services.switches.pause("all", "the cellar is under water", admin)
    assert summaries(runners, operation) == summaries(runners, other) == ["deferred"] * 3
    services.switches.resume("all", admin)
    # in batches: a whole platform may have waited
    for released in (1, 1, 0):
        assert runners.store.deferrals.release(runners.store.switches.stopped(), 1) == released
    assert summaries(runners, operation) == ["ok"] * 3


def test_a_pause_never_spends_an_attempt_however_often_the_step_is_sent(
    store: Repositories, dispatcher: Dispatcher, settings: Settings, operation: Operation
) -> None:
    runners = RunnerFixture(store, dispatcher, settings)
    store.connection.transaction(lambda session: store.switches.pause("ocis", "upgrade", None, session))
    rows = store.connection.client[settings.mongodb_database]["operations"]
    for _ in range(5):
        assert runners.runner(ocis=raising(AssertionError())).run(operation.id, "ocis", 1).summary == "deferred"
        assert runners.runner().run(operation.id, "ocis", 1).summary == "nothing to do"
        # it becomes due while it is still paused
        rows.update_one({"tenantSlug": "acme"}, [{"$set": {"steps": _all_due()}}])
    step = runners.seen(operation).step("ocis")
    assert (step.attempts, step.deferrals) == (0, 5)


def _all_due() -> dict[str, object]:
    due = {"$mergeObjects": ["$$step", {"dueAt": "$$NOW"}]}
    return {"$map": {"input": "$steps", "as": "step", "in": due}}


class Hurried:
    """An operation of half a second, paused before its first step."""

    def __init__(self, store: Repositories, dispatcher: Dispatcher, settings: Settings, admin: Actor) -> None:
        self.store, self.admin = store, admin
        self.services = open_services(store, dispatcher, settings)
        self.runners = RunnerFixture(store, dispatcher, settings)
        self.scheduler = open_scheduler_loop(store, Dispatcher(BrokerAddress.of("redis://127.0.0.1:9/0")))
        self.services.switches.pause("ocis", "upgrade", admin)
        begun = self.services.tenants.create(NewTenant("acme", "Acme", "starter"), admin).operation
        assert begun is not None
        self.begun = begun

    def now(self) -> Operation:
        return self.runners.seen(self.begun)


@pytest.fixture
def hurried(
    store: Repositories, dispatcher: Dispatcher, make_settings: Callable[..., Settings], admin: Actor
) -> Hurried:
    settings = make_settings(operation_deadline_seconds=0.8, plan_deadline_seconds=0.8)
    return Hurried(store, dispatcher, settings, admin)


def test_the_deadline_moves_by_as_long_as_a_step_is_paused(hurried: Hurried) -> None:
    run_all(hurried.runners.runner(), hurried.begun)
    assert hurried.now().paused_at is not None
    time.sleep(1)
    hurried.scheduler.run_once()
    assert hurried.now().status is OperationStatus.RUNNING
    hurried.services.switches.resume("ocis", hurried.admin)
    assert hurried.scheduler.run_once() == 1
    after = hurried.now()
    assert after.paused_at is None
    assert after.deadline_at - hurried.begun.deadline_at >= timedelta(seconds=1)
    assert hurried.runners.runner().run(hurried.begun.id, "ocis", 1).summary == "ok"
    assert hurried.services.tenants.get("acme", hurried.admin).tenant.status is Status.ACTIVE


def test_a_resumed_step_that_never_runs_ends_by_its_deadline(hurried: Hurried) -> None:
    run_all(hurried.runners.runner(), hurried.begun)
    hurried.services.switches.resume("ocis", hurried.admin)
    hurried.scheduler.run_once()
    time.sleep(1)
    hurried.scheduler.run_once()
    assert hurried.now().status is OperationStatus.FAILED
    assert hurried.now().step("ocis").reason == "deadline"


def test_a_pause_does_not_extend_the_deadline_of_a_dry_run_that_an_older_worker_deferred(hurried: Hurried) -> None:
    hurried.services.operations.cancel(hurried.begun.id, hurried.admin)
    dry_run = hurried.services.tenants.reconcile("acme", hurried.admin, Mode.DRY_RUN).operation
    assert dry_run is not None
    deferral = Deferral("ocis", "paused", "Paused: ocis. Reason: upgrade", 60, stops_deadline=True)
    assert hurried.store.deferrals.defer(dry_run.id, "ocis", dry_run.dispatch, deferral) is not None
    time.sleep(1)
    hurried.scheduler.run_once()
    ended = hurried.runners.seen(dry_run)
    assert ended.status is OperationStatus.FAILED
    assert "upgrade" in (ended.step("ocis").message or "")


def test_a_paused_operation_can_be_cancelled(hurried: Hurried) -> None:
    run_all(hurried.runners.runner(), hurried.begun)
    cancelled = hurried.services.operations.cancel(hurried.begun.id, hurried.admin)
    assert (cancelled.status, cancelled.paused_at) == (OperationStatus.CANCELLED, None)
    assert not hurried.store.deferrals.any()


def test_a_step_cancelled_while_deferred_starts_afresh_when_it_is_retried(
    runners: RunnerFixture, operation: Operation, services: Services, admin: Actor
) -> None:
    services.switches.pause("stalwart", "upgrade", admin)
    assert summaries(runners, operation) == ["ok", "deferred", "ok"]
    services.operations.cancel(operation.id, admin)
    services.switches.resume("stalwart", admin)
    again = services.operations.retry(operation.id, "stalwart", admin)
    assert (again.step("stalwart").deferred_by, again.step("stalwart").deferrals) == (None, 0)
    services.switches.pause("stalwart", "another upgrade", admin)
    assert runners.runner().run(operation.id, "stalwart", again.dispatch).summary == "deferred"
    shown = services.tenants.get("acme", admin).tenant
    assert (shown.provisioning_status["stalwart"], shown.is_degraded) == ("pending", False)
    assert "another upgrade" in shown.provisioning_errors["stalwart"]


def test_a_pause_that_ended_before_a_retry_does_not_extend_the_deadline(
    runners: RunnerFixture, operation: Operation, services: Services, admin: Actor
) -> None:
    services.switches.pause("all", "upgrade", admin)
    assert summaries(runners, operation) == ["deferred"] * 3
    services.operations.cancel(operation.id, admin)
    services.switches.resume("all", admin)
    services.operations.retry(operation.id, "stalwart", admin)
    again = services.operations.retry(operation.id, "ocis", admin)
    assert runners.runner().run(operation.id, "ocis", again.dispatch).summary == "ok"
    assert runners.seen(operation).paused_at is None


def test_a_deadline_that_a_retry_set_moves_only_by_the_pause_since_then(hurried: Hurried) -> None:
    run_all(hurried.runners.runner(stalwart=raising(PermanentError("taken"))), hurried.begun)
    time.sleep(1.5)
    again = hurried.services.operations.retry(hurried.begun.id, "stalwart", hurried.admin)
    hurried.services.switches.resume("ocis", hurried.admin)
    hurried.scheduler.run_once()
    assert hurried.now().paused_at is None
    assert hurried.now().deadline_at - again.deadline_at < timedelta(seconds=1)
