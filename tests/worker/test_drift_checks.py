"""A drift check leaves out what is paused or has an open breaker: what is known of that stays, and is not fresh."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.application.parts import open_drift_detector, open_starter
from shared.integrations.outcomes import Outcome, TemporaryError
from shared.operations.dispatcher import Dispatcher
from shared.operations.model import Mode, Operation, OperationStatus, StepStatus
from shared.provisioning.drift_detection import DriftDetector
from shared.status.model import Finding
from shared.switches.model import CREDENTIALS_OPEN_DURATION, OpenDuration, TenantRef
from shared.tenants.model import Drift, NotChecked
from shared.tenants.views import TenantView
from tests.platform_fixture import PlatformFixture
from tests.worker.conftest import RunnerFixture, raising

#: seconds within which a check must end, though a pause or breaker lasts longer
AN_HOUR = OpenDuration(3600.0, 3600.0)
RENAMED = {"ocis": ("set name of the space Renamed",)}


@pytest.fixture
def platform(make_platform: Callable[..., PlatformFixture]) -> PlatformFixture:
    """Return a platform whose tenant's space was renamed; a drift check has found that."""
    platform = make_platform(drift_check_hours=24)
    tenant = platform.grown("acme")
    platform.clients["ocis"].update_space(tenant.remote["ocisSpaceId"], {"name": "Renamed"})
    return platform


@pytest.fixture
def detector(platform: PlatformFixture, dispatcher: Dispatcher) -> DriftDetector:
    starter = open_starter(platform.store, dispatcher, platform.settings)
    return open_drift_detector(platform.store, starter, platform.settings)


@pytest.fixture
def check(platform: PlatformFixture, detector: DriftDetector) -> Callable[[], Operation]:
    """Return the function that runs a drift check of the tenant to its end."""

    def run() -> Operation:
        platform.rows["tenants"].update_many({}, {"$unset": {"driftDueAt": ""}})
        assert detector.run_once() == 1
        tenant = platform.tenant("acme")
        return platform.finish(TenantView(tenant, platform.store.operations.find_open(tenant.id)))

    return run


def drift(platform: PlatformFixture) -> Drift:
    found = platform.tenant("acme").drift
    assert found is not None
    return found


def open_breaker(platform: PlatformFixture, *integrations: str, duration: OpenDuration = AN_HOUR) -> None:
    for integration in integrations:
        platform.store.switches.record_failure(
            integration, TenantRef("0" * 24, "beta"), "unreachable", "It is away.", 1, duration
        )


def test_while_one_integration_is_paused_the_others_are_checked_and_its_known_drift_stays(
    platform: PlatformFixture, check: Callable[[], Operation]
) -> None:
    check()
    known = drift(platform)
    assert (known.changes, known.not_checked) == (RENAMED, ())
    tenant = platform.tenant("acme")
    platform.clients["authentik"].delete_group(tenant.remote["authentikGroupId"])
    platform.services.switches.pause("ocis", "moving disks", platform.admin)
    operation = check()
    step = operation.step("ocis")
    assert (operation.status, step.status, step.reason) == (
        OperationStatus.SUCCEEDED,
        StepStatus.SKIPPED,
        "not_checked",
    )
    assert "Paused: ocis. Reason: moving disks" in (step.message or "")
    now = drift(platform)
    assert now.checked_at > known.checked_at
    assert set(now.changes) >= {"authentik", "ocis"}
    assert now.changes["ocis"] == RENAMED["ocis"]
    assert now.not_checked == (NotChecked("ocis", known.checked_at),)
    check()
    assert drift(platform).not_checked == (NotChecked("ocis", known.checked_at),), "no check looked at it since"


def test_the_next_check_after_the_pause_looks_at_it_again(
    platform: PlatformFixture, check: Callable[[], Operation]
) -> None:
    check()
    platform.services.switches.pause("ocis", "moving disks", platform.admin)
    check()
    space = platform.tenant("acme").remote["ocisSpaceId"]
    platform.clients["ocis"].update_space(space, {"name": "Acme GmbH"})
    platform.services.switches.resume("ocis", platform.admin)
    check()
    assert (drift(platform).changes, drift(platform).not_checked) == ({}, ())
    assert platform.rows["tenants"].find_one({"drifted": {"$exists": True}}) is None


def test_a_step_that_was_never_checked_since_the_last_change_has_no_time(
    platform: PlatformFixture, check: Callable[[], Operation]
) -> None:
    platform.services.switches.pause("ocis", "moving disks", platform.admin)
    check()
    assert (drift(platform).changes, drift(platform).not_checked) == ({}, (NotChecked("ocis"),))


