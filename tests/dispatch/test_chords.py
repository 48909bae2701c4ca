"""The dispatcher publishes real chords, as Celery's canvas would, and nothing else."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from celery import Celery, chord

from shared.config.addresses import BrokerAddress
from shared.messaging.celery_app import make_celery
from shared.messaging.messages import (
    CONTROL_QUEUE,
    FINALIZE,
    QUEUES,
    RUN_STEP,
    TaskCall,
    make_body_message,
    make_chord_messages,
)
from shared.operations.dispatcher import Dispatcher
from shared.tenants.views import TenantView

ID = "6b058a725d1747cfeba27b12"
STEPS = ("authentik", "stalwart", "ocis")
HEADER = [TaskCall(RUN_STEP, (ID, step, 1), step) for step in STEPS]
BODY = TaskCall(FINALIZE, (ID,), CONTROL_QUEUE)

PARTS = ("headers", "properties")
Message = dict[str, Any]


@pytest.fixture
def app(redis_url: str) -> Iterator[Celery]:
    made = make_celery(BrokerAddress.of(redis_url), "sender")
    yield made
    made.close()


@pytest.fixture
def broker(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def waiting(broker: redis.Redis, queue: str) -> list[Message]:
    """Return the messages of a queue, oldest first, with readable bodies."""
    return [readable(text) for text in reversed(broker.lrange(queue, 0, -1))]


def readable(text: str | bytes) -> Message:
    message: Message = json.loads(text)
    message["body"] = json.loads(base64.b64decode(message["body"]))
    return message


def without_ids(message: Message) -> Message:
    """Replace every id, which is new each time, by a name, so that messages can be compared."""
    named = {name: name for name in ("id", "root_id", "group", "correlation_id", "reply_to", "delivery_tag")}
    headers, properties = ({key: named.get(key, value) for key, value in message[part].items()} for part in PARTS)
    arguments, keywords, embedded = message["body"]
    body = dict(embedded["chord"])
    body["options"] = {"queue": body["options"]["queue"]}
    # the canvas does not set whether results are ignored; there are none
    headers["ignore_result"] = bool(headers["ignore_result"])
    embedded = {**embedded, "chord": body}
    return {**message, "headers": headers, "properties": properties, "body": [arguments, keywords, embedded]}


def test_the_messages_are_those_that_the_canvas_sends(app: Celery, broker: redis.Redis) -> None:
    header = [app.signature(RUN_STEP, args=one.args, queue=one.queue, immutable=True) for one in HEADER]
    body = app.signature(FINALIZE, args=BODY.args, queue=BODY.queue, immutable=True)
    chord(header, body, app=app).apply_async(retry=False)
    for message in make_chord_messages(app, HEADER, BODY):
        (sent,) = waiting(broker, message.queue)
        assert without_ids(readable(message.text)) == without_ids(sent)


def test_the_parts_of_a_chord_share_a_group_and_one_body_that_knows_their_number(app: Celery) -> None:
    messages = [readable(one.text) for one in make_chord_messages(app, HEADER, BODY)]
    assert len({message["headers"]["id"] for message in messages}) == 3
    assert len({message["properties"]["delivery_tag"] for message in messages}) == 3
    assert len({message["headers"]["group"] for message in messages}) == 1
    bodies = [message["body"][2]["chord"] for message in messages]
    assert bodies[0] == bodies[1] == bodies[2]
    assert bodies[0]["chord_size"] == 3


def test_the_body_runs_under_the_id_that_its_chord_gave_it(app: Celery) -> None:
    part = readable(make_chord_messages(app, HEADER, BODY)[0].text)
    signature = part["body"][2]["chord"]
    one = make_body_message(app, signature, parent="parent", root="root")
    message = readable(one.text)
    assert one.queue == CONTROL_QUEUE
    assert message["headers"]["id"] == signature["options"]["task_id"]
    assert message["headers"]["task"] == FINALIZE
    assert message["body"][0] == [ID]
    assert (message["headers"]["parent_id"], message["headers"]["root_id"]) == ("parent", "root")


def test_sending_is_one_message_for_each_step_and_leaves_nothing_else_in_the_broker(
    create: Callable[..., TenantView], broker: redis.Redis
) -> None:
    create("acme")
    for number in range(20):
        create(f"acme{number}")
    assert set(broker.keys()) == {step.encode() for step in STEPS}
    assert [broker.llen(step) for step in STEPS] == [21, 21, 21]
    assert broker.pubsub_channels() == []
    assert broker.llen(CONTROL_QUEUE) == 0


def test_the_step_that_another_one_waits_for_is_sent_first(
    create: Callable[..., TenantView], broker: redis.Redis
) -> None:
    create("acme")
    places = {step: waiting(broker, step)[0]["headers"]["group_index"] for step in STEPS}
    assert sorted(places, key=places.__getitem__) == ["authentik", "stalwart", "ocis"]


def test_publishing_takes_three_commands_on_one_connection(
    create: Callable[..., TenantView], dispatcher: Dispatcher, broker: redis.Redis
) -> None:
    view = create("acme")
    assert view.operation is not None
    before = broker.info("stats")["total_commands_processed"]
    connections = len(broker.client_list())
    for _ in range(50):
        assert dispatcher.publish(view.operation)
    # the commands of counting are counted too
    assert broker.info("stats")["total_commands_processed"] - before <= 50 * 3 + 3
    assert len(broker.client_list()) == connections


def test_without_a_broker_publishing_returns_false_and_raises_nothing(create: Callable[..., TenantView]) -> None:
    view = create("acme")
    assert view.operation is not None
    unreachable = Dispatcher(BrokerAddress.of("redis://127.0.0.1:1/0"))
    assert unreachable.publish(view.operation) is False
    assert unreachable.is_up() is False
    unreachable.close()


def test_each_queue_of_the_contract_is_one_list(app: Celery, broker: redis.Redis) -> None:
    assert app.conf.broker_transport_options["priority_steps"] == [0]
    for message in make_chord_messages(app, HEADER, BODY):
        assert message.queue in QUEUES
