"""The transport takes and acknowledges messages as kombu's own does, with fewer commands."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from celery.utils.serialization import jsonify
from kombu import Connection, Queue
from kombu.utils.json import dumps

from shared.dispatch.broker import broker_of
from shared.dispatch.celery_app import make_celery
from shared.dispatch.lean_qos import LeanQoS
from shared.dispatch.lean_redis import LeanSentinelTransport, LeanTransport, install_lean_redis
from shared.domain.broker_address import BrokerAddress, Login

INFO = {"exchange": "authentik", "routing_key": "authentik"}


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


class Cut(BaseException):
    """The worker is killed."""


@pytest.mark.parametrize("act", ["take", "acknowledge"])
@pytest.mark.parametrize("sent_bytes", [0, 30, 120, 250, 400, 5_000, 20_000, -250, -120, -60, -20, -8, None])
def test_a_worker_that_dies_while_it_takes_or_acknowledges_leaves_no_message_that_nobody_looks_for(
    connection: Connection, broker: redis.Redis, monkeypatch: pytest.MonkeyPatch, sent_bytes: int | None, act: str
) -> None:
    tags = [f"tag{number}" for number in range(8)]
    first, *others = ({"body": "x" * 3000, "properties": {"delivery_tag": tag, "delivery_info": INFO}} for tag in tags)
    broker.lpush("authentik", *(dumps(one) for one in others))
    qos: Any = connection.default_channel.qos  # type: ignore[attr-defined]

    def take() -> None:
        qos._turn((tags[0], dumps([first, "authentik", "authentik"]), 7, 7), ["authentik"])

    if act == "acknowledge":
        take()
        qos._acked.extend(tags)
    send = redis.Connection.send_packed_command

    def killed(self: Any, command: Any, check_health: bool = True) -> None:
        text = b"".join(one.encode() if isinstance(one, str) else bytes(one) for one in command)
        if b"unacked" not in text:
            send(self, command, check_health)
            return
        self._sock.sendall(text[:sent_bytes])
        self._sock.shutdown(socket.SHUT_WR)
        while self._sock.recv(65536):  # the server has read it all when it closes, too
            pass
        raise Cut

    monkeypatch.setattr(redis.Connection, "send_packed_command", killed)
    with pytest.raises(Cut):
        take() if act == "take" else qos.flush()
    monkeypatch.undo()
    in_hash = broker.hkeys("unacked")
    assert set(in_hash) == set(broker.zrange("unacked_index", 0, -1))
    assert len(in_hash) in (0, len(tags))
    assert act == "acknowledge" or broker.llen("authentik") + max(len(in_hash) - 1, 0) == len(others), "one is lost"
    if sent_bytes is None:
        assert len(in_hash) == (len(tags) if act == "take" else 0)


def test_a_message_that_was_doubled_is_noted_for_each_time_it_comes(
    connection: Connection, broker: redis.Redis
) -> None:
    sent(connection, 1)
    broker.lpush("authentik", *(broker.lindex("authentik", 0) or b"" for _ in range(3)))
    sent(connection, 6)
    seen: list[Any] = []
    with connection.Consumer([Queue("authentik")], prefetch_count=32, on_message=seen.append):
        while len(seen) < 10:
            connection.drain_events(timeout=5)
    assert broker.llen("authentik") == 0


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
    route = '"delivery_info": {"exchange": "authentik", "routing_key": "authentik"}'
    for junk in (
        # one that the script can read, and notes, and Python cannot
        b'{"body": "\xff", "properties": {"delivery_tag": "x", ' + route.encode() + b"}}",
        *("no json", "[]", "7", "null", '"text"', '{"properties": 7}', '{"properties": {"delivery_tag": "x"}}'),
        '{"body": "{}", "properties": {"delivery_tag": null, ' + route + "}}",
        '{"body": {}, "properties": {"delivery_tag": "x", ' + route + "}}",
    ):
        broker.lpush("authentik", junk)
    sent(connection, 1)
    taken: list[Any] = []
    with connection.Consumer([Queue("authentik")], prefetch_count=32, callbacks=[lambda body, _: taken.append(body)]):
        connection.drain_events(timeout=5)
        while len(taken) < 2:
            connection.drain_events(timeout=5)
    assert taken == [{"number": 0}, {"number": 0}]
    connection.default_channel.qos.flush()
    assert broker.llen("authentik") == 0
    assert b"x" not in broker.hkeys("unacked")


def test_what_queues_is_taken_and_acknowledged_by_a_few_commands(connection: Connection, broker: redis.Redis) -> None:
    sent(connection, 20)
    broker.config_resetstat()
    consumer = connection.Consumer([Queue("authentik")], prefetch_count=32, on_message=lambda message: message.ack())
    with consumer:
        connection.drain_events(timeout=5)
        while broker.llen("authentik"):
            connection.drain_events(timeout=5)
    connection.default_channel.qos.flush()  # type: ignore[attr-defined]
    counts = {name.removeprefix("cmdstat_"): row["calls"] for name, row in broker.info("commandstats").items()}
    # a message by itself and four that come along, each time; declaring the queue is a transaction, too
    assert counts["brpop"] <= 5
    assert counts["evalsha"] <= 8
    # declaring the queue
    assert counts["multi"] <= 5
    assert (counts["zadd"], counts["hset"]) == (4, 4)
    assert counts["zrem"] == counts["hdel"] <= 5
    assert broker.keys("unacked*") == []
