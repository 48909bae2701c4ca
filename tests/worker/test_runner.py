"""One attempt of one step, from its claim to the effects of its outcome."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.application.services import Services
from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.db.documents import Transaction
from shared.integrations.outcomes import NotFound, Outcome, PermanentError, TemporaryError, ok
from shared.integrations.reasons import REASONS
from shared.operations.dispatcher import Dispatcher
from shared.operations.model import Claim, Mode, Operation, OperationStatus, StepStatus
from shared.rights.policy import Actor
from shared.tenants.model import Status, Tenant
from shared.tenants.repository import TenantRepository
from shared.tenants.views import TenantView
from tests.worker.conftest import STEPS, RunnerFixture, raising, run_all
from worker.http.deadline import remaining
from worker.integrations.step_context import StepContext


def test_when_all_steps_are_ok_the_tenant_becomes_active(
    runners: RunnerFixture, operation: Operation, services: Services, admin: Actor
) -> None:
    run_all(runners.runner(), operation)
    tenant = services.tenants.get("acme", admin).tenant
    assert tenant.status is Status.ACTIVE
    assert tenant.provisioning_status == dict.fromkeys(STEPS, "ok")
    assert runners.seen(operation).settled


def test_an_integration_that_is_not_configured_is_skipped_and_does_not_delay_the_tenant(
    runners: RunnerFixture, operation: Operation, services: Services, admin: Actor
) -> None:
    run_all(runners.runner(clients={"authentik": "client", "stalwart": None}), operation)
    tenant = services.tenants.get("acme", admin).tenant
    assert tenant.status is Status.ACTIVE
    assert tenant.provisioning_status == {"authentik": "ok", "stalwart": "skipped", "ocis": "skipped"}
    assert runners.seen(operation).step("ocis").reason == "not_configured"


def test_a_refusal_is_recorded_with_its_reason_and_its_remedy(
    runners: RunnerFixture, operation: Operation, services: Services, admin: Actor
) -> None:
    run_all(
        runners.runner(ocis=raising(PermanentError("taken", "A space of that name is another tenant's."))), operation
    )
    view = services.tenants.get("acme", admin)
    assert view.tenant.status is Status.PENDING
    assert view.tenant.is_degraded
    assert "another tenant's" in view.tenant.provisioning_errors["ocis"]
    step = runners.seen(operation).step("ocis")
    assert (step.reason, bool(step.remedy), step.retryable) == ("taken", True, False)


def test_a_failed_reconcile_leaves_an_active_tenant_active_and_shows_it_degraded(
    runners: RunnerFixture, operation: Operation, services: Services, admin: Actor
) -> None:
    run_all(runners.runner(), operation)
    again = services.tenants.reconcile("acme", admin, Mode.APPLY).operation
    assert again is not None
    run_all(runners.runner(stalwart=raising(PermanentError("quota"))), again)
    tenant = services.tenants.get("acme", admin).tenant
    assert (tenant.status, tenant.is_degraded) == (Status.ACTIVE, True)
    healed = services.tenants.reconcile("acme", admin, Mode.APPLY).operation
    assert healed is not None
    run_all(runners.runner(), healed)
    tenant = services.tenants.get("acme", admin).tenant
    assert (tenant.is_degraded, dict(tenant.provisioning_errors)) == (False, {})


def test_a_reconcile_brings_a_tenant_whose_provisioning_failed_to_active(
    runners: RunnerFixture, operation: Operation, services: Services, admin: Actor
) -> None:
    run_all(runners.runner(ocis=raising(PermanentError("taken"))), operation)
    again = services.tenants.reconcile("acme", admin, Mode.APPLY).operation
    assert again is not None
    run_all(runners.runner(), again)
    assert services.tenants.get("acme", admin).tenant.status is Status.ACTIVE


def test_an_unavailable_integration_is_tried_again_after_a_pause(runners: RunnerFixture, operation: Operation) -> None:
    result = runners.runner(ocis=raising(TemporaryError("timeout", wait=0.01))).run(operation.id, "ocis", 1)
    assert result.retry_in is not None
    assert 0.01 <= result.retry_in <= 1
    step = runners.seen(operation).step("ocis")
    assert (step.status, step.reason, step.retryable) == (StepStatus.PENDING, "timeout", True)


def test_only_an_attempt_without_a_predecessor_is_marked_as_first(
    runners: RunnerFixture, operation: Operation, services: Services, admin: Actor
) -> None:
    seen: list[bool] = []

    def step(context: StepContext, client: Any) -> Outcome:
        seen.append(context.is_first)
        raise TemporaryError("timeout", wait=0.0) if len(seen) == 1 else PermanentError("taken")

    runner = runners.runner(ocis=step)
    run_all(runner, operation)
    while runners.seen(operation).is_open:
        runner.run(operation.id, "ocis", 1)
    retried = services.operations.retry(operation.id, "ocis", admin)
    runner.run(operation.id, "ocis", retried.dispatch)
    again = services.tenants.reconcile("acme", admin, Mode.APPLY).operation
    assert again is not None
    runner.run(again.id, "ocis", again.dispatch)
    assert seen == [True, False, False, False]


def test_a_wait_longer_than_a_minute_is_left_to_the_scheduler(runners: RunnerFixture, operation: Operation) -> None:
    result = runners.runner(ocis=raising(TemporaryError("throttled", wait=300))).run(operation.id, "ocis", 1)
    assert result.retry_in is None
    due = runners.seen(operation).step("ocis").due_at
    assert due is not None
    assert (due - operation.created_at).total_seconds() >= 300


def test_exhausted_attempts_name_the_last_cause(
    operation: Operation, store: Repositories, dispatcher: Dispatcher, make_settings: Callable[..., Settings]
) -> None:
    runners = RunnerFixture(store, dispatcher, make_settings(step_max_attempts=1))
    runners.runner(ocis=raising(TemporaryError("timeout", "It hangs."))).run(operation.id, "ocis", 1)
    step = runners.seen(operation).step("ocis")
    assert (step.status, step.reason) == (StepStatus.ERROR, "attempts_exhausted")
    assert "It hangs." in (step.message or "")


def test_a_step_that_always_kills_its_worker_ends_as_an_error_and_affects_no_other(
    operation: Operation, store: Repositories, dispatcher: Dispatcher, make_settings: Callable[..., Settings]
) -> None:
    runners = RunnerFixture(store, dispatcher, make_settings(step_max_attempts=2))
    for _ in range(2):  # two workers claimed the step and died
        assert store.operations.claim(operation.id, "ocis", 1, 0.0)
    run_all(runners.runner(), operation)
    end = runners.seen(operation)
    assert (end.status, end.step("ocis").reason) == (OperationStatus.FAILED, "attempts_exhausted")
    assert "workers died or were stopped" in (end.step("ocis").message or "")
    assert "logs" in (end.step("ocis").remedy or "")
    assert end.step("authentik").status is StepStatus.OK


def test_an_object_that_vanishes_during_an_attempt_is_read_again_in_the_next(
    runners: RunnerFixture, operation: Operation
) -> None:
    result = runners.runner(ocis=raising(NotFound("gone"))).run(operation.id, "ocis", 1)
    step = runners.seen(operation).step("ocis")
    assert (result.summary, step.status, step.reason) == ("retry", StepStatus.PENDING, "vanished")


def test_a_bug_in_a_step_is_an_outcome_and_its_text_stays_in_the_log(
    runners: RunnerFixture, operation: Operation
) -> None:
    result = runners.runner(ocis=raising(ValueError("secret-in-a-bug"))).run(operation.id, "ocis", 1)
    step = runners.seen(operation).step("ocis")
    assert (result.summary, step.status) == ("error", StepStatus.ERROR)
    assert "secret-in-a-bug" not in f"{step.message}{step.remedy}"


def test_a_step_that_these_workers_do_not_know_waits_for_newer_ones(
    runners: RunnerFixture, operation: Operation
) -> None:
    result = runners.runner(ocis=None).run(operation.id, "ocis", 1)
    step = runners.seen(operation).step("ocis")
    assert (result.summary, step.status, step.reason) == ("retry", StepStatus.PENDING, "old_workers")
    assert step.message == REASONS["old_workers"].message
    assert step.remedy == REASONS["old_workers"].remedy_while_open


def test_a_message_delivered_twice_runs_the_step_once(runners: RunnerFixture, operation: Operation) -> None:
    runs = []
    runner = runners.runner(ocis=lambda step, client: (runs.append(1), ok())[1])
    for _ in range(3):
        runner.run(operation.id, "ocis", 1)
    assert len(runs) == 1


def test_a_message_delivered_while_the_step_runs_does_not_run_it_again(
    runners: RunnerFixture, operation: Operation
) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(step: StepContext, client: Any) -> Outcome:
        entered.set()
        assert leave.wait(10)
        return ok()

    runner = runners.runner(ocis=slow)
    first = threading.Thread(target=runner.run, args=(operation.id, "ocis", 1))
    first.start()
    assert entered.wait(10)
    assert runners.runner(ocis=raising(AssertionError())).run(operation.id, "ocis", 1).summary == "nothing to do"
    leave.set()
    first.join(10)
    assert runners.seen(operation).step("ocis").attempts == 1


@pytest.mark.parametrize("operation_id", ["", "{}", "0" * 24, "x" * 10_000])
def test_a_message_about_nothing_does_nothing(runners: RunnerFixture, operation_id: str) -> None:
    assert runners.runner().run(operation_id, "ocis", 1).summary == "nothing to do"


def test_a_remote_id_is_on_record_as_soon_as_the_step_saves_it(
    runners: RunnerFixture, operation: Operation, services: Services, admin: Actor
) -> None:
    def interrupted(step: StepContext, client: Any) -> Outcome:
        step.save(ocisSpaceId="space-1")
        raise TemporaryError("timeout")

    runners.runner(ocis=interrupted).run(operation.id, "ocis", 1)
    assert services.tenants.get("acme", admin).tenant.remote == {"ocisSpaceId": "space-1"}


def finding(*records: str) -> Any:
    def step(context: StepContext, client: Any) -> Outcome:
        context.found["dnsRecords"] = list(records)
        return ok()

    return step


def test_values_that_a_step_found_are_recorded_when_its_attempt_ends(
    runners: RunnerFixture, operation: Operation, services: Services, admin: Actor
) -> None:
    runners.runner(stalwart=finding("MX")).run(operation.id, "stalwart", 1)
    view = services.tenants.get("acme", admin)
    assert (view.tenant.remote["dnsRecords"], runners.seen(operation).status) == (["MX"], OperationStatus.RUNNING)


def test_values_that_the_last_step_found_are_recorded_with_the_operations_end(
    runners: RunnerFixture, operation: Operation, services: Services, admin: Actor
) -> None:
    for step in ("authentik", "ocis", "stalwart"):
        runners.runner(stalwart=finding("MX")).run(operation.id, step, 1)
    tenant = services.tenants.get("acme", admin).tenant
    assert (tenant.status, tenant.remote["dnsRecords"]) == (Status.ACTIVE, ["MX"])


def test_values_that_a_dry_run_found_are_not_recorded(
    runners: RunnerFixture, operation: Operation, services: Services, admin: Actor
) -> None:
    run_all(runners.runner(stalwart=finding("MX")), operation)
    dry_run = services.tenants.reconcile("acme", admin, mode=Mode.DRY_RUN).operation
    assert dry_run is not None
    run_all(runners.runner(stalwart=finding("A")), dry_run)
    assert runners.seen(dry_run).settled
    assert services.tenants.get("acme", admin).tenant.remote["dnsRecords"] == ["MX"]


def test_an_attempt_of_an_older_operation_cannot_write_over_a_newer_one(
    runners: RunnerFixture, operation: Operation, services: Services, admin: Actor, view: TenantView
) -> None:
    saved = []

    def overtaken(step: StepContext, client: Any) -> Outcome:
        run_all(runners.runner(), services.tenants.get("acme", admin).operation or operation)
        saved.append(
            runners.store.tenants.save_remote(step.tenant.id, operation.generation - 1, {"ocisSpaceId": "old"})
        )
        return ok()

    runners.runner(ocis=overtaken).run(operation.id, "ocis", 1)
    assert saved == [False]
    assert services.tenants.get("acme", admin).tenant.remote == {}


def test_an_attempt_whose_lease_has_ended_neither_saves_nor_ends_the_step(
    store: Repositories,
    dispatcher: Dispatcher,
    make_settings: Callable[..., Settings],
    operation: Operation,
    services: Services,
    admin: Actor,
) -> None:
    runners = RunnerFixture(store, dispatcher, make_settings(lease_seconds=0.6, attempt_seconds=0.5))
    saved = {}

    def second(step: StepContext, client: Any) -> Outcome:
        saved["second"] = step.save(ocisNewSpaceId="of the second attempt")
        return ok()

    def frozen(step: StepContext, client: Any) -> Outcome:
        """Begin, and go on only after the lease has ended and another attempt has run."""
        saved["in time"] = step.save(ocisNewSpaceId="of the first attempt")
        time.sleep(0.7)
        saved["unclaimed"] = step.save(ocisNewSpaceId="late")
        assert store.operations.record(claimed_by(store, operation, "ocis"), ok()) is None
        run_all(runners.runner(ocis=second), operation)
        saved["late"] = step.save(ocisNewSpaceId="later")
        return ok()

    result = runners.runner(ocis=frozen).run(operation.id, "ocis", 1)
    assert saved == {"in time": True, "unclaimed": False, "second": True, "late": False}
    assert result.summary == "lease lost"
    tenant = services.tenants.get("acme", admin).tenant
    assert (tenant.status, tenant.remote["ocisNewSpaceId"]) == (Status.ACTIVE, "of the second attempt")


def claimed_by(store: Repositories, operation: Operation, step: str) -> Claim:
    """Return the claim of the step's latest attempt."""
    (row,) = store.connection.database["operations"].find({"steps.name": step})
    (token,) = [one["leaseToken"] for one in row["steps"] if one["name"] == step]
    return Claim(operation, operation.step(step), token)


