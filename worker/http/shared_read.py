"""Let threads share the read of an answer that grows with the number of tenants."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from shared.integrations.outcomes import TemporaryError
from worker.http.deadline import remaining

T = TypeVar("T")


class SharedRead(Generic[T]):
    """Reads one answer at a time, which serves all threads that asked before the read began.

    So no answer is older than its question. Reads at the same time would each hold the whole answer in memory, and take
    no less time: the interpreter parses one after the other.
    """

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._turn = threading.Lock()
        self._numbers = threading.Lock()
        self._begun = 0
        self._asking = 0
        #: the latest answer with the number of its read, as long as somebody may need it
        self._latest: tuple[int, T] | None = None

    def get(self) -> T:
        """Return the answer. Raises TemporaryError("timeout") when the attempt ends before its turn.

        A failed read fails for the thread that made it; the others read again.
        """
        with self._numbers:
            begun_before = self._begun
            self._asking += 1
        try:
            if not self._turn.acquire(timeout=max(0.0, remaining(threading.TIMEOUT_MAX))):
                raise TemporaryError("timeout", "The attempt's time was up before the reads of others had ended.")
            try:
                return self._latest_after(begun_before)
            finally:
                self._turn.release()
        finally:
            with self._numbers:
                self._asking -= 1
                if not self._asking:
                    self._latest = None

    def _latest_after(self, begun_before: int) -> T:
        if self._latest is None or self._latest[0] <= begun_before:
            self._latest = None
            with self._numbers:
                self._begun += 1
                number = self._begun
            self._latest = number, self._read()
        return self._latest[1]
