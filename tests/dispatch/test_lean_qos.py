"""Whose messages are given back, when, and by which clock."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from kombu import Connection, Queue
from kombu.asynchronous import Hub, get_event_loop, set_event_loop
from kombu.transport import redis as kombu_redis

from sandbox.services import Valkey
from shared.dispatch import lean_qos
from shared.dispatch.celery_app import make_celery
from shared.domain.broker_address import BrokerAddress

HOUR = 3600.0
QUEUE = "authentik"


@pytest.fixture
def connection(own_valkey: Valkey) -> Iterator[Connection]:
    app = make_celery(BrokerAddress.of(own_valkey.url), "sender")
    with app.connection_for_read() as opened:
        yield opened
    app.close()


@pytest.fixture
def broker(own_valkey: Valkey) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(own_valkey.url) as client:
        yield client


def taken(connection: Connection) -> Any:
    """A message, sent and taken, and not acknowledged."""
    with connection.SimpleQueue(QUEUE) as simple:
        simple.put({})
    got: list[Any] = []
    with connection.Consumer([Queue(QUEUE)], callbacks=[lambda _, message: got.append(message)]):
        connection.drain_events(timeout=5)
    (message,) = got
    return message


@pytest.fixture
def hub() -> Iterator[Hub]:
    before, made = get_event_loop(), Hub()
    set_event_loop(made)
    yield made
    set_event_loop(before)
    made.close()


def put_clock_off(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    for module in (kombu_redis, lean_qos):
        monkeypatch.setattr(module, "time", lambda: time.time() + seconds)


def look(message: Any) -> None:
    message.channel.qos.restore_visible(num=10, interval=1)


@pytest.mark.parametrize("off", [2 * HOUR, -3 * HOUR])
def test_a_worker_whose_clock_is_off_takes_from_nobody_what_was_just_begun_and_gives_back_what_is_old(
    connection: Connection, broker: redis.Redis, monkeypatch: pytest.MonkeyPatch, off: float
) -> None:
    message = taken(connection)
    put_clock_off(monkeypatch, off)
    look(message)
    assert (broker.llen(QUEUE), broker.hlen("unacked")) == (0, 1)
    broker.zincrby("unacked_index", -290, message.delivery_tag)
    look(message)
    assert broker.llen(QUEUE) == 0
    broker.zincrby("unacked_index", -15, message.delivery_tag)
    look(message)
    assert (broker.llen(QUEUE), broker.hlen("unacked")) == (1, 0)


@pytest.mark.parametrize("off", [2 * HOUR, -3 * HOUR])
def test_what_a_worker_whose_clock_is_off_took_is_given_back_in_time_and_not_before(
    connection: Connection, broker: redis.Redis, monkeypatch: pytest.MonkeyPatch, off: float
) -> None:
    put_clock_off(monkeypatch, off)
    message = taken(connection)
    monkeypatch.undo()
    look(message)
    assert broker.llen(QUEUE) == 0
    broker.zincrby("unacked_index", -305, message.delivery_tag)
    look(message)
    assert broker.llen(QUEUE) == 1


def test_after_a_broker_that_hung_while_workers_looked_messages_are_soon_given_back(
    connection: Connection, broker: redis.Redis, own_valkey: Valkey
) -> None:
    message = taken(connection)
    broker.zincrby("unacked_index", -305, message.delivery_tag)
    assert own_valkey.process is not None
    own_valkey.process.send_signal(signal.SIGSTOP)
    with pytest.raises(redis.TimeoutError):
        # as far as it gets before the answer is missed is chance; to ask for the lock is as far as it matters
        kombu_redis.Mutex(
            message.channel._create_client(), "unacked_mutex", message.channel.unacked_mutex_expire
        ).__enter__()
    own_valkey.process.send_signal(signal.SIGCONT)
    look(message)
    assert broker.llen(QUEUE) == 0, "nobody looks while the lock is there"
    assert 0 < broker.pttl("unacked_mutex") <= 10_000


def test_acknowledgements_that_a_dead_broker_did_not_hear_are_told_to_the_one_that_came_back(
    connection: Connection, broker: redis.Redis, own_valkey: Valkey
) -> None:
    first, second = taken(connection), taken(connection)
    noted = broker.hgetall("unacked")
    first.ack()
    own_valkey.kill()
    with pytest.raises(redis.ConnectionError):
        first.channel.qos.flush()
    own_valkey.start()
    broker.hset("unacked", mapping=noted)
    first.channel.qos.flush()
    assert broker.hkeys("unacked") == [second.delivery_tag.encode()]


def later(hub: Hub) -> None:
    time.sleep(lean_qos.LONGEST_FLUSH)
    hub.fire_timers(propagate=(redis.RedisError,))


def test_in_a_loop_acknowledgements_wait_a_moment_for_the_next_message_and_no_longer(
    connection: Connection, broker: redis.Redis, hub: Hub
) -> None:
    message = taken(connection)
    qos = message.channel.qos
    message.ack()
    qos.flush_soon()
    assert broker.hlen("unacked") == 1
    second = taken(connection)
    assert broker.hkeys("unacked") == [second.delivery_tag.encode()], "it went along"
    second.ack()
    later(hub)
    assert broker.hlen("unacked") == 0
    third = taken(connection)
    third.ack()
    qos.flush_soon()
    later(hub)
    assert broker.hlen("unacked") == 0, "each moment has its end"


def test_acknowledgements_whose_moment_ended_without_a_broker_are_told_after_the_next(
    connection: Connection, broker: redis.Redis, own_valkey: Valkey, hub: Hub
) -> None:
    message = taken(connection)
    noted = broker.hgetall("unacked")
    message.ack()
    message.channel.qos.flush_soon()
    own_valkey.kill()
    with pytest.raises(redis.ConnectionError):
        later(hub)
    own_valkey.start()
    broker.hset("unacked", mapping=noted)
    message.channel.qos.flush_soon()
    later(hub)
    assert broker.hlen("unacked") == 0


def test_a_moment_that_ends_after_its_channel_was_closed_does_nothing(
    connection: Connection, broker: redis.Redis, hub: Hub
) -> None:
    message = taken(connection)
    message.ack()
    message.channel.qos.flush_soon()
    message.channel.close()
    assert broker.hlen("unacked") == 0, "closing flushed it"
    later(hub)