def test_a_late_worker_does_not_overwrite_the_operations_final_status(
    runners: RunnerFixture, operation: Operation, services: Services, admin: Actor
) -> None:
    runners.runner().run(operation.id, "authentik", 1)
    claim = runners.store.operations.claim(operation.id, "stalwart", 1, 60)
    assert claim is not None
    early = runners.store.operations.record(claim, ok())
    assert early is not None
    # its worker is suspended here, while the worker of the last step ends
    runners.runner().run(operation.id, "ocis", 1)
    assert not runners.store.tenants.record_steps(early)
    tenant = services.tenants.get("acme", admin).tenant
    assert (tenant.status, set(tenant.provisioning_status.values())) == (Status.ACTIVE, {"ok"})


def test_a_step_that_is_run_again_is_shown_over_the_operations_first_end(
    runners: RunnerFixture, operation: Operation, services: Services, admin: Actor
) -> None:
    run_all(runners.runner(ocis=raising(PermanentError("taken")), stalwart=raising(PermanentError("taken"))), operation)
    again = services.operations.retry(operation.id, "ocis", admin)
    runners.runner(ocis=raising(TemporaryError("timeout"))).run(operation.id, "ocis", again.dispatch)
    shown = services.tenants.get("acme", admin).tenant.provisioning_status
    assert shown == {"authentik": "ok", "stalwart": "error", "ocis": "pending"}


