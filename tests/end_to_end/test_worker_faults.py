"""Real workers under faults: an integration that hangs or fails for all, pauses, hung threads, deployments."""

from __future__ import annotations

from collections.abc import Callable

import requests

from shared.operations.model import StepStatus
from shared.tenants.model import Status
from tests.end_to_end.conftest import Platform
from tests.simulators import fault
from tests.waiting import until
from worker.execution.watchdog import EXIT_CODE

MANY = 12
SLOTS = 3


def slugs() -> list[str]:
    return [f"acme{number}" for number in range(MANY)]


def step_of(platform: Platform, slug: str, name: str) -> tuple[StepStatus, int]:
    operation = platform.tenant(slug).operation
    assert operation is not None
    step = operation.step(name)
    return step.status, step.attempts


def count(platform: Platform, name: str, is_so: Callable[[StepStatus, int], bool]) -> int:
    return sum(is_so(*step_of(platform, slug, name)) for slug in slugs())


def clear(product: object) -> None:
    requests.delete(f"{product.url}/__sim/faults", timeout=5).raise_for_status()  # type: ignore[attr-defined]


def test_a_product_that_hangs_for_every_tenant_delays_no_other_step(
    make_platform: Callable[..., Platform], redis_url: str
) -> None:
    # as many tenants as the worker has slots; a hang lasts longer than this test
    patient = {
        "CALL_SECONDS": "80",
        "ATTEMPT_SECONDS": "90",
        "LEASE_SECONDS": "100",
        "INTEGRATION_CONCURRENCY": str(SLOTS),
    }
    platform = make_platform(redis_url, **patient)
    fault(platform.ocis, kind="hang", delay=3600)
    processes = (platform.start_worker(concurrency=MANY), platform.start_scheduler())
    for slug in slugs():
        platform.create(slug)
    for name in ("authentik", "stalwart"):
        until(lambda name=name: count(platform, name, lambda status, _: status == "ok") == MANY, 60)
    assert count(platform, "ocis", lambda _, attempts: attempts > 0) == SLOTS
    assert count(platform, "ocis", lambda status, _: status == "ok") == 0
    for process in processes:  # after SIGTERM they would wait for the hanging calls
        process.kill()


def test_all_threads_can_wait_for_products_and_other_steps_still_complete(
    make_platform: Callable[..., Platform], redis_url: str
) -> None:
    patient = {"CALL_SECONDS": "80", "ATTEMPT_SECONDS": "90", "LEASE_SECONDS": "100"}
    platform = make_platform(redis_url, **patient)
    for product in (platform.ocis, platform.authentik):
        fault(product, kind="hang", delay=3600)
    worker = platform.start_worker(concurrency=3 * MANY)
    for slug in slugs():
        platform.create(slug)
    for name in ("authentik", "ocis"):
        until(lambda name=name: count(platform, name, lambda _, attempts: attempts > 0) == MANY)
    until(lambda: count(platform, "stalwart", lambda status, _: status == "ok") == MANY)
    worker.kill()  # after SIGTERM it would wait for the hanging calls


def test_a_step_over_the_bulkheads_limit_runs_when_another_ends(
    make_platform: Callable[..., Platform], redis_url: str
) -> None:
    # a second attempt would run beside the first
    patient = {"LEASE_SECONDS": "60", "ATTEMPT_SECONDS": "50", "CALL_SECONDS": "20"}
    platform = make_platform(redis_url, INTEGRATION_CONCURRENCY="1", **patient)
    fault(platform.ocis, kind="latency", delay=0.05)
    platform.start_worker(concurrency=MANY)
    for slug in slugs():
        platform.create(slug)
    for slug in slugs():
        assert platform.settled(slug).tenant.status is Status.ACTIVE
        assert platform.has_one_of_each(slug)
        operation = platform.tenant(slug).operation
        assert operation is not None
        assert step_of(platform, slug, "ocis") == (StepStatus.OK, 1 + platform.retries(operation.id, "ocis"))


