"""Receive a request's body within time and size, before a thread is taken for the request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

Receive = Callable[[], Awaitable[Mapping[str, Any]]]

#: a body must be here after this, however it trickles, in seconds
BODY_SECONDS = 5.0
#: bytes of all bodies that one process holds at a time
ALL_BODIES = 64 * 1024 * 1024
#: a body that is refused is still taken off the wire for so long and so far: a client that is told of the refusal
#: while it sends would see a reset connection instead
DISCARD_SECONDS, DISCARD_BYTES = 0.5, 1024 * 1024


class LateBody(Exception):
    """The body was not received in time."""


class NoMemory(Exception):
    """The bodies under way take all the memory that they may."""


class BrokenBody(Exception):
    """The body is not what its headers say, or the client is gone."""


class BodyMemory:
    """Counts the bytes of all bodies. For the event loop's thread only."""

    def __init__(self, largest: int = ALL_BODIES) -> None:
        self._left = largest

    def take(self, size: int) -> None:
        """Raises NoMemory."""
        if size > self._left:
            raise NoMemory
        self._left -= size

    def give_back(self, size: int) -> None:
        self._left += size


class Body:
    """One request's body. Call `release` once the request is answered."""

    def __init__(self, memory: BodyMemory) -> None:
        self._memory = memory
        self._taken = 0
        self.content = bytearray()

    async def read(self, receive: Receive, limit: int, seconds: float = BODY_SECONDS) -> None:
        """Receive the body; of a longer one than `limit`, one byte more, by which the application sees that it is.

        Raises LateBody, NoMemory, BrokenBody.
        """
        try:
            async with asyncio.timeout(seconds):
                while len(self.content) <= limit:
                    chunk, is_last = await _next(receive)
                    self._memory.take(len(chunk))
                    self._taken += len(chunk)
                    self.content += chunk
                    if is_last:
                        return
        except TimeoutError:
            raise LateBody from None
        del self.content[limit + 1 :]
        await discard(receive)

    def release(self) -> None:
        self._memory.give_back(self._taken)
        self._taken = 0


async def discard(receive: Receive) -> None:
    """Take a refused body off the wire, within bounds. Raises BrokenBody."""
    size, is_last = 0, False
    with suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_SECONDS):
            while not is_last and size < DISCARD_BYTES:
                chunk, is_last = await _next(receive)
                size += len(chunk)


async def _next(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] != "http.request":
        raise BrokenBody
    return message.get("body", b""), not message.get("more_body", False)
