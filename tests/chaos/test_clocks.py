"""Check workers and schedulers whose clocks are hours ahead or behind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from shared.tenants.model import Status
from tests.chaos.conftest import start_scheduler_with_clock_off, start_worker_with_clock_off
from tests.end_to_end.conftest import Platform
from tests.end_to_end.test_whole_path import STEPS
from tests.simulators import fault

HOURS = 3600.0
CLOCKS = """
import json, time
from datetime import UTC, datetime
import bson, celery
read = bson.decode(bson.encode({"at": datetime.now(UTC)}))["at"]
app = celery.Celery(set_as_current=False)
clocks = [time.time(), time.time_ns() / 1e9, datetime.now(UTC), datetime.utcnow().replace(tzinfo=UTC), app.now(), read]
assert all(isinstance(one, datetime) for one in clocks[2:])
print(json.dumps([one if isinstance(one, float) else one.replace(tzinfo=UTC).timestamp() for one in clocks]))
"""


def test_every_wall_clock_of_a_shifted_process_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "clocks.py").write_text(CLOCKS)
    command = [sys.executable, "-m", "tools.chaos.platform.wrong_clock", str(2 * HOURS), "clocks"]
    clocks = subprocess.run(command, env={"PYTHONPATH": f"{Path.cwd()}:{tmp_path}"}, stdout=subprocess.PIPE, check=True)
    now = datetime.now(UTC).timestamp()
    assert all(HOURS < clocks - now < 3 * HOURS for clocks in json.loads(clocks.stdout))


def test_with_workers_whose_clocks_are_hours_off_no_step_runs_twice_at_once(
    make_platform: Callable[..., Platform], redis_url: str
) -> None:
    # no lease ends during the test, so a second attempt would run beside the first; the mail server limits requests
    platform = make_platform(
        redis_url, LEASE_SECONDS="60", ATTEMPT_SECONDS="50", CALL_SECONDS="20", INTEGRATION_CONCURRENCY="1"
    )
    for product in (platform.authentik, platform.stalwart, platform.ocis):
        fault(product, kind="latency", delay=0.1)
    start_worker_with_clock_off(platform, 2 * HOURS)
    start_worker_with_clock_off(platform, -3 * HOURS)
    # by the clock that is ahead, every deadline and every lease is over
    start_scheduler_with_clock_off(platform, 2 * HOURS)
    start_scheduler_with_clock_off(platform, -3 * HOURS)
    slugs = [f"acme{number}" for number in range(9)]
    for slug in slugs:
        platform.create(slug)
    for slug in slugs:
        view = platform.settled(slug)
        assert view.tenant.status is Status.ACTIVE
        assert platform.has_one_of_each(slug)
        assert view.operation is not None
        # a call may time out on a busy machine, which the logs show as a retry; a concurrent attempt leaves no retry
        for name in STEPS:
            attempts = view.operation.step(name).attempts
            assert attempts == 1 + platform.retries(view.operation.id, name), (slug, name)
