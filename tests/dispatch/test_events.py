"""Events for Flower: every one arrives, in lists, soon enough to watch."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery.events.receiver import EventReceiver

from sandbox.services import Valkey
from shared.dispatch.celery_app import make_celery
from shared.dispatch.patient_events import PatientDispatcher
from shared.domain.broker_address import BrokerAddress


@pytest.fixture
def app(redis_url: str) -> Iterator[Celery]:
    made = make_celery(BrokerAddress.of(redis_url), "sender")
    yield made
    made.close()


class Watcher:
    """What Flower would see: event types in the order they come."""

    def __init__(self, app: Celery) -> None:
        self.seen: list[str] = []
        self._app = app
        self._listening = threading.Event()
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watcher:
        self._thread.start()
        assert self._listening.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join(10)

    def wait_for(self, type_: str) -> None:
        give_up = threading.Event()
        for _ in range(200):
            if type_ in self.seen:
                return
            give_up.wait(0.05)
        raise AssertionError(f"{type_} did not come: {self.seen}")

    def _watch(self) -> None:
        with self._app.connection_for_read() as connection:
            receiver = EventReceiver(connection, app=self._app, handlers={"*": self._note})
            with receiver.consumer_context() as (own, _, _):
                while not self._enough.is_set():
                    # the first look is what subscribes
                    self._drain(own)
                    self._listening.set()

    def _drain(self, connection: Any) -> None:
        try:
            connection.drain_events(timeout=0.2)
        except TimeoutError:
            return

    def _note(self, event: dict[str, Any]) -> None:
        self.seen.append(event["type"])


def test_events_are_gathered_and_the_loop_is_asked_once_to_publish_them(app: Celery) -> None:
    asked: list[int] = []
    with app.connection_for_write() as connection:
        dispatcher = app.events.Dispatcher(
            connection, buffer_group=["task"], on_send_buffered=lambda: asked.append(len(asked))
        )
        assert isinstance(dispatcher, PatientDispatcher)
        for number in range(30):
            dispatcher.send("task-received", uuid=str(number))
        assert asked == [0]
        dispatcher.close()


def test_what_is_left_goes_with_the_next_heartbeat(app: Celery) -> None:
    with Watcher(app) as watcher, app.connection_for_write() as connection:
        dispatcher = app.events.Dispatcher(connection, buffer_group=["task"], on_send_buffered=lambda: None)
        for number in range(30):
            dispatcher.send("task-received", uuid=str(number))
        dispatcher.send("worker-heartbeat")
        watcher.wait_for("worker-heartbeat")
        assert watcher.seen.count("task-received") == 30
        dispatcher.close()


@pytest.mark.timeout(60)
def test_a_heartbeat_while_the_broker_is_away_is_kept_and_waits_for_nobody(own_valkey: Valkey) -> None:
    app = make_celery(BrokerAddress.of(own_valkey.url), "worker")
    with app.connection_for_write() as connection:
        dispatcher = app.events.Dispatcher(connection, buffer_group=["task"], on_send_buffered=lambda: None)
        dispatcher.send("worker-heartbeat")
        own_valkey.stop()
        # as Celery's own heart does it: with retries, of which there is no end
        dispatcher.send("worker-heartbeat", retry=True)
        assert [event["type"] for event, _ in dispatcher._outbound_buffer] == ["worker-heartbeat"]
        dispatcher.disable()
    app.close()
