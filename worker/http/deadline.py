"""The deadline of an attempt: set where the attempt starts, read wherever code may wait."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ends_at: ContextVar[float | None] = ContextVar("attempt_ends_at", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Set a deadline for this block; an inner block can only shorten it."""
    end = time.monotonic() + seconds
    outer = _ends_at.get()
    token = _ends_at.set(end if outer is None else min(outer, end))
    try:
        yield
    finally:
        _ends_at.reset(token)


def remaining(at_most: float) -> float:
    """Return the seconds left, at most `at_most`; 0 or less after the deadline."""
    end = _ends_at.get()
    return at_most if end is None else min(at_most, end - time.monotonic())
