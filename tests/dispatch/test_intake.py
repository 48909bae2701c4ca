"""A worker takes as many messages as it gets on with: those at work are counted, those that wait outside are not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import pytest
from kombu import Connection, Queue
from kombu.asynchronous import Hub, get_event_loop, set_event_loop

from shared.dispatch.celery_app import make_celery
from shared.dispatch.intake import MOST_AT_WORK, room, waiting, working
from shared.domain.broker_address import BrokerAddress

Block = Callable[[], AbstractContextManager[None]]


@contextmanager
def elsewhere(*blocks: Block) -> Iterator[None]:
    """Another thread is in these blocks, the first around the others, as long as this one lasts."""
    inside, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with ExitStack() as stack:
            for block in blocks:
                stack.enter_context(block())
            inside.set()
            leave.wait(30)

    thread = threading.Thread(target=stay, daemon=True)
    thread.start()
    try:
        assert inside.wait(10)
        yield
    finally:
        leave.set()
        thread.join(10)


@contextmanager
def all_at_work() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        for _ in range(MOST_AT_WORK):
            stack.enter_context(elsewhere(working))
        yield stack


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    app = make_celery(BrokerAddress.of(redis_url), "worker")
    with app.connection_for_read() as opened:
        yield opened
    app.close()


def test_there_is_room_but_for_those_at_work_and_who_waits_outside_is_not() -> None:
    assert room() == MOST_AT_WORK
    with elsewhere(working), elsewhere(working, waiting), elsewhere(working, waiting, waiting), elsewhere(waiting):
        assert room() == MOST_AT_WORK - 1
        with working():
            assert room() == MOST_AT_WORK - 2
            with waiting(), waiting():
                assert room() == MOST_AT_WORK - 1
            assert room() == MOST_AT_WORK - 2
    assert room() == MOST_AT_WORK


def test_who_fails_at_work_or_while_waiting_is_not_at_work_any_more() -> None:
    with pytest.raises(ZeroDivisionError), working(), waiting():
        raise ZeroDivisionError
    assert room() == MOST_AT_WORK


def test_with_all_at_work_no_message_is_taken_until_one_of_them_waits_outside(connection: Connection) -> None:
    for name in ("authentik", "ocis"):
        with connection.SimpleQueue(name) as simple:
            for _ in range(3):
                simple.put({})
    taken: list[Any] = []
    queues = [Queue("authentik"), Queue("ocis")]
    # the thread that runs this test is the worker's loop, and that of one attempt as well
    with working(), ExitStack() as others:
        for _ in range(MOST_AT_WORK - 1):
            others.enter_context(elsewhere(working))
        with connection.Consumer(queues, prefetch_count=32, callbacks=[lambda _, message: taken.append(message)]):
            with pytest.raises(TimeoutError):
                connection.drain_events(timeout=0.3)
            assert not taken
            with waiting():
                connection.drain_events(timeout=5)
                assert len(taken) == 1, "there was room for one only"
            others.close()
            while len(taken) < 6:
                connection.drain_events(timeout=5)


def test_a_loop_that_was_held_back_is_woken_as_soon_as_there_is_room_and_no_other_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = get_event_loop()
    hub = Hub()
    woken: list[Any] = []
    monkeypatch.setattr(hub, "call_soon", woken.append)
    set_event_loop(hub)
    try:
        with all_at_work():
            pass
        assert not woken, "nobody was held back"
        with all_at_work() as stack:
            with elsewhere(working):
                assert room() == 0
            assert not woken, "there is no room yet"
            stack.close()
        assert len(woken) == 1
    finally:
        set_event_loop(before)
        hub.close()
