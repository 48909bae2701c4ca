"""Check messages that come twice, late, from an older dispatch, or malformed."""

from __future__ import annotations

from collections.abc import Callable

import redis

from shared.messaging.messages import QUEUES
from shared.operations.model import Mode, StepStatus
from shared.tenants.model import Status
from tests.end_to_end.conftest import Platform
from tests.end_to_end.test_whole_path import STEPS
from tests.end_to_end.test_worker_faults import step_of
from tests.simulators import fault, writes
from tests.waiting import until

MALFORMED = (b"not JSON", b"\xff\xfe", b"[]", b'{"body": 1}', b'{"properties": {"delivery_tag": 5}}', b"x" * 300_000)


def is_empty(broker: redis.Redis) -> bool:
    return not any(broker.llen(queue) for queue in QUEUES) and not broker.hlen("unacked")


def test_messages_that_come_three_times_and_an_operation_too_late_have_no_effect(
    platform: Platform, redis_url: str
) -> None:
    broker = redis.Redis.from_url(redis_url)
    slugs = [f"acme{number}" for number in range(3)]
    for slug in slugs:
        platform.create(slug)
    old = [(queue, text) for queue in QUEUES for text in broker.lrange(queue, 0, -1)]
    for queue, text in old * 2:
        broker.lpush(queue, text)
    platform.start_worker()
    firsts = [platform.settled(slug) for slug in slugs]
    # the newer operation is under way while the messages of the older one come once more
    fault(platform.ocis, kind="latency", delay=0.3)
    for slug in slugs:
        platform.services.tenants.reconcile(slug, platform.admin, Mode.APPLY)
    for queue, text in old:
        broker.lpush(queue, text)
    seconds = [platform.settled(slug) for slug in slugs]
    until(lambda: is_empty(broker))
    for first, second in zip(firsts, seconds, strict=True):
        assert first.operation is not None
        assert second.operation is not None
        assert second.tenant.status is Status.ACTIVE
        assert platform.has_one_of_each(first.tenant.slug)
        assert platform.store.operations.find(first.operation.id) == first.operation
        assert [second.operation.step(name).attempts for name in STEPS] == [1, 1, 1]
    assert len([one for one in writes(platform.authentik) if one == "POST /api/v3/core/groups/"]) == len(slugs)


def taken_out(broker: redis.Redis) -> list[tuple[str, bytes]]:
    found = [(queue, text) for queue in QUEUES for text in broker.lrange(queue, 0, -1)]
    broker.delete(*QUEUES)
    return found


def deliver(broker: redis.Redis, messages: list[tuple[str, bytes]]) -> None:
    for queue, text in messages:
        broker.lpush(queue, text)


def test_a_message_from_before_a_lost_lease_has_no_effect_on_a_newer_attempt(
    make_platform: Callable[..., Platform], redis_url: str
) -> None:
    platform = make_platform(redis_url, LEASE_SECONDS="3", ATTEMPT_SECONDS="2.8")
    broker = redis.Redis.from_url(redis_url)
    platform.create("acme")
    old = taken_out(broker)
    fault(platform.ocis, kind="hang", count=1)
    deliver(broker, old)
    worker = platform.start_worker()
    until(lambda: [step_of(platform, "acme", name)[0] for name in STEPS] == ["ok", "ok", "running"])
    ended = [step_of(platform, "acme", name) for name in ("authentik", "stalwart")]
    worker.kill()
    worker.wait(10)
    scheduler = platform.start_scheduler()
    until(lambda: broker.llen("ocis"))
    # from now on nothing is published again
    scheduler.terminate()
    scheduler.wait(10)
    broker.delete("unacked", "unacked_index")
    new = taken_out(broker)

    platform.start_worker()
    deliver(broker, old)
    until(lambda: is_empty(broker))
    assert step_of(platform, "acme", "ocis")[1] == 1
    fault(platform.ocis, kind="latency", delay=0.6, count=1)
    deliver(broker, new)
    until(lambda: step_of(platform, "acme", "ocis") == (StepStatus.RUNNING, 2))
    deliver(broker, old * 2)
    assert platform.settled("acme").tenant.status is Status.ACTIVE
    until(lambda: is_empty(broker))
    assert [step_of(platform, "acme", name) for name in STEPS] == [*ended, (StepStatus.OK, 2)]
    assert platform.has_one_of_each("acme")


def test_malformed_messages_restart_a_supervised_worker_and_lose_no_operation(
    platform: Platform, redis_url: str
) -> None:
    broker = redis.Redis.from_url(redis_url)
    for text in MALFORMED:
        broker.lpush("ocis", text)
    platform.create("acme")
    platform.start_scheduler()
    workers = [platform.start_worker()]

    def ended_supervised() -> bool:
        if workers[-1].poll() is not None:
            workers.append(platform.start_worker())
        operation = platform.tenant("acme").operation
        return operation is not None and operation.settled

    until(ended_supervised, seconds=90)
    assert platform.tenant("acme").tenant.status is Status.ACTIVE
    assert platform.has_one_of_each("acme")
    # each message can end a worker once: the worker removes it from its queue before reading
    assert len(workers) <= 1 + len(MALFORMED)
