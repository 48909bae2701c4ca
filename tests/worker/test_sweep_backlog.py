"""A sweep before a long backlog takes it in batches, shares it, and feeds the queues no faster than they drain."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from bson import ObjectId

from shared.dispatch import sender
from shared.dispatch.sender import FULL_QUEUE, Dispatcher
from shared.domain.operation import Operation
from shared.domain.views import TenantView
from shared.settings import Settings
from shared.store.opening import Store, open_store
from worker.sweep import BATCH, Sweep, sweep_until

STEPS = ("authentik", "stalwart", "ocis")
Backlog = Callable[[int], None]


@pytest.fixture
def lengths(redis_url: str) -> Iterator[Callable[[], list[int]]]:
    client = redis.Redis.from_url(redis_url)
    yield lambda: [int(client.llen(name)) for name in STEPS]
    client.close()


@pytest.fixture
def operation(create: Callable[..., TenantView], redis_url: str) -> Operation:
    made = create().operation
    assert made is not None
    redis.Redis.from_url(redis_url).flushdb()
    return made


@pytest.fixture
def backlog(store: Store, settings: Settings, operation: Operation) -> Backlog:
    """So many operations that are due and of which no message is left: the first as it was made, and copies."""
    rows = store.client[settings.mongodb_database]["operations"]

    def make(count: int) -> None:
        row = rows.find_one({"_id": ObjectId(operation.id)})
        assert row is not None
        rows.insert_many(
            [{**row, "_id": ObjectId(), "tenantId": str(ObjectId())} for _ in range(count - 1)], ordered=False
        )
        all_due(rows)

    return make


def all_due(rows: Any) -> None:
    steps = {"$map": {"input": "$steps", "as": "s", "in": {"$mergeObjects": ["$$s", {"lookAt": "$$NOW"}]}}}
    rows.update_many({"status": "running"}, [{"$set": {"dueAt": "$$NOW", "steps": steps}}])


def test_one_look_takes_on_a_batch_and_no_more(
    store: Store, dispatcher: Dispatcher, backlog: Backlog, lengths: Callable[[], list[int]]
) -> None:
    backlog(3 * BATCH)
    assert Sweep(store, dispatcher).look() == BATCH
    assert lengths() == [BATCH] * 3


@pytest.fixture
def no_queue_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "FULL_QUEUE", 10**6)


@pytest.mark.usefixtures("no_queue_is_full")
def test_a_full_batch_is_followed_by_the_next_look_at_once(
    store: Store, dispatcher: Dispatcher, backlog: Backlog, lengths: Callable[[], list[int]]
) -> None:
    backlog(3 * BATCH)
    stop = threading.Event()
    # an hour between two looks: all that is seen is the work of looks that did not wait
    thread = threading.Thread(target=sweep_until, args=(stop, Sweep(store, dispatcher), 3600.0))
    thread.start()
    try:
        give_up = time.monotonic() + 60
        while lengths() != [3 * BATCH] * 3:
            assert time.monotonic() < give_up
            time.sleep(0.05)
    finally:
        stop.set()
        thread.join(20)


@pytest.mark.usefixtures("no_queue_is_full")
def test_two_sweeps_share_it_and_send_nothing_twice(
    settings: Settings, backlog: Backlog, lengths: Callable[[], list[int]]
) -> None:
    backlog(2 * BATCH)

    def all_of_it(_: int) -> int:
        store, dispatcher = open_store(settings), Dispatcher(settings.broker)
        try:
            sweep = Sweep(store, dispatcher)
            return sum(sweep.look() for _ in range(4))
        finally:
            dispatcher.close()
            store.close()

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(all_of_it, range(2))) == 2 * BATCH
    assert lengths() == [2 * BATCH] * 3


def test_queues_that_are_full_are_left_to_drain_and_nothing_is_put_off_meanwhile(
    store: Store, dispatcher: Dispatcher, redis_url: str, backlog: Backlog, lengths: Callable[[], list[int]]
) -> None:
    client = redis.Redis.from_url(redis_url)
    for name in STEPS:
        client.lpush(name, *(["waiting"] * FULL_QUEUE))
    backlog(10)
    before = list(store.operations.due(20))
    assert Sweep(store, dispatcher).look() == 0
    assert list(store.operations.due(20)) == before
    client.flushdb()
    assert Sweep(store, dispatcher).look() == 10
    assert lengths() == [10] * 3


def test_one_integrations_full_queue_keeps_no_other_waiting(
    store: Store, dispatcher: Dispatcher, redis_url: str, settings: Settings, backlog: Backlog, lengths: Any
) -> None:
    client = redis.Redis.from_url(redis_url)
    client.lpush("stalwart", *(["waiting"] * FULL_QUEUE))
    backlog(10)
    assert Sweep(store, dispatcher).look() == 10
    assert lengths() == [10, FULL_QUEUE, 10]
    client.flushdb()
    all_due(store.client[settings.mongodb_database]["operations"])
    assert Sweep(store, dispatcher).look() == 10
    assert lengths()[1] == 10
