"""Schedulers publish a long backlog in shared batches, no faster than the queues drain."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pymongo
import pytest
import redis
from bson import ObjectId
from pymongo import WriteConcern

import worker.jobs.scheduler_loop
from shared.application.store import Repositories, open_repositories
from shared.config.settings import Settings
from shared.operations import dispatcher as sender
from shared.operations.dispatcher import FULL_QUEUE, Dispatcher
from shared.operations.model import Operation
from shared.tenants.views import TenantView
from worker.composition import open_scheduler_loop
from worker.jobs.scheduler_loop import BATCH, run_until

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
def backlog(store: Repositories, settings: Settings, operation: Operation) -> Backlog:
    """Create so many due operations without messages: one real one and copies of it."""
    rows = store.connection.client[settings.mongodb_database]["operations"]

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


def test_one_run_publishes_at_most_one_batch(
    store: Repositories, dispatcher: Dispatcher, backlog: Backlog, lengths: Callable[[], list[int]]
) -> None:
    backlog(3 * BATCH)
    assert open_scheduler_loop(store, dispatcher).run_once() == BATCH
    assert lengths() == [BATCH] * 3


@pytest.fixture
def no_queue_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "FULL_QUEUE", 10**6)


@pytest.mark.usefixtures("no_queue_is_full")
def test_a_full_batch_is_followed_by_the_next_run_at_once(
    store: Repositories, dispatcher: Dispatcher, backlog: Backlog, lengths: Callable[[], list[int]]
) -> None:
    backlog(3 * BATCH)
    stop = threading.Event()
    # an hour between two runs: all published steps come from runs without a wait
    thread = threading.Thread(target=run_until, args=(stop, open_scheduler_loop(store, dispatcher), 3600.0))
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while lengths() != [3 * BATCH] * 3:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        stop.set()
        thread.join(20)


@pytest.mark.usefixtures("no_queue_is_full")
def test_three_schedulers_share_a_backlog_and_publish_each_step_once(
    store: Repositories, make_settings: Callable[..., Settings], backlog: Backlog, lengths: Callable[[], list[int]]
) -> None:
    # so long that no step is due again before all are published
    settings = make_settings(dispatch_grace_seconds=600)
    count = 10 * BATCH
    backlog(count)

    def until_nothing_is_due(_: int) -> int:
        own, dispatcher = open_repositories(settings), Dispatcher(settings.broker)
        try:
            scheduler = open_scheduler_loop(own, dispatcher)
            taken = 0
            while any(own.operations.due(1)):
                taken += scheduler.run_once()
            return taken
        finally:
            dispatcher.close()
            own.close()

    with ThreadPoolExecutor(3) as pool:
        taken = list(pool.map(until_nothing_is_due, range(3)))
    assert sum(taken) == count
    assert all(taken), taken
    assert lengths() == [count] * 3
    rows = store.connection.client[settings.mongodb_database]["operations"]
    assert rows.count_documents({"dispatch": 2}) == count


@pytest.fixture
def long_backlog(store: Repositories, settings: Settings, operation: Operation) -> Iterator[None]:
    """Create twenty thousand operations with one step each: due, past their deadline, or ended and not settled."""
    database = store.connection.client[settings.mongodb_database]
    rows = database["operations"].with_options(write_concern=WriteConcern(w=1))
    made = rows.find_one({"_id": ObjectId(operation.id)})
    assert made is not None
    past, future = (datetime.now(UTC) + timedelta(hours=hours) for hours in (-1, 1))
    due = {**made, "dueAt": past, "deadlineAt": future, "steps": [{**made["steps"][0], "lookAt": past}]}
    overdue = {**due, "dueAt": future, "deadlineAt": past}
    unsettled = {**due, "status": "succeeded", "finishedAt": past}
    kinds = (due, overdue, unsettled)
    with pymongo.timeout(60):
        rows.insert_many(
            [{**kinds[n % 3], "_id": ObjectId(), "tenantId": str(ObjectId())} for n in range(20_000)], ordered=False
        )
    yield
    # faster than removing each document
    rows.drop()
    store.make_indexes()


@pytest.mark.usefixtures("long_backlog")
def test_a_run_reads_only_its_batch_however_long_the_backlog_is(
    store: Repositories, dispatcher: Dispatcher, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.jobs.scheduler_loop, "BATCH", 20)
    taken = 3 * 20
    with profiled(store.connection.client[settings.mongodb_database]) as read:
        assert open_scheduler_loop(store, dispatcher).run_once() == taken
    docs, keys = (sum(one) for one in zip(*read, strict=True))
    assert taken <= docs < 10 * taken
    assert taken <= keys < 10 * taken


@contextmanager
def profiled(database: Any) -> Iterator[list[tuple[int, int]]]:
    """Yield the documents and index keys that each database command examines; filled when the block ends."""
    read: list[tuple[int, int]] = []
    database.command("profile", 2)
    try:
        yield read
    finally:
        database.command("profile", 0)
        read += [(one.get("docsExamined", 0), one.get("keysExamined", 0)) for one in database["system.profile"].find()]
        database["system.profile"].drop()


def test_nothing_is_published_to_full_queues_and_due_times_stay(
    store: Repositories, dispatcher: Dispatcher, redis_url: str, backlog: Backlog, lengths: Callable[[], list[int]]
) -> None:
    client = redis.Redis.from_url(redis_url)
    for name in STEPS:
        client.lpush(name, *(["waiting"] * FULL_QUEUE))
    backlog(10)
    before = list(store.operations.due(20))
    assert open_scheduler_loop(store, dispatcher).run_once() == 0
    assert list(store.operations.due(20)) == before
    client.flushdb()
    assert open_scheduler_loop(store, dispatcher).run_once() == 10
    assert lengths() == [10] * 3


def test_one_integrations_full_queue_delays_no_other(
    store: Repositories, dispatcher: Dispatcher, redis_url: str, settings: Settings, backlog: Backlog, lengths: Any
) -> None:
    client = redis.Redis.from_url(redis_url)
    client.lpush("stalwart", *(["waiting"] * FULL_QUEUE))
    backlog(10)
    assert open_scheduler_loop(store, dispatcher).run_once() == 10
    assert lengths() == [10, FULL_QUEUE, 10]
    client.flushdb()
    all_due(store.connection.client[settings.mongodb_database]["operations"])
    assert open_scheduler_loop(store, dispatcher).run_once() == 10
    assert lengths()[1] == 10
