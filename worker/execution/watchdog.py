"""Watchdog: terminate the worker's process when a step outlives its lease, because Python cannot stop a hung thread.

The steps that the process had claimed are under leases: the scheduler publishes them again when those run out. A
process manager must start the worker again.
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


def _terminate() -> None:
    # not sys.exit, which would wait for the hung thread
    os._exit(EXIT_CODE)


class Watchdog:
    """Watches the steps of one process; safe to share between threads. Its thread sleeps while no step runs."""

    def __init__(self, seconds: float, terminate: Callable[[], None] = _terminate) -> None:
        """`seconds`: how long a step may run. `terminate`: ends the process."""
        self._seconds = seconds
        self._terminate = terminate
        self._changed = threading.Condition()
        self._watched: dict[object, tuple[float, Mapping[str, Any]]] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, facts: Mapping[str, Any]) -> Iterator[None]:
        """Watch the step that runs in this block. `facts` go into the log if it runs too long."""
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
                # all have the same limit, so the oldest reaches it first
                end, facts = next(iter(self._watched.values()), (None, {}))
                left = None if end is None else end - time.monotonic()
                if left is None or left > 0:
                    self._changed.wait(left)
                    continue
            log.critical("worker.step_outlived_lease", seconds=self._seconds, **facts)
            self._terminate()
            return
