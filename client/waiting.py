"""Wait until something on the server has ended, also across restarts of the API."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from client.connection import Connection
from client.errors import PlatformError, pause_after

T = TypeVar("T")

#: seconds that one request asks the API to wait (`?wait=`)
LONG_POLL_SECONDS = 20.0
RETRY_SECONDS = 1.0


def wait_until(
    connection: Connection,
    read: Callable[[float], T],
    ended: Callable[[T], bool],
    timeout: float,
    progress: Callable[[T], None] | None = None,
    long_poll: float = LONG_POLL_SECONDS,
) -> T:
    """Call `read` until `ended` is true or `timeout` seconds have passed; return the last result.

    `read` takes the seconds that the API may wait before it answers: first 0, later at most `long_poll`. `progress` is
    called with each result. Raises the last failure when the API stays unavailable or overloaded, or has not answered
    before the timeout.
    """
    deadline = time.monotonic() + timeout
    wait = 0.0
    while True:
        left = max(0.0, deadline - time.monotonic())
        asked_at = time.monotonic()
        try:
            found = read(round(min(wait, left), 3))
        except PlatformError as error:
            pause = pause_after(error, RETRY_SECONDS)
            left = deadline - time.monotonic()
            if pause is None or connection.is_unavailable or left <= 0:
                raise
            time.sleep(min(pause, left))
            continue
        if progress is not None:
            progress(found)
        if ended(found) or time.monotonic() >= deadline:
            return found
        if time.monotonic() - asked_at < min(wait, left) / 2 or long_poll == 0:  # answered early: avoid a tight loop
            time.sleep(min(RETRY_SECONDS, left))
        wait = long_poll
