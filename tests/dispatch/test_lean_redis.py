"""The transport takes and acknowledges messages as kombu's own does, with fewer commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from celery.utils.serialization import jsonify
from kombu import Connection, Queue
from kombu.utils.json import dumps

from shared.dispatch.broker import broker_of
from shared.dispatch.celery_app import make_celery
from shared.dispatch.lean_redis import LeanQoS, LeanSentinelTransport, LeanTransport, install_lean_redis
from shared.domain.broker_address import BrokerAddress, Login


@pytest.fixture
def broker(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    install_lean_redis()
    options = {"visibility_timeout": 300, "priority_steps": [0]}
    with Connection(redis_url, transport_options=options) as opened:
        yield opened


def sent(connection: Connection, count: int) -> Queue:
    """A queue with `count` messages, numbered."""
    queue = Queue("authentik", channel=connection.default_channel)
    with connection.SimpleQueue(queue.name) as simple:
        for number in range(count):
            simple.put({"number": number})
    return queue


def take(connection: Connection, count: int) -> list[Any]:
    """Messages as a consumer gets them, with no acknowledgement yet."""
    taken: list[Any] = []
    consumer = connection.Consumer([Queue("authentik")], callbacks=[lambda _, message: taken.append(message)])
    with consumer:
        while len(taken) < count:
            connection.drain_events(timeout=5)
    return taken


def test_our_apps_use_it_for_redis_urls(redis_url: str) -> None:
    app = make_celery(BrokerAddress.of(redis_url), "worker")
    with app.connection_for_read() as opened:
        assert isinstance(opened.transport, LeanTransport)
        assert opened.as_uri().startswith("redis://")
    app.close()


def test_our_apps_use_it_for_sentinels_too_and_tell_nobody_how_to_speak_to_them() -> None:
    text, login = "sentinel://:secret@one/2;sentinel://two:5000", Login("watcher", "secret")
    app = make_celery(BrokerAddress.of(text, "platform", login), "worker")
    with app.connection_for_read() as opened:
        assert isinstance(opened.transport, LeanSentinelTransport)
        assert LeanSentinelTransport.Channel.QoS is LeanQoS
        assert opened.alt == ["sentinel://:secret@one:26379/2", "sentinel://:secret@two:5000/2"]
        assert "secret" not in opened.as_uri()
        # what a worker answers to `inspect stats` and to `inspect conf`
        assert "secret" not in dumps({**opened.info(), "password": None})
        assert "secret" not in dumps(jsonify(dict(app.conf.table(censored=True)), unknown_type_filter=repr))
    assert broker_of(app).sentinel_login == login
    app.close()


def test_a_taken_message_stands_in_redis_until_it_is_acknowledged(connection: Connection, broker: redis.Redis) -> None:
    sent(connection, 2)
    first, second = take(connection, 2)
    tags = {message.delivery_tag.encode() for message in (first, second)}
    assert set(broker.hkeys("unacked")) == tags
    assert set(broker.zrange("unacked_index", 0, -1)) == tags
    raw, exchange, queue = json.loads(broker.hget("unacked", first.delivery_tag) or b"")
    assert raw["properties"]["delivery_tag"] == first.delivery_tag
    assert (exchange, queue) == ("authentik", "authentik")
    first.ack()
    second.channel.qos.flush()
    assert broker.hkeys("unacked") == [second.delivery_tag.encode()]
    assert broker.zrange("unacked_index", 0, -1) == [second.delivery_tag.encode()]


def test_acknowledgements_go_along_with_the_next_message_taken(connection: Connection, broker: redis.Redis) -> None:
    sent(connection, 2)
    (first,) = take(connection, 1)[:1]
    first.ack()
    take(connection, 1)
    assert first.delivery_tag.encode() not in broker.hkeys("unacked")


def test_closing_gives_back_what_was_not_acknowledged_and_only_that(redis_url: str, broker: redis.Redis) -> None:
    install_lean_redis()
    with Connection(redis_url, transport_options={"priority_steps": [0]}) as connection:
        sent(connection, 3)
        messages = take(connection, 3)
        messages[0].ack()
    assert broker.llen("authentik") == 2
    assert broker.keys("unacked*") == []


def test_a_rejected_message_is_gone_and_a_requeued_one_is_back(connection: Connection, broker: redis.Redis) -> None:
    sent(connection, 2)
    first, second = take(connection, 2)
    first.reject()
    second.requeue()
    assert broker.llen("authentik") == 1
    assert broker.keys("unacked*") == []


def test_a_killed_workers_message_comes_back_when_its_time_is_up(redis_url: str, broker: redis.Redis) -> None:
    install_lean_redis()
    options = {"visibility_timeout": 0, "priority_steps": [0], "unacked_restore_throttle": 1}
    with Connection(redis_url, transport_options=options) as connection:
        sent(connection, 1)
        (message,) = take(connection, 1)
        message.channel.qos.restore_visible(num=10, interval=1)
        assert broker.llen("authentik") == 1
        (again,) = take(connection, 1)
        assert again.payload == {"number": 0}
        assert again.headers.get("redelivered") is True
        again.ack()
        message.channel.qos._delivered.clear()


class Commands(list[tuple[str, tuple[Any, ...], dict[str, Any]]]):
    """A pipeline that keeps its commands, to be sent one by one."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **options: self.append((name, args, options))


