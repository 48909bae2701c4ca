"""Receive a request's body within limits of time and size, before the request occupies a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

Receive = Callable[[], Awaitable[Mapping[str, Any]]]

#: time limit for receiving a whole body, in seconds
BODY_SECONDS = 5.0
#: bytes of all bodies together that one process keeps in memory
ALL_BODIES = 64 * 1024 * 1024
#: limits for reading a refused body; without reading it, a client that is still sending would see a connection reset
#: instead of the response
DISCARD_SECONDS, DISCARD_BYTES = 0.5, 1024 * 1024


class LateBody(Exception):
    """The body was not received in time."""


class NoMemory(Exception):
    """The bodies in memory have reached their limit."""


class BrokenBody(Exception):
    """The body does not match its headers, or the client has disconnected."""


class BodyMemory:
    """Count the bytes of all bodies in memory. Only for the event loop's thread."""

    def __init__(self) -> None:
        self._left = ALL_BODIES

    def take(self, size: int) -> None:
        """Reserve memory. Raises NoMemory."""
        if size > self._left:
            raise NoMemory
        self._left -= size

    def give_back(self, size: int) -> None:
        self._left += size


class Body:
    """One request's body. Call `release` after the response."""

    def __init__(self, memory: BodyMemory) -> None:
        self._memory = memory
        self._taken = 0
        self.content = bytearray()

    async def read(self, receive: Receive, limit: int, seconds: float = BODY_SECONDS) -> None:
        """Receive the body, but at most `limit` + 1 bytes, from which the application sees that it is too long.

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
    """Read and drop a refused body, within limits. Raises BrokenBody."""
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
