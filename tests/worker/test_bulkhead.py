"""The bulkhead limits an integration's steps; the watchdog ends a worker whose step hangs."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import redis

from shared.integrations.outcomes import Outcome, ok
from shared.operations.model import Operation
from tests.worker.conftest import RunnerFixture
from worker.execution.bulkhead import Bulkhead, Message
from worker.execution.watchdog import Watchdog
from worker.integrations.step_context import StepContext


class Slow:
    """A step that runs until the test lets it end."""

    def __init__(self) -> None:
        self.entered, self.end = threading.Event(), threading.Event()

    def __call__(self, context: StepContext, client: Any) -> Outcome:
        self.entered.set()
        assert self.end.wait(20)
        return ok()


@pytest.fixture
def broker(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url)


def test_a_message_over_the_limit_spends_no_attempt_and_returns_to_its_queue_when_a_step_ends(
    runners: RunnerFixture, operation: Operation, create: Any, broker: redis.Redis
) -> None:
    slow = Slow()
    other = create("beta").operation
    runner = runners.runner(bulkhead=Bulkhead(1), ocis=slow)
    busy = threading.Thread(target=runner.run, args=(operation.id, "ocis", 1))
    busy.start()
    assert slow.entered.wait(10)
    broker.flushall()
    assert [runner.run(other.id, "ocis", 1).summary for _ in range(3)] == ["bulkhead full"] * 3
    assert runner.run(other.id, "stalwart", 1).summary == "ok"
    assert runners.seen(other).step("ocis").attempts == 0
    assert broker.llen("ocis") == 0
    slow.end.set()
    busy.join(20)
    assert broker.llen("ocis") == 1
    assert runners.seen(other).step("ocis").attempts == 0
    assert runner.run(other.id, "ocis", 1).summary == "ok"


def test_a_stopping_worker_returns_all_waiting_messages_to_their_queues(
    runners: RunnerFixture, operation: Operation, create: Any, broker: redis.Redis
) -> None:
    slow = Slow()
    others = [create(slug).operation for slug in ("beta", "gamma")]
    runner = runners.runner(bulkhead=Bulkhead(1), ocis=slow)
    busy = threading.Thread(target=runner.run, args=(operation.id, "ocis", 1))
    busy.start()
    assert slow.entered.wait(10)
    broker.flushall()
    for other in others:
        assert runner.run(other.id, "ocis", 1).summary == "bulkhead full"
    runner.stop()
    assert broker.llen("ocis") == 2
    slow.end.set()
    busy.join(20)
    assert broker.llen("ocis") == 2


def test_two_waiting_messages_of_one_step_return_as_one_with_the_newest_dispatch() -> None:
    bulkhead = Bulkhead(1)
    assert bulkhead.acquire("ocis", Message("first", "ocis", 1))
    for dispatch in (1, 3, 2):
        assert not bulkhead.acquire("ocis", Message("second", "ocis", dispatch, "ocis.suspend"))
    assert bulkhead.release("ocis") == Message("second", "ocis", 3, "ocis.suspend")
    assert bulkhead.acquire("ocis", Message("second", "ocis", 3))
    assert bulkhead.release("ocis") is None


def test_only_a_step_that_outlives_its_lease_ends_the_process() -> None:
    left = threading.Event()
    patient = Watchdog(60, left.set)
    with patient.watching({"step": "ocis"}):
        pass
    watchdog = Watchdog(0.05, left.set)
    with watchdog.watching({"step": "ocis"}):
        pass
    assert not left.wait(0.2)
    with watchdog.watching({"step": "ocis"}):
        assert left.wait(10)