def test_an_integration_that_fails_for_all_tenants_opens_the_breaker_until_a_probe_succeeds(
    make_platform: Callable[..., Platform], redis_url: str
) -> None:
    platform = make_platform(redis_url, BREAKER_FAILURES="3", BREAKER_SECONDS="2")
    fault(platform.ocis, kind="status", status=500)
    platform.start_worker()
    platform.start_scheduler()
    for slug in slugs():
        platform.create(slug)
    until(lambda: platform.store.switches.all().get("ocis") and platform.store.switches.all()["ocis"].is_open)
    until(lambda: platform.store.deferrals.any())
    clear(platform.ocis)
    for slug in slugs():
        assert platform.settled(slug).tenant.status is Status.ACTIVE
        assert platform.has_one_of_each(slug)
    assert not platform.store.switches.all()["ocis"].is_open


def test_a_paused_integration_gets_no_request_until_it_is_resumed(platform: Platform) -> None:
    platform.services.switches.pause("ocis", "upgrade", platform.admin)
    platform.start_worker()
    platform.start_scheduler()
    for slug in slugs()[:4]:
        platform.create(slug)
    for slug in slugs()[:4]:
        until(lambda slug=slug: step_of(platform, slug, "stalwart")[0] == "ok")
        until(lambda slug=slug: platform.tenant(slug).operation.paused_at)  # type: ignore[union-attr]
        assert step_of(platform, slug, "ocis") == (StepStatus.PENDING, 0)
    assert not platform.ocis.journal
    platform.services.switches.resume("ocis", platform.admin)
    for slug in slugs()[:4]:
        view = platform.settled(slug)
        assert view.tenant.status is Status.ACTIVE
        assert step_of(platform, slug, "ocis") == (StepStatus.OK, 1)


def test_a_worker_with_a_hung_step_exits_and_the_next_one_does_the_work(platform: Platform) -> None:
    hung = platform.start_worker(app="tests.end_to_end.faulty_workers:app", FAULTY_WORKER="hanging")
    platform.create("acme")
    assert hung.wait(30) == EXIT_CODE
    assert "worker.step_outlived_lease" in platform.logs()
    assert step_of(platform, "acme", "ocis") == (StepStatus.RUNNING, 1)
    platform.start_worker()
    platform.start_scheduler()
    assert platform.settled("acme").tenant.status is Status.ACTIVE
    assert platform.has_one_of_each("acme")
    assert step_of(platform, "acme", "ocis") == (StepStatus.OK, 2)


def test_a_worker_that_stops_in_the_middle_of_a_step_loses_no_attempt(platform: Platform) -> None:
    fault(platform.ocis, kind="latency", delay=0.3)
    old = platform.start_worker()
    for slug in slugs():
        platform.create(slug)
    until(lambda: count(platform, "ocis", lambda _, attempts: attempts > 0))
    old.terminate()
    # the new worker starts before the old one has ended, as in a deployment
    platform.start_worker()
    platform.start_scheduler()
    # the worker exits by itself; its steps have ended or returned to the queue
    assert old.wait(60) == 0
    for slug in slugs():
        assert platform.settled(slug).tenant.status is Status.ACTIVE
        assert platform.has_one_of_each(slug)


def test_a_worker_that_stops_while_a_thread_accepts_a_message_ends_soon(platform: Platform) -> None:
    fault(platform.ocis, kind="latency", delay=0.3)
    for slug in slugs():
        platform.create(slug)
    old = platform.start_worker(app="tests.end_to_end.faulty_workers:app", FAULTY_WORKER="stopped")
    # long before Celery's soft shutdown times out
    assert old.wait(15) == 0
    assert "cannot schedule new futures" not in platform.logs()
    platform.start_worker()
    platform.start_scheduler()
    for slug in slugs():
        assert platform.settled(slug).tenant.status is Status.ACTIVE
        assert platform.has_one_of_each(slug)


def test_a_step_that_an_old_worker_does_not_know_waits_for_a_new_one(platform: Platform) -> None:
    platform.start_worker(app="tests.end_to_end.faulty_workers:app", FAULTY_WORKER="old")
    platform.start_scheduler()
    platform.create("acme")
    until(lambda: step_of(platform, "acme", "ocis")[1] > 0)
    until(lambda: step_of(platform, "acme", "stalwart")[0] == "ok")
    assert step_of(platform, "acme", "ocis")[0] in (StepStatus.PENDING, StepStatus.RUNNING)
    platform.start_worker()
    assert platform.settled("acme").tenant.status is Status.ACTIVE
    assert platform.has_one_of_each("acme")
