"""The circuit breaker of an integration that fails for every tenant defers all steps without spending attempts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from shared.application.services import Services
from shared.application.store import Repositories, open_repositories
from shared.config.settings import Settings
from shared.integrations.outcomes import Fault, Outcome, PermanentError, Result, TemporaryError, ok
from shared.operations.dispatcher import Dispatcher
from shared.operations.model import Operation, StepStatus
from shared.rights.policy import Actor
from shared.switches.model import CREDENTIALS_OPEN_DURATION, OpenDuration, TenantRef
from shared.tenants.views import TenantView
from tests.worker.conftest import RunnerFixture, raising
from worker.composition import open_breaker
from worker.execution.breaker import FAILED_TENANT_DELAY, Permit
from worker.integrations.step_context import StepContext

LIMIT = 3
LONG = OpenDuration(300, 3000)


@pytest.fixture
def runners(store: Repositories, dispatcher: Dispatcher, make_settings: Callable[..., Settings]) -> RunnerFixture:
    return RunnerFixture(store, dispatcher, make_settings(breaker_failures=LIMIT, retry_base_seconds=0.001))


@pytest.fixture
def operations(create: Callable[..., TenantView]) -> list[Operation]:
    made = (create(f"acme{number}").operation for number in range(LIMIT + 1))
    return [one for one in made if one is not None]


def fails(runners: RunnerFixture, operations: list[Operation], fault: Fault) -> None:
    """Run one step of each of these operations, each in a separate worker."""
    for operation in operations:
        runners.runner(ocis=raising(fault)).run(operation.id, "ocis", 1)


def tenant(number: int) -> TenantRef:
    return TenantRef(f"{number:024x}", f"acme{number}")


def is_open(runners: RunnerFixture) -> bool:
    switch = runners.store.switches.all().get("ocis")
    return switch is not None and switch.is_open


def test_enough_consecutive_failures_open_the_breaker_and_defer_steps_without_a_call(
    runners: RunnerFixture, operations: list[Operation], services: Services, admin: Actor
) -> None:
    fails(runners, operations[:LIMIT], TemporaryError("timeout", "It hangs."))
    last = operations[LIMIT]
    assert runners.runner(ocis=raising(AssertionError())).run(last.id, "ocis", 1).summary == "deferred"
    step = runners.seen(last).step("ocis")
    assert (step.status, step.attempts, step.reason) == (StepStatus.PENDING, 0, "timeout")
    assert "It hangs." in (step.message or "")
    until = runners.store.switches.all()["ocis"].open_until
    assert step.due_at is not None
    assert until is not None
    assert step.due_at >= until
    view = services.tenants.get(last.tenant_slug, admin)
    assert "circuit breaker is open" in view.tenant.provisioning_errors["ocis"]
    assert runners.runner().run(last.id, "stalwart", 1).summary == "ok"


def test_failures_with_a_success_of_another_tenant_between_them_open_nothing(
    runners: RunnerFixture, operations: list[Operation]
) -> None:
    timeout = TemporaryError("timeout")
    first, second, third, fourth = operations
    fails(runners, [first, second], timeout)
    assert runners.runner().run(third.id, "ocis", 1).summary == "ok"
    time.sleep(0.01)
    fails(runners, [first, second, fourth], timeout)
    assert not is_open(runners)


def test_one_tenant_that_always_fails_does_not_open_the_breaker_and_is_named(
    runners: RunnerFixture, operations: list[Operation], services: Services, admin: Actor
) -> None:
    poisoned, healthy = operations[0], operations[1]
    for _ in range(4 * LIMIT):
        fails(runners, [poisoned], TemporaryError("upstream_error"))
        time.sleep(0.005)
    assert not is_open(runners)
    (ocis,) = [one for one in services.switches.page(admin) if one.name == "ocis"]
    assert [(one.tenant.slug, one.reason, one.is_isolated) for one in ocis.failing] == [
        (poisoned.tenant_slug, "upstream_error", False)
    ]
    assert runners.runner().run(healthy.id, "ocis", 1).summary == "ok"
    (one,) = runners.store.switches.all()["ocis"].failing
    assert one.is_isolated


def test_failing_tenants_count_no_more_after_a_success_of_another_tenant(
    store: Repositories,
) -> None:
    def fail(number: int) -> bool:
        return store.switches.record_failure("ocis", tenant(number), "timeout", "", LIMIT, LONG).is_open

    def answer(number: int) -> None:
        store.switches.record_answer("ocis", tenant(number), is_probe=False)

    assert not fail(1)
    assert not fail(2)
    answer(9)
    assert not any(fail(number) for number in (1, 2, 3, 1, 2, 4))
    answer(1)
    assert not fail(1)
    assert not any(fail(number) for number in (5, 3, 4))
    assert fail(7)


def test_the_list_of_failing_tenants_is_bounded(store: Repositories) -> None:
    for number in range(60):
        store.switches.record_failure("ocis", tenant(number), "timeout", "", 1000, LONG)
    failing = store.switches.all()["ocis"].failing
    assert [one.tenant for one in failing] == [tenant(number) for number in range(10, 60)]


@pytest.mark.parametrize(
    "fault",
    [
        TemporaryError("not_ready"),
        TemporaryError("throttled", wait=5),
        PermanentError("taken"),
        PermanentError("quota"),
    ],
)
def test_permanent_errors_of_a_healthy_integration_do_not_open_the_breaker(
    runners: RunnerFixture, operations: list[Operation], fault: Fault
) -> None:
    fails(runners, operations, fault)
    assert not is_open(runners)


@pytest.mark.parametrize("reason", ["throttled", "upstream_error"])
def test_a_long_retry_after_of_few_tenants_defers_only_them(
    runners: RunnerFixture, operations: list[Operation], reason: str
) -> None:
    asked, last = operations[: LIMIT - 1], operations[LIMIT]
    fails(runners, asked, TemporaryError(reason, wait=600))
    assert not is_open(runners)
    for operation in asked:
        due = runners.seen(operation).step("ocis").due_at
        assert due is not None
        assert (due - operation.created_at).total_seconds() >= 600
    assert runners.runner().run(last.id, "ocis", 1).summary == "ok"


def test_a_long_retry_after_of_a_job_opens_the_breaker(
    store: Repositories, runners: RunnerFixture, settings: Settings
) -> None:
    open_breaker(store, settings).report("ocis", Permit(), Outcome(Result.RETRY, "throttled", wait=600))
    assert is_open(runners)


def test_enough_tenants_with_a_long_retry_after_open_the_breaker_for_that_long(
    runners: RunnerFixture, operations: list[Operation]
) -> None:
    fails(runners, operations[:LIMIT], TemporaryError("throttled", wait=600))
    operations = operations[LIMIT - 1 :]
    assert runners.runner(ocis=raising(AssertionError())).run(operations[1].id, "ocis", 1).summary == "deferred"
    due = runners.seen(operations[1]).step("ocis").due_at
    assert due is not None
    assert (due - operations[1].created_at).total_seconds() >= 600


def test_a_long_retry_after_of_one_failing_tenant_does_not_extend_the_breaker(store: Repositories) -> None:
    def seconds_open(number: int, wait: float, *, is_probe: bool = False) -> float | None:
        seen = store.switches.record_failure(
            "ocis", tenant(number), "throttled", "", LIMIT, OpenDuration(30, 300), wait=wait, is_probe=is_probe
        )
        return (seen.open_until - store.connection.now()).total_seconds() if seen.open_until else None

    assert [seconds_open(1, 0.0), seconds_open(2, 3600.0)] == [None, None]
    assert seconds_open(3, 3600.0) == pytest.approx(30, abs=2)
    assert seconds_open(4, 3600.0, is_probe=True) == pytest.approx(60, abs=2)
    # once the first of them got a Retry-After too, it counts for all
    assert seconds_open(1, 600.0, is_probe=True) == pytest.approx(600, abs=2)


def test_refused_credentials_stop_the_integration_for_every_tenant_without_further_calls(
    runners: RunnerFixture, operations: list[Operation]
) -> None:
    fails(runners, operations[:1], PermanentError("bad_credentials", "It was the token."))
    other = operations[1]
    assert runners.runner(ocis=raising(AssertionError())).run(other.id, "ocis", 1).summary == "deferred"
    assert runners.runner().run(other.id, "authentik", 1).summary == "ok"
    assert runners.seen(operations[0]).step("ocis").status is StepStatus.ERROR
    step = runners.seen(other).step("ocis")
    assert (step.status, step.attempts, step.reason) == (StepStatus.PENDING, 0, "bad_credentials")
    assert "It was the token." in (step.message or "")


def test_after_its_open_time_one_probe_closes_the_breaker(runners: RunnerFixture, operations: list[Operation]) -> None:
    runners.store.switches.back_off("ocis", "timeout", "", 0)
    assert runners.runner().run(operations[0].id, "ocis", 1).summary == "ok"
    assert not is_open(runners)


def test_during_a_probe_all_other_steps_are_deferred(store: Repositories) -> None:
    store.switches.back_off("ocis", "timeout", "", 0)
    assert store.switches.claim_probe("ocis", 30)
    assert not store.switches.claim_probe("ocis", 30)


def test_the_probe_is_preferably_a_step_of_a_tenant_that_did_not_fail(store: Repositories) -> None:
    for number in range(LIMIT):
        store.switches.record_failure("ocis", tenant(number), "timeout", "", LIMIT, OpenDuration(0, 0))
    assert not store.switches.claim_probe("ocis", 30, tenant(0).id, grace=5)
    assert store.switches.claim_probe("ocis", 30, tenant(LIMIT).id, grace=5)


def test_without_another_tenants_step_a_failed_tenant_probes_a_little_later(store: Repositories) -> None:
    for number in range(LIMIT):
        store.switches.record_failure("ocis", tenant(number), "timeout", "", LIMIT, OpenDuration(0, 0))
    assert not store.switches.claim_probe("ocis", 30, tenant(0).id, grace=600)
    time.sleep(0.06)
    assert store.switches.claim_probe("ocis", 30, tenant(0).id, grace=0.05)


def test_a_step_of_a_tenant_that_failed_is_due_after_the_others_while_the_breaker_is_open(
    runners: RunnerFixture, operations: list[Operation]
) -> None:
    fails(runners, operations[:LIMIT], TemporaryError("timeout"))
    until = runners.store.switches.all()["ocis"].open_until
    assert until is not None
    time.sleep(0.02)
    assert runners.runner(ocis=raising(AssertionError())).run(operations[0].id, "ocis", 1).summary == "deferred"
    due = runners.seen(operations[0]).step("ocis").due_at
    assert due is not None
    assert (due - until).total_seconds() >= FAILED_TENANT_DELAY


def test_a_failed_probe_of_a_known_failing_tenant_does_not_extend_the_open_time(store: Repositories) -> None:
    for number in range(LIMIT):
        store.switches.record_failure("ocis", tenant(number), "timeout", "", LIMIT, LONG)
    for _ in range(5):
        probed = store.switches.record_failure("ocis", tenant(0), "timeout", "", LIMIT, LONG, is_probe=True)
    assert probed.open_until is not None
    assert (probed.open_until - store.connection.now()).total_seconds() <= LONG.first


def test_only_a_worker_with_renewed_credentials_probes_at_once(
    runners: RunnerFixture, operations: list[Operation], make_settings: Callable[..., Settings], dispatcher: Dispatcher
) -> None:
    def worker(token: str) -> RunnerFixture:
        of_ocis = {"ocis_api_url": "http://127.0.0.1:1", "ocis_username": "dezky", "ocis_password": token}
        return RunnerFixture(runners.store, dispatcher, make_settings(stamp_keys="k" * 32, **of_ocis))

    refused = worker("old").runner(ocis=raising(PermanentError("bad_credentials")))
    refused.run(operations[0].id, "ocis", 1)
    same, renewed = worker("old").runner(), worker("new").runner()
    same.start()
    assert same.run(operations[1].id, "ocis", 1).summary == "deferred"
    renewed.start()
    assert renewed.run(operations[2].id, "ocis", 1).summary == "ok"
    assert not is_open(runners)


def test_only_a_failed_probe_and_no_late_failure_doubles_the_open_time(
    store: Repositories,
) -> None:
    def seconds_open() -> float:
        row = store.switches.all()["ocis"]
        assert row.open_until is not None
        assert row.opened_at is not None
        return (row.open_until - row.opened_at).total_seconds()

    for number in range(5):
        store.switches.record_failure("ocis", tenant(number), "timeout", "", 2, LONG)
    assert seconds_open() == pytest.approx(300, abs=1)
    assert store.switches.all()["ocis"].failures == 5
    assert store.switches.record_failure("ocis", tenant(5), "timeout", "", 2, LONG, is_probe=True).is_open
    assert 600 <= seconds_open() < 660
    for number in range(6, 15):
        store.switches.record_failure("ocis", tenant(number), "timeout", "", 2, LONG, is_probe=True)
    assert 3000 <= seconds_open() < 3060


def test_a_success_of_an_attempt_from_before_the_opening_does_not_close_the_breaker(
    runners: RunnerFixture, operations: list[Operation], dispatcher: Dispatcher, settings: Settings
) -> None:
    other_process = RunnerFixture(
        open_repositories(settings), dispatcher, settings.model_copy(update={"breaker_failures": LIMIT})
    )
    fails(other_process, operations[:1], TemporaryError("timeout"))

    def slowly_answered(context: StepContext, client: Any) -> Outcome:
        fails(other_process, operations[1:LIMIT], TemporaryError("timeout"))
        assert is_open(other_process)
        return ok()

    runners.runner(ocis=slowly_answered).run(operations[LIMIT].id, "ocis", 1)
    assert is_open(other_process)
    other_process.store.close()


def test_several_concurrently_throttled_steps_do_not_extend_the_open_time(store: Repositories) -> None:
    for _ in range(20):
        store.switches.back_off("ocis", "throttled", "", 0.0)
    assert store.switches.claim_probe("ocis", 30)
    failed = store.switches.record_failure("ocis", tenant(1), "timeout", "", LIMIT, LONG, is_probe=True)
    assert failed.open_until is not None
    assert failed.opened_at is not None
    assert (failed.open_until - failed.opened_at).total_seconds() < 2.5 * LONG.first


def test_a_failed_probe_counts_as_an_attempt_and_other_steps_stay_deferred(
    runners: RunnerFixture, operations: list[Operation]
) -> None:
    runners.store.switches.back_off("ocis", "timeout", "", 0)
    fails(runners, operations[:1], TemporaryError("timeout"))
    assert runners.seen(operations[0]).step("ocis").attempts == 1
    assert runners.runner(ocis=raising(AssertionError())).run(operations[1].id, "ocis", 1).summary == "deferred"


def test_a_probe_that_makes_no_call_passes_to_the_next_step(
    runners: RunnerFixture, operations: list[Operation]
) -> None:
    done = runners.runner()
    assert done.run(operations[0].id, "ocis", 1).summary == "ok"
    runners.store.switches.back_off("ocis", "timeout", "", 0)
    assert runners.runner().run(operations[0].id, "ocis", 1).summary == "nothing to do"
    assert runners.runner().run(operations[1].id, "ocis", 1).summary == "ok"


def test_when_the_breaker_closes_deferred_steps_are_due_at_once(
    runners: RunnerFixture, operations: list[Operation]
) -> None:
    runners.store.switches.back_off("ocis", "timeout", "", 600)
    assert runners.runner().run(operations[0].id, "ocis", 1).summary == "deferred"
    assert runners.store.deferrals.any()
    assert runners.store.deferrals.release(runners.store.switches.stopped(), 10) == 0
    runners.store.switches.record_answer("ocis", is_probe=True)
    assert runners.store.deferrals.release(runners.store.switches.stopped(), 10) == 1
    assert not runners.store.deferrals.any()
    step = runners.seen(operations[0]).step("ocis")
    assert (step.deferred_by, step.reason, step.message) == (None, None, None)
    assert runners.runner().run(operations[0].id, "ocis", 1).summary == "ok"


def test_refused_credentials_are_probed_too_rarely_to_get_us_banned() -> None:
    assert 24 * 3600 / CREDENTIALS_OPEN_DURATION.longest < 60
