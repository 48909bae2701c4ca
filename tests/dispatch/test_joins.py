"""A chord's parts are counted in Redis, and the last of them sends the body."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from celery import Celery

from sandbox.services import Valkey
from shared.config.addresses import BrokerAddress
from shared.messaging.celery_app import CHORD_COUNTER_TTL, make_celery
from shared.messaging.chord_backend import ChordCounterBackend
from shared.messaging.messages import CONTROL_QUEUE, FINALIZE, RUN_STEP, TaskCall, make_chord_messages

ID = "6b058a725d1747cfeba27b12"
STEPS = ("authentik", "stalwart", "ocis")


@pytest.fixture
def app(redis_url: str) -> Iterator[Celery]:
    made = make_celery(BrokerAddress.of(redis_url), "sender")
    yield made
    made.close()


@pytest.fixture
def broker(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def requests_of(app: Celery) -> list[Any]:
    """Return the requests that a worker passes to the backend for each part of one chord."""
    messages = make_chord_messages(
        app, [TaskCall(RUN_STEP, (ID, step, 1), step) for step in STEPS], TaskCall(FINALIZE, (ID,), CONTROL_QUEUE)
    )
    return [_request(json.loads(message.text)) for message in messages]


def _request(message: dict[str, Any]) -> Any:
    headers, embedded = message["headers"], json.loads(base64.b64decode(message["body"]))[2]
    return SimpleNamespace(
        id=headers["id"], root_id=headers["root_id"], group=headers["group"], chord=embedded["chord"]
    )


def test_only_the_last_part_sends_the_body_and_the_counter_goes_with_it(app: Celery, broker: redis.Redis) -> None:
    join = ChordCounterBackend(app)
    first, second, third = requests_of(app)
    for part in (first, second):
        join.on_chord_part_return(part, "SUCCESS", "ok")
    assert broker.llen(CONTROL_QUEUE) == 0
    assert 0 < broker.ttl(f"join:{first.group}") <= CHORD_COUNTER_TTL
    join.on_chord_part_return(third, "SUCCESS", "ok")
    assert broker.llen(CONTROL_QUEUE) == 1
    assert broker.keys("join:*") == []


def test_a_last_part_that_did_the_bodys_work_sends_no_body(app: Celery, broker: redis.Redis) -> None:
    join = ChordCounterBackend(app)
    for part in requests_of(app):
        part.needs_no_body = True
        join.on_chord_part_return(part, "SUCCESS", "ok")
    assert broker.keys() == []


def test_a_part_that_failed_counts_like_any_other(app: Celery, broker: redis.Redis) -> None:
    join = ChordCounterBackend(app)
    for part in requests_of(app):
        join.on_chord_part_return(part, "FAILURE", RuntimeError("bug"))
    assert broker.llen(CONTROL_QUEUE) == 1


def test_a_broker_that_lost_its_scripts_and_counters_loses_the_body_without_an_error(
    app: Celery, broker: redis.Redis
) -> None:
    join = ChordCounterBackend(app)
    first, second, third = requests_of(app)
    join.on_chord_part_return(first, "SUCCESS", "ok")
    broker.flushall()
    broker.script_flush()
    for part in (second, third):
        join.on_chord_part_return(part, "SUCCESS", "ok")
    assert broker.llen(CONTROL_QUEUE) == 0
    assert broker.ttl(f"join:{first.group}") > 0


def test_without_a_broker_a_part_still_returns(own_valkey: Valkey) -> None:
    app = make_celery(BrokerAddress.of(own_valkey.url), "sender")
    parts = requests_of(app)
    own_valkey.kill()
    ChordCounterBackend(app).on_chord_part_return(parts[0], "SUCCESS", "ok")
    app.close()


def test_results_are_neither_stored_nor_shown(app: Celery, broker: redis.Redis) -> None:
    join = ChordCounterBackend(app)
    join.mark_as_done("some-task", "secret", request=None)
    assert broker.keys() == []
    assert join.get_task_meta("some-task")["result"] is None
    assert "redis" not in join.as_uri(include_password=True)
