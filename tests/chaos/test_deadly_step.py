"""Check a step that kills its worker each time."""

from __future__ import annotations

from collections.abc import Callable

from shared.operations.model import OperationStatus
from shared.tenants.model import Status
from tests.end_to_end.conftest import Platform
from tests.end_to_end.test_worker_faults import step_of
from tests.waiting import until

DEADLY = {"app": "tests.end_to_end.faulty_workers:app", "FAULTY_WORKER": "deadly"}


def test_a_step_that_always_kills_its_worker_ends_as_an_error_and_affects_no_other(
    make_platform: Callable[..., Platform], redis_url: str
) -> None:
    platform = make_platform(redis_url, STEP_MAX_ATTEMPTS="2", LEASE_SECONDS="3", ATTEMPT_SECONDS="2.8")
    platform.start_scheduler()
    platform.create("poison")
    platform.create("acme")
    deaths = 0
    while platform.tenant("poison").operation.is_open:  # type: ignore[union-attr]
        worker = platform.start_worker(**DEADLY)
        until(lambda: worker.poll() is not None or not platform.tenant("poison").operation.is_open, 60)  # type: ignore[union-attr]  # noqa: B023
        deaths += worker.poll() is not None
    assert deaths == 2
    operation = platform.settled("poison").operation
    assert operation is not None
    assert (operation.status, operation.step("ocis").reason) == (OperationStatus.FAILED, "attempts_exhausted")
    assert operation.step("ocis").remedy
    assert step_of(platform, "poison", "authentik")[0] == "ok"
    assert platform.settled("acme").tenant.status is Status.ACTIVE
