"""Limit how many requests of one process wait for an operation's end, in total and per caller."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from flask import current_app, g
from pydantic import BaseModel

EXTENSION = "wait_slots"
PER_CALLER = 2

AnyQuery = TypeVar("AnyQuery", bound=BaseModel)


class WaitSlots:
    """Counts waiting requests; safe to share between threads."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def slot(self, caller: str) -> Iterator[bool]:
        """Take a slot if one is free. Yield whether: without one the response is sent at once, as after a timeout."""
        has_slot = self._take(caller)
        try:
            yield has_slot
        finally:
            if has_slot:
                self._give_back(caller)

    def _take(self, caller: str) -> bool:
        with self._lock:
            if self._taken.total() >= self._total or self._taken[caller] >= PER_CALLER:
                return False
            self._taken[caller] += 1
            return True

    def _give_back(self, caller: str) -> None:
        with self._lock:
            self._taken[caller] -= 1
            if not self._taken[caller]:
                del self._taken[caller]


@contextmanager
def bounded_wait(query: AnyQuery) -> Iterator[AnyQuery]:
    """Yield the query for the view, without its `wait` when no slot is left for its caller."""
    if not getattr(query, "wait", 0):
        yield query
        return
    slots: WaitSlots = current_app.extensions[EXTENSION]
    with slots.slot(g.caller.subject) as has_slot:
        yield query if has_slot else query.model_copy(update={"wait": 0.0})
