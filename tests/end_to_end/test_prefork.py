"""A worker with forked child processes instead of threads."""

from __future__ import annotations

import psutil

from shared.operations.model import StepStatus
from shared.tenants.model import Status
from tests.end_to_end.conftest import Platform
from tests.end_to_end.test_worker_faults import clear, step_of
from tests.simulators import fault
from tests.waiting import until


def test_prefork_children_run_steps_and_others_finish_those_of_a_killed_child(platform: Platform) -> None:
    worker = platform.start_worker(pool="prefork", concurrency=2)
    platform.start_scheduler()
    platform.create("acme")
    assert platform.settled("acme").tenant.status is Status.ACTIVE
    assert platform.has_one_of_each("acme")
    fault(platform.ocis, kind="hang")
    platform.create("beta")
    until(lambda: step_of(platform, "beta", "ocis") == (StepStatus.RUNNING, 1))
    children = psutil.Process(worker.pid).children()
    assert len(children) == 2
    for child in children:
        child.kill()
    clear(platform.ocis)
    assert platform.settled("beta").tenant.status is Status.ACTIVE
    assert platform.has_one_of_each("beta")
    # the attempt of the killed child is recorded and counts
    assert step_of(platform, "beta", "ocis")[1] > 1
    assert worker.poll() is None
    worker.terminate()
    assert worker.wait(60) == 0
