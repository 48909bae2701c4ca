"""Bulkhead: limit the concurrent steps of one integration, so that one that hangs leaves threads for the others."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from typing import NamedTuple

from shared.messaging.messages import RUN_STEP


class Message(NamedTuple):
    """The arguments of a step task. `task`: its name. `args_shown`: its arguments as Flower shows them."""

    operation_id: str
    step: str
    dispatch: int
    task: str = RUN_STEP
    args_shown: str | None = None


class Bulkhead:
    """Limits threads of one process; safe to share between threads. A forked child runs one step at a time anyway.

    When an integration is at its limit, its next message waits here and its task ends, so that it blocks no thread.
    The message returns to its queue when a step ends, or when the worker stops. A message lost here is harmless: the
    scheduler publishes the step again.
    """

    def __init__(self, limit: int) -> None:
        """`limit`: concurrent steps of each integration."""
        self._limit = limit
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()
        self._waiting: dict[str, OrderedDict[tuple[str, str], Message]] = {}

    def acquire(self, integration: str, message: Message) -> bool:
        """Return whether the step may run now; else keep its message until `release` or `drain` returns it."""
        with self._lock:
            if self._running[integration] < self._limit:
                self._running[integration] += 1
                return True
            waiting = self._waiting.setdefault(integration, OrderedDict())
            # of two messages for one step, keep the one with the higher dispatch number
            key = (message.operation_id, message.step)
            waiting[key] = max(message, waiting.get(key, message), key=lambda one: one.dispatch)
            return False

    def release(self, integration: str) -> Message | None:
        """End one step; return the message that should go back to its queue in its place, if one waits."""
        with self._lock:
            self._running[integration] -= 1
            waiting = self._waiting.get(integration)
            if not waiting:
                return None
            return waiting.popitem(last=False)[1]

    def drain(self) -> list[Message]:
        """Remove and return all waiting messages, when the worker stops."""
        with self._lock:
            found = [message for waiting in self._waiting.values() for message in waiting.values()]
            self._waiting.clear()
            return found
