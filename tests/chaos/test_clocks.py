"""Workers whose clock is hours off, one ahead and one behind."""

from __future__ import annotations

from collections.abc import Callable

from shared.domain.tenant import Status
from tests.chaos.conftest import start_worker_with_clock_off
from tests.path.conftest import Platform
from tests.path.test_whole_path import STEPS
from tests.stand_ins import fault

HOURS = 3600.0


def test_with_workers_whose_clocks_are_hours_off_no_step_runs_twice_at_once(
    make_platform: Callable[..., Platform], redis_url: str
) -> None:
    # a lease so long that a second attempt could only be one beside the first; few enough for the mail server's bound
    platform = make_platform(
        redis_url, LEASE_SECONDS="60", ATTEMPT_SECONDS="50", CALL_SECONDS="20", INTEGRATION_SLOTS="1"
    )
    for product in (platform.authentik, platform.stalwart, platform.ocis):
        fault(product, kind="latency", delay=0.1)
    start_worker_with_clock_off(platform, 2 * HOURS)
    start_worker_with_clock_off(platform, -3 * HOURS)
    platform.start_sweep()
    slugs = [f"acme{number}" for number in range(9)]
    for slug in slugs:
        platform.create(slug)
    for slug in slugs:
        view = platform.settled(slug)
        assert view.tenant.status is Status.ACTIVE
        assert platform.has_one_of_each(slug)
        assert view.operation is not None
        assert [view.operation.step(name).attempts for name in STEPS] == [1, 1, 1]