def test_a_step_knows_how_much_time_it_has_left(
    operation: Operation, store: Repositories, dispatcher: Dispatcher, make_settings: Callable[..., Settings]
) -> None:
    left = []
    runners = RunnerFixture(store, dispatcher, make_settings(attempt_seconds=7))
    runners.runner(ocis=lambda step, client: (left.append(remaining(100)), ok())[1]).run(operation.id, "ocis", 1)
    assert 0 < left[0] <= 7


def test_an_attempts_time_runs_from_before_its_lease_however_late_the_tenant_is_read(
    operation: Operation, store: Repositories, dispatcher: Dispatcher, make_settings: Callable[..., Settings]
) -> None:
    class Late(TenantRepository):
        """Suspend the worker or the database during a read."""

        def find_by_id(self, tenant_id: str, session: Transaction | None = None) -> Tenant | None:
            time.sleep(2)
            return super().find_by_id(tenant_id, session)

    settings = make_settings(attempt_seconds=7)
    database = store.connection.client[settings.mongodb_database]
    # as operations of the release before are
    database["operations"].update_one({}, {"$unset": {"newTenant": ""}})
    late = replace(store, tenants=Late(database))
    left = []
    runners = RunnerFixture(late, dispatcher, settings)
    runners.runner(ocis=lambda step, client: (left.append(remaining(100)), ok())[1]).run(operation.id, "ocis", 1)
    assert 0 < left[0] <= 5


def test_a_permission_missing_on_one_tenants_object_stops_no_other_tenant(
    runners: RunnerFixture, create: Callable[..., TenantView], operation: Operation
) -> None:
    other = create("beta").operation
    assert other is not None
    runners.runner(ocis=raising(PermanentError("missing_permission"))).run(operation.id, "ocis", 1)
    assert runners.runner().run(other.id, "ocis", 1).summary == "ok"


def test_steps_of_one_tenant_finishing_at_once_settle_it_once(
    runners: RunnerFixture, operation: Operation, settings: Settings
) -> None:
    gate = threading.Barrier(3)

    def together(context: StepContext, client: Any) -> Outcome:
        gate.wait(10)
        return ok()

    runner = runners.runner(**dict.fromkeys(STEPS, together))
    threads = [threading.Thread(target=runner.run, args=(operation.id, step, 1)) for step in STEPS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    events = runners.store.connection.client[settings.mongodb_database]["events"]
    assert events.count_documents({"action": "operation.succeeded"}) == 1