def test_a_restore_in_the_middle_of_a_note_leaves_no_message_that_nobody_looks_for(
    redis_url: str, broker: redis.Redis
) -> None:
    install_lean_redis()
    # as a worker sees it whose clock is ahead
    ahead = {"visibility_timeout": -3600, "priority_steps": [0], "unacked_restore_throttle": 1}
    with Connection(redis_url, transport_options=ahead) as connection:
        sent(connection, 0)
        qos = connection.default_channel.qos
        message = {"body": "", "headers": {}, "properties": {"delivery_tag": "tag", "delivery_info": {}}}
        commands = Commands()
        qos._note_with(commands, [(message, "authentik", "authentik")])
        for name, args, options in commands:
            getattr(broker, name)(*args, **options)
            qos.restore_visible(num=10, interval=1)
        assert broker.hkeys("unacked") == []
        assert broker.llen("authentik") == 1


def test_a_note_cut_in_the_middle_is_cleared(connection: Connection, broker: redis.Redis) -> None:
    broker.zadd("unacked_index", {"tag-without-message": 0})
    connection.default_channel.qos.restore_visible(num=10, interval=1)
    assert broker.keys("unacked*") == []


def test_a_queueing_message_brings_a_handful_along_and_none_is_worked_on_unnoted(
    connection: Connection, broker: redis.Redis
) -> None:
    sent(connection, 12)
    noted: list[Any] = []

    def look(message: Any) -> None:
        noted.append(broker.hexists("unacked", message.delivery_tag))

    consumer = connection.Consumer([Queue("authentik")], prefetch_count=12, on_message=look)
    broker.config_resetstat()
    with consumer:
        while len(noted) < 12:
            connection.drain_events(timeout=5)
    assert noted == [True] * 12
    assert broker.info("commandstats")["cmdstat_brpop"]["calls"] <= 4
    assert broker.hlen("unacked") == 12


def test_the_parts_of_a_chord_come_from_their_queues_in_one_turn(connection: Connection, broker: redis.Redis) -> None:
    queues = [Queue(name) for name in ("stalwart", "ocis", "authentik", "control")]
    seen: list[str] = []
    with connection.Consumer(
        queues, prefetch_count=12, on_message=lambda message: seen.append(message.delivery_info["routing_key"])
    ):
        for queue in queues[:3]:
            with connection.SimpleQueue(queue.name) as simple:
                simple.put({})
        broker.config_resetstat()
        connection.drain_events(timeout=5)
        assert seen == ["stalwart", "ocis", "authentik"]
        assert broker.hlen("unacked") == 3
    assert broker.info("commandstats")["cmdstat_brpop"]["calls"] <= 1


def test_no_more_messages_are_taken_than_there_is_room_for(connection: Connection, broker: redis.Redis) -> None:
    sent(connection, 12)
    queues = [Queue("authentik"), Queue("ocis")]
    with connection.SimpleQueue("ocis") as simple:
        simple.put({})
    taken: list[Any] = []
    with connection.Consumer(queues, prefetch_count=3, callbacks=[lambda _, m: taken.append(m)]):
        connection.drain_events(timeout=5)
        assert len(taken) == 3
        assert broker.llen("authentik") == 9
        assert broker.llen("ocis") == 1
        taken[0].ack()
        connection.drain_events(timeout=5)
    assert len(taken) == 4


def test_messages_come_in_the_order_they_were_sent(connection: Connection) -> None:
    sent(connection, 11)
    taken: list[int] = []
    with connection.Consumer([Queue("authentik")], prefetch_count=32, callbacks=[lambda body, _: taken.append(body)]):
        while len(taken) < 11:
            connection.drain_events(timeout=5)
    assert [one["number"] for one in taken] == list(range(11))  # type: ignore[index]


def test_junk_that_came_along_is_dropped_and_the_messages_around_it_are_not(
    connection: Connection, broker: redis.Redis
) -> None:
    sent(connection, 1)
    for junk in ("no json", "[]", '{"properties": {"delivery_tag": "x"}}'):
        broker.lpush("authentik", junk)
    sent(connection, 1)
    taken: list[Any] = []
    with connection.Consumer([Queue("authentik")], prefetch_count=32, callbacks=[lambda body, _: taken.append(body)]):
        connection.drain_events(timeout=5)
    assert taken == [{"number": 0}, {"number": 0}]
    assert broker.llen("authentik") == 0


def test_taking_and_acknowledging_messages_takes_no_transactions(connection: Connection, broker: redis.Redis) -> None:
    sent(connection, 20)
    broker.config_resetstat()
    for message in take(connection, 20):
        message.ack()
    connection.default_channel.qos.flush()
    counts = {name.removeprefix("cmdstat_"): row["calls"] for name, row in broker.info("commandstats").items()}
    # declaring the queue is one
    assert counts.get("multi", 0) <= 1
    assert (counts["zadd"], counts["hset"]) == (20, 20)
    # all acknowledgements in one pair
    assert (counts["zrem"], counts["hdel"]) == (1, 1)
