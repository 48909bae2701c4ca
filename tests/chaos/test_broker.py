"""Check a broker that loses everything, hangs, or is down, while operations are in every state."""

from __future__ import annotations

import signal
import time

import redis

from sandbox.services import Valkey
from shared.operations.model import StepStatus
from shared.tenants.model import Status
from tests.end_to_end.conftest import Platform
from tests.end_to_end.test_worker_faults import clear, step_of
from tests.simulators import fault
from tests.waiting import until


def hang(valkey: Valkey, number: signal.Signals) -> None:
    assert valkey.process is not None
    valkey.process.send_signal(number)


def test_an_emptied_hung_or_killed_broker_loses_no_operation_in_any_state(
    fragile: Platform, own_valkey: Valkey
) -> None:
    broker = redis.Redis.from_url(own_valkey.url)
    fragile.create("queued")
    fragile.create("lost")
    broker.flushall()
    fragile.services.switches.pause("ocis", "upgrade", fragile.admin)
    fragile.start_worker()
    fragile.start_scheduler()
    fragile.create("held")
    until(lambda: step_of(fragile, "held", "ocis")[0] is StepStatus.PENDING and fragile.store.deferrals.any())
    fault(fragile.stalwart, kind="status", status=503)
    fault(fragile.authentik, kind="latency", delay=0.5)
    fragile.create("retried")
    until(lambda: step_of(fragile, "retried", "stalwart")[1] > 0)

    broker.flushall()
    fragile.create("created-after-a-flush")
    hang(own_valkey, signal.SIGSTOP)
    fragile.create("created-while-it-hangs")
    time.sleep(0.5)
    hang(own_valkey, signal.SIGCONT)
    own_valkey.kill()
    fragile.create("created-while-it-is-gone")
    clear(fragile.stalwart)
    fragile.services.switches.resume("ocis", fragile.admin)
    time.sleep(0.5)
    own_valkey.start()

    after = ("created-after-a-flush", "created-while-it-hangs", "created-while-it-is-gone")
    for slug in ("queued", "lost", "held", "retried", *after):
        assert fragile.settled(slug).tenant.status is Status.ACTIVE
        assert fragile.has_one_of_each(slug)


def test_a_worker_killed_with_prefetched_messages_loses_none(platform: Platform, redis_url: str) -> None:
    for product in (platform.authentik, platform.stalwart, platform.ocis):
        fault(product, kind="latency", delay=0.4)
    slugs = [f"acme{number}" for number in range(8)]
    for slug in slugs:
        platform.create(slug)
    broker = redis.Redis.from_url(redis_url)
    first = platform.start_worker()
    until(lambda: broker.hlen("unacked") >= 5)
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    platform.start_worker()
    platform.start_scheduler()
    for slug in slugs:
        assert platform.settled(slug).tenant.status is Status.ACTIVE
        assert platform.has_one_of_each(slug)
