"""The threads that run the application, in pools with bounded queues."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Busy(Exception):
    """All threads are taken, and as many requests wait as may."""


class BoundedPool:
    """`queue`: how many calls may wait for a thread. For the event loop's thread only."""

    def __init__(self, name: str, threads: int, queue: int) -> None:
        self._executor = ThreadPoolExecutor(threads, name)
        self._threads = threads
        self._free = threads + queue

    @property
    def has_room(self) -> bool:
        return self._free > 0

    async def run(self, call: Callable[[], T]) -> T:
        """Raises Busy."""
        if self._free <= 0:
            raise Busy
        self._free -= 1
        future = asyncio.get_running_loop().run_in_executor(self._executor, call)
        future.add_done_callback(self._done)
        # a client that goes away ends the wait, not the call: it keeps its thread until it returns
        return await asyncio.shield(future)

    def _done(self, _: object) -> None:
        self._free += 1

    def close(self) -> None:
        self._executor.shutdown(wait=False)
