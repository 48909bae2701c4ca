"""How many of a worker's slots one integration may have, so that one that hangs leaves the others room."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from typing import NamedTuple

from shared.messaging.queues import RUN_STEP


class Message(NamedTuple):
    """What a task's message says. `task`, `shown`: its name and what Flower shows as its arguments."""

    operation_id: str
    step: str
    dispatch: int
    task: str = RUN_STEP
    shown: str | None = None


class Bulkhead:
    """One per process; safe to share between threads. It bounds threads: a forked child has one slot anyway.

    A message that finds no slot is set aside here and its task ends, so that it keeps no thread. It goes back to its
    queue when a slot is free, or when the worker stops. Nothing is lost with it: the sweep sends again what is due.
    """

    def __init__(self, most: int) -> None:
        """`most`: slots for each integration."""
        self._most = most
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()
        self._aside: dict[str, OrderedDict[tuple[str, str], Message]] = {}

    def take(self, integration: str, message: Message) -> bool:
        """Whether the message may be worked on; else it is set aside."""
        with self._lock:
            if self._taken[integration] < self._most:
                self._taken[integration] += 1
                return True
            aside = self._aside.setdefault(integration, OrderedDict())
            # sent twice, it is set aside once
            key = (message.operation_id, message.step)
            aside[key] = max(message, aside.get(key, message), key=lambda one: one.dispatch)
            return False

    def give_back(self, integration: str) -> Message | None:
        """A slot is free again; the message that should go back to its queue for it, if one was set aside."""
        with self._lock:
            self._taken[integration] -= 1
            aside = self._aside.get(integration)
            if not aside:
                return None
            return aside.popitem(last=False)[1]

    def empty(self) -> list[Message]:
        """All that was set aside, for the worker's end."""
        with self._lock:
            found = [message for aside in self._aside.values() for message in aside.values()]
            self._aside.clear()
            return found
