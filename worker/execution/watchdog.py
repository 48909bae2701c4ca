"""Ends the worker's process when a slot overstays its lease: a thread that hangs cannot be ended by itself.

What the process had claimed is under leases: the sweep sends it again when those run out. Whoever started the worker
starts it again.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog

log = structlog.get_logger(__name__)

#: EX_TEMPFAIL: try again
EXIT_CODE = 75


def _leave() -> None:
    # not sys.exit: that would wait for the thread that hangs
    os._exit(EXIT_CODE)


class Watchdog:
    """One per process; safe to share between threads. It looks only while there is something to watch."""

    def __init__(self, seconds: float, leave: Callable[[], None] = _leave) -> None:
        """`seconds`: how long a slot may be taken; `leave`: how the process ends."""
        self._seconds = seconds
        self._leave = leave
        self._changed = threading.Condition()
        self._watched: dict[object, tuple[float, Mapping[str, Any]]] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, facts: Mapping[str, Any]) -> Iterator[None]:
        """The block is one slot's work. `facts` go into the log if it overstays."""
        key = object()
        with self._changed:
            self._watched[key] = (time.monotonic() + self._seconds, facts)
            self._wake()
        try:
            yield
        finally:
            with self._changed:
                del self._watched[key]

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
            self._thread.start()
        elif len(self._watched) == 1:
            self._changed.notify()

    def _watch(self) -> None:
        while True:
            with self._changed:
                # all have the same time, so the oldest is the first to overstay
                end, facts = next(iter(self._watched.values()), (None, {}))
                left = None if end is None else end - time.monotonic()
                if left is None or left > 0:
                    self._changed.wait(left)
                    continue
            log.critical("worker.slot_overstays", seconds=self._seconds, **facts)
            self._leave()
            return
