"""Celery tasks: the parts of a chord run, and its body only where its work is left."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import redis
from celery import Celery
from celery.app.trace import build_tracer

from shared.application.parts import open_settlement
from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.core.errors import StoreUnavailable
from shared.db.documents import Transaction
from shared.integrations.outcomes import PermanentError
from shared.messaging.celery_app import make_celery
from shared.messaging.messages import CONTROL_QUEUE, FINALIZE
from shared.operations.dispatcher import Dispatcher
from shared.operations.model import Operation
from shared.operations.repository import OperationRepository
from tests.worker.conftest import STEPS, Function, RunnerFixture, raising
from worker.process_context import ProcessContext
from worker.tasks import register_tasks

RunParts = Callable[..., None]


@pytest.fixture
def broker(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def run_parts(
    settings: Settings, store: Repositories, runners: RunnerFixture, operation: Operation, broker: redis.Redis
) -> Iterator[RunParts]:
    """Runs the published parts one after the other, as a worker does. `functions`: step name to its function."""
    app = make_celery(settings.broker, "worker")

    def run(chosen: RunnerFixture = runners, **functions: Function) -> None:
        runner = chosen.runner(**functions)
        register_tasks(app, lambda: ProcessContext(store.operations, open_settlement(store), runner))
        for step in STEPS:
            _run_part(app, json.loads(str(broker.rpop(step), "utf-8")))

    yield run
    app.close()


def _run_part(app: Celery, message: dict[str, dict[str, str]]) -> None:
    headers = message["headers"]
    args, _, embedded = json.loads(base64.b64decode(str(message["body"])))
    trace = build_tracer(headers["task"], app.tasks[headers["task"]], app=app)
    trace(headers["id"], args, {}, {**headers, **embedded})


def test_the_part_that_settles_the_operation_saves_the_body(
    run_parts: RunParts, runners: RunnerFixture, operation: Operation, broker: redis.Redis
) -> None:
    run_parts()
    assert runners.seen(operation).settled
    assert (broker.llen(CONTROL_QUEUE), broker.keys("join:*")) == (0, [])


def test_the_part_that_settles_a_failed_operation_saves_the_body_too(
    run_parts: RunParts, runners: RunnerFixture, operation: Operation, broker: redis.Redis
) -> None:
    run_parts(ocis=raising(PermanentError("taken")))
    assert runners.seen(operation).settled
    assert (broker.llen(CONTROL_QUEUE), broker.keys("join:*")) == (0, [])


def test_the_body_is_sent_when_the_last_part_could_not_settle(
    run_parts: RunParts,
    store: Repositories,
    runners: RunnerFixture,
    operation: Operation,
    broker: redis.Redis,
    dispatcher: Dispatcher,
    settings: Settings,
) -> None:
    class Unavailable(OperationRepository):
        """Lose the database just before an operation is settled."""

        def settle(self, operation_id: str, session: Transaction) -> Operation | None:
            raise StoreUnavailable

    database = store.connection.client[settings.mongodb_database]
    losing = replace(store, operations=Unavailable(database, 5, 1))
    run_parts(RunnerFixture(losing, dispatcher, settings))
    assert not runners.seen(operation).settled
    (body,) = broker.lrange(CONTROL_QUEUE, 0, -1)
    assert json.loads(body)["headers"]["task"] == FINALIZE
