"""Thread pools with bounded queues, which run the application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Busy(Exception):
    """All threads are busy and the queue is full."""


class BoundedPool:
    """A thread pool. `queue`: limit of waiting calls. Only for the event loop's thread."""

    def __init__(self, name: str, threads: int, queue: int) -> None:
        self._executor = ThreadPoolExecutor(threads, name)
        self._threads = threads
        self._free = threads + queue

    @property
    def has_capacity(self) -> bool:
        return self._free > 0

    async def run(self, call: Callable[[], T]) -> T:
        """Run a call in a thread. Raises Busy."""
        if self._free <= 0:
            raise Busy
        self._free -= 1
        future = asyncio.get_running_loop().run_in_executor(self._executor, call)
        future.add_done_callback(self._done)
        # a disconnected client cancels the wait but not the call, which keeps its thread until it returns
        return await asyncio.shield(future)

    def _done(self, _: object) -> None:
        self._free += 1

    def close(self) -> None:
        self._executor.shutdown(wait=False)
