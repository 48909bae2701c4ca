"""How many messages a worker takes on: as many as it gets on with.

Threads of one process take turns at Python. With sixty that all want one, nearly every call to a server costs a switch
to another thread and back: a tenant then takes up to a quarter more processor time than with a dozen. So a message is
taken only while few threads are at work. Those that wait for an outside system do not count, and as many can wait as
the worker has threads.

What is counted here is the process' own, as the turns at Python are. A worker that forks counts none in the process
that takes messages, and its children have one thread each.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from kombu.asynchronous import get_event_loop

#: threads that may be at work when another message is taken; with half as many servers are waited for, too
MOST_AT_WORK = 16


class _Intake:
    """Sets and flags only, which threads may change without a lock."""

    def __init__(self) -> None:
        self.at_work: set[int] = set()
        self.is_held_back = False

    def room(self) -> int:
        # said before counting, so that whoever stops work in between sees it
        self.is_held_back = True
        room = MOST_AT_WORK - len(self.at_work)
        if room > 0:
            self.is_held_back = False
        return max(room, 0)

    def stop_work(self) -> None:
        self.at_work.discard(threading.get_ident())
        if self.is_held_back and len(self.at_work) < MOST_AT_WORK:
            self.is_held_back = False
            loop = get_event_loop()
            if loop is not None:
                # it asks for room at the beginning of each turn
                loop.call_soon(_nothing)


_intake = _Intake()


def room() -> int:
    """How many more messages this process should take now. When it was none, the worker's loop is woken in time."""
    return _intake.room()


@contextmanager
def working() -> Iterator[None]:
    """The calling thread is at work in this block."""
    _intake.at_work.add(threading.get_ident())
    try:
        yield
    finally:
        _intake.stop_work()


@contextmanager
def waiting() -> Iterator[None]:
    """The calling thread, if it was at work, only waits in this block."""
    me = threading.get_ident()
    if me not in _intake.at_work:
        yield
        return
    _intake.stop_work()
    try:
        yield
    finally:
        _intake.at_work.add(me)


def _nothing() -> None:
    """Something to wake the loop for."""
