"""Messages that come twice, late, from an older dispatch, or that are none."""

from __future__ import annotations

import redis

from shared.dispatch.names import QUEUES
from shared.domain.operation import Mode
from shared.domain.tenant import Status
from tests.path.conftest import Platform
from tests.path.test_whole_path import STEPS, until
from tests.stand_ins import fault, writes

JUNK = (b"not JSON", b"\xff\xfe", b"[]", b'{"body": 1}', b'{"properties": {"delivery_tag": 5}}', b"x" * 300_000)


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
        platform.plane.tenants.reconcile(slug, platform.admin, Mode.APPLY)
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


def test_a_worker_outlives_whatever_is_put_into_its_queues(platform: Platform, redis_url: str) -> None:
    broker = redis.Redis.from_url(redis_url)
    worker = platform.start_worker()
    for queue in QUEUES:
        for text in JUNK:
            broker.lpush(queue, text)
    platform.create("acme")
    assert platform.settled("acme").tenant.status is Status.ACTIVE
    until(lambda: is_empty(broker))
    assert worker.poll() is None
    assert platform.logs().count("broker.junk_dropped") == len(QUEUES) * len(JUNK)
    assert "Connection to broker lost" not in platform.logs()
