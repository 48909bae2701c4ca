"""Faults of state, made by copying and restoring it: a success without effect, and stale reads."""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping, MutableSequence, MutableSet, Sequence
from typing import Any

from aiohttp import web

#: kinds for simulators that return containers; they apply only to requests that may change the state
STATE_KINDS = frozenset({"ignored", "stale_reads"})

Container = MutableMapping[Any, Any] | MutableSequence[Any] | MutableSet[Any]
Handle = Callable[[], Awaitable[web.StreamResponse]]


class StateFaults:
    """`containers` returns the containers of a product's state, the same objects each time.

    A handler that does not await between reading and writing sees and leaves only consistent states.
    """

    def __init__(self, containers: Callable[[], Sequence[Container]]) -> None:
        self._containers = containers
        #: older states that reads still show, each with its end, oldest first
        self._before: deque[tuple[float, list[Any]]] = deque()

    def forget(self) -> None:
        """Let reads show the current state again."""
        self._before.clear()

    async def ignored(self, handle: Handle) -> web.StreamResponse:
        """Run the request for its response, then restore the state before it."""
        copied = self._copy()
        response = await handle()
        self._restore(copied)
        return response

    async def delayed_visibility(self, handle: Handle, seconds: float) -> web.StreamResponse:
        """Run the request, and hide its effect from reads for this many seconds."""
        self._before.append((time.monotonic() + seconds, self._copy()))
        return await handle()

    async def read(self, handle: Handle) -> web.StreamResponse:
        """Run a read on the state that reads show at present."""
        while self._before and self._before[0][0] <= time.monotonic():
            self._before.popleft()
        if not self._before:
            return await handle()
        now = [copy.copy(one) for one in self._containers()]
        self._restore(self._before[0][1])
        response = await handle()
        self._restore(now)
        return response

    def _copy(self) -> list[Any]:
        # copied together, because the containers share objects
        return copy.deepcopy(list(self._containers()))

    def _restore(self, copied: Sequence[Any]) -> None:
        for container, content in zip(self._containers(), copied, strict=True):
            container.clear()
            if isinstance(container, MutableSequence):
                container.extend(content)
            else:
                container.update(content)  # type: ignore[union-attr]
