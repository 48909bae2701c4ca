"""Waiting for something on the server to end, through restarts of the API."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from client.connection import Connection
from client.errors import Unreachable

T = TypeVar("T")

#: how long the API is asked to wait before it answers
HOLD_SECONDS = 20.0
PAUSE = 1.0


def wait_until(
    connection: Connection,
    read: Callable[[float], T],
    ended: Callable[[T], bool],
    timeout: float,
    progress: Callable[[T], None] | None = None,
    hold: float = HOLD_SECONDS,
) -> T:
    """Read again and again until it has ended or `timeout` seconds are over; return what was read last.

    `read` takes the seconds that the API may wait before it answers: 0 the first time, later at most `hold`.
    `progress` is called with everything that was read. Raises Unreachable when the API stays away, or when
    nothing was read before the time was over.
    """
    give_up = time.monotonic() + timeout
    wait = 0.0
    while True:
        left = max(0.0, give_up - time.monotonic())
        asked_at = time.monotonic()
        try:
            found = read(round(min(wait, left), 3))
        except Unreachable:
            if connection.is_gone or time.monotonic() >= give_up:
                raise
            time.sleep(PAUSE)
            continue
        if progress is not None:
            progress(found)
        if ended(found) or time.monotonic() >= give_up:
            return found
        if time.monotonic() - asked_at < min(wait, left) / 2 or hold == 0:  # answered early: do not ask in a tight loop
            time.sleep(min(PAUSE, left))
        wait = hold
