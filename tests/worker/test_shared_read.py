"""Threads share a read that began after they asked, and never an older one."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.integrations.outcomes import TemporaryError
from tests.waiting import until
from worker.http.deadline import within
from worker.http.shared_read import SharedRead


class Answer:
    def __init__(self, number: int) -> None:
        self.number = number


class Source:
    """Gives numbered answers, each when the test lets it; `broken`: numbers of reads that fail."""

    def __init__(self, *broken: int) -> None:
        self.reads = 0
        self.go = threading.Event()
        self._broken = broken

    def read(self) -> Answer:
        self.reads += 1
        number = self.reads
        assert self.go.wait(10)
        if number in self._broken:
            raise TemporaryError("upstream_error")
        return Answer(number)


def asked(pool: ThreadPoolExecutor, source: Source, shared: SharedRead[Answer]) -> list[Answer | TemporaryError]:
    """Return what five threads get: one begins to read, and the others ask meanwhile."""

    def ask() -> Answer | TemporaryError:
        try:
            return shared.get()
        except TemporaryError as fault:
            return fault

    first = pool.submit(ask)
    until(lambda: source.reads == 1)
    others = [pool.submit(ask) for _ in range(4)]
    until(lambda: shared._asking == 5)
    source.go.set()
    return [one.result(10) for one in (first, *others)]


def test_threads_that_ask_during_a_read_share_the_next_one() -> None:
    source = Source()
    with ThreadPoolExecutor(5) as pool:
        found = asked(pool, source, SharedRead(source.read))
    assert [one.number for one in found if isinstance(one, Answer)] == [1, 2, 2, 2, 2]


def test_a_thread_that_asks_alone_always_reads() -> None:
    source = Source()
    source.go.set()
    shared = SharedRead(source.read)
    assert [shared.get().number, shared.get().number] == [1, 2]


@pytest.mark.parametrize("broken", [1, 2])
def test_a_read_that_failed_fails_for_its_thread_only(broken: int) -> None:
    source = Source(broken)
    with ThreadPoolExecutor(5) as pool:
        found = asked(pool, source, SharedRead(source.read))
    assert sum(isinstance(one, TemporaryError) for one in found) == 1
    assert source.reads == {1: 2, 2: 3}[broken]


def test_a_thread_whose_attempt_ends_before_its_turn_times_out_and_the_read_goes_on() -> None:
    source = Source()
    shared = SharedRead(source.read)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(shared.get)
        until(lambda: source.reads == 1)
        began = time.monotonic()
        with within(0.05), pytest.raises(TemporaryError, match="timeout"):
            shared.get()
        assert time.monotonic() - began < 5
        source.go.set()
        assert first.result(10).number == 1
    assert source.reads == 1


def test_no_answer_is_kept_after_the_last_thread_has_it() -> None:
    source = Source()
    source.go.set()
    shared = SharedRead(source.read)
    answer = weakref.ref(shared.get())
    gc.collect()
    assert answer() is None
