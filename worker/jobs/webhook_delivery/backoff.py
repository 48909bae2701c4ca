"""Compute when a failed delivery is retried."""

from __future__ import annotations

from collections.abc import Sequence

MINUTE, HOUR = 60.0, 3600.0
#: seconds between attempts, as Standard Webhooks recommends: short at first, and longer than a weekend in total
RETRY_DELAYS = (
    *(5.0, 5 * MINUTE, 30 * MINUTE),
    *(2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR),
)
#: jitter: the largest share of a wait that is added at random, so that a recovered receiver gets no burst
JITTER = 0.2
MAX_RETRY_AFTER = 24 * HOUR


def wait_after(
    attempts: int, chance: float, asked: float | None = None, waits: Sequence[float] = RETRY_DELAYS
) -> float | None:
    """Return the seconds to wait after this many failed attempts (1 or more); None after the last one.

    `chance`: a random number in [0, 1). `asked`: the receiver's Retry-After in seconds; it can lengthen a wait, to a
    day at most, and never shorten it.
    """
    if attempts > len(waits):
        return None
    wait = waits[attempts - 1] * (1 + JITTER * chance)
    return max(wait, min(asked or 0.0, MAX_RETRY_AFTER))
