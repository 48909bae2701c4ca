"""A product that says yes and does nothing, and one whose reads lag behind its writes: its state kept and put back."""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping, MutableSequence, MutableSet, Sequence
from typing import Any

from aiohttp import web

#: for simulators that say where their state is; they strike requests that may change something, and no others
STATE_KINDS = frozenset({"ignored", "stale_reads"})

Holding = MutableMapping[Any, Any] | MutableSequence[Any] | MutableSet[Any]
Handle = Callable[[], Awaitable[web.StreamResponse]]


class Keeping:
    """`holdings` gives the containers of a product's state, the same objects each time. A handler that waits for
    nothing between reading and writing sees and leaves whole states only."""

    def __init__(self, holdings: Callable[[], Sequence[Holding]]) -> None:
        self._holdings = holdings
        #: until when reads show a state, and the state, oldest first
        self._before: deque[tuple[float, list[Any]]] = deque()

    def forget(self) -> None:
        """Reads show what there is."""
        self._before.clear()

    async def ignored(self, handle: Handle) -> web.StreamResponse:
        """The answer as if it had been done."""
        kept = self._copied()
        response = await handle()
        self._put_back(kept)
        return response

    async def lagging(self, handle: Handle, seconds: float) -> web.StreamResponse:
        """It is done, and for so long reads do not show it."""
        self._before.append((time.monotonic() + seconds, self._copied()))
        return await handle()

    async def read(self, handle: Handle) -> web.StreamResponse:
        """A read, of the state that reads show now."""
        while self._before and self._before[0][0] <= time.monotonic():
            self._before.popleft()
        if not self._before:
            return await handle()
        now = [copy.copy(one) for one in self._holdings()]
        self._put_back(self._before[0][1])
        response = await handle()
        self._put_back(now)
        return response

    def _copied(self) -> list[Any]:
        # all in one, since they hold the same objects
        return copy.deepcopy(list(self._holdings()))

    def _put_back(self, kept: Sequence[Any]) -> None:
        for holding, content in zip(self._holdings(), kept, strict=True):
            holding.clear()
            if isinstance(holding, MutableSequence):
                holding.extend(content)
            else:
                holding.update(content)  # type: ignore[union-attr]