def test_problems_and_filter_keep_the_drift_since_its_own_check(
    platform: PlatformFixture, check: Callable[[], Operation]
) -> None:
    check()
    seen = drift(platform).checked_at
    platform.services.switches.pause("ocis", "moving disks", platform.admin)
    check()
    groups = {one.integration: one for one in platform.services.status.status(platform.admin).groups}
    (example,) = groups["ocis"].examples
    assert (groups["ocis"].kind, example.tenant, example.since) == (Finding.DRIFTED, "acme", seen)
    assert example.message == RENAMED["ocis"][0]


def test_an_open_breaker_is_left_out_at_once_with_its_cause(
    platform: PlatformFixture, check: Callable[[], Operation]
) -> None:
    check()
    open_breaker(platform, "ocis")
    operation = check()
    step = operation.step("ocis")
    assert (operation.status, step.reason, step.attempts) == (OperationStatus.SUCCEEDED, "not_checked", 1)
    assert "Its circuit breaker is open: " in (step.message or "")
    assert "It is away." in (step.message or "")
    assert drift(platform).changes == RENAMED


def test_an_attempt_that_fails_while_the_breaker_is_open_leaves_the_integration_out(
    runners: RunnerFixture, platform: PlatformFixture
) -> None:
    """Its retry could be due after the deadline."""
    dry_run = platform.services.tenants.reconcile("acme", platform.admin, Mode.DRY_RUN).operation
    assert dry_run is not None

    def open_and_fail(*_: object) -> Outcome:
        open_breaker(platform, "ocis")
        raise TemporaryError("upstream_error", "It failed.", wait=600)

    assert runners.runner(ocis=open_and_fail).run(dry_run.id, "ocis", dry_run.dispatch).summary == "skipped"
    assert runners.seen(dry_run).step("ocis").reason == "not_checked"


def test_an_attempt_that_fails_while_the_breaker_is_closed_is_retried(
    runners: RunnerFixture, platform: PlatformFixture
) -> None:
    dry_run = platform.services.tenants.reconcile("acme", platform.admin, Mode.DRY_RUN).operation
    assert dry_run is not None
    runner = runners.runner(ocis=raising(TemporaryError("upstream_error")))
    assert runner.run(dry_run.id, "ocis", dry_run.dispatch).summary == "retry"


def test_a_check_may_be_the_probe_that_closes_a_half_open_breaker(
    platform: PlatformFixture, check: Callable[[], Operation]
) -> None:
    open_breaker(platform, *platform.settings.configured, duration=OpenDuration(0.0, 0.0))
    assert check().step("ocis").changes == RENAMED["ocis"]
    assert not platform.store.switches.find("ocis").is_open


def test_while_everything_is_paused_or_open_no_check_starts(platform: PlatformFixture, detector: DriftDetector) -> None:
    platform.rows["tenants"].update_many({}, {"$unset": {"driftDueAt": ""}})
    platform.services.switches.pause("all", "power cut", platform.admin)
    assert detector.run_once() == 0
    platform.services.switches.resume("all", platform.admin)
    platform.services.switches.pause("authentik", "upgrade", platform.admin)
    open_breaker(platform, "stalwart", "ocis", duration=CREDENTIALS_OPEN_DURATION)
    assert detector.run_once() == 0
    platform.services.switches.resume("authentik", platform.admin)
    assert detector.run_once() == 1


def test_a_dry_run_that_looked_at_nothing_leaves_the_known_drift_as_it_is(
    platform: PlatformFixture, check: Callable[[], Operation]
) -> None:
    check()
    before = drift(platform)
    platform.services.switches.pause_tenant("acme", "moving", platform.admin)
    dry_run = platform.finish(platform.services.tenants.reconcile("acme", platform.admin, Mode.DRY_RUN))
    assert {step.reason for step in dry_run.steps} == {"not_checked"}
    assert drift(platform) == before


def test_a_dry_run_that_a_person_requests_says_which_parts_it_left_out(platform: PlatformFixture) -> None:
    platform.services.switches.pause("stalwart", "upgrade", platform.admin)
    dry_run = platform.finish(platform.services.tenants.reconcile("acme", platform.admin, Mode.DRY_RUN))
    assert dry_run.step("ocis").changes == RENAMED["ocis"]
    assert dry_run.step("stalwart").reason == "not_checked"
    assert "request the dry run again" in (dry_run.step("stalwart").remedy or "")
    assert drift(platform).not_checked == (NotChecked("stalwart"),)
