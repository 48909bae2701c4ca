"""When an event that did not get through is sent again."""

from __future__ import annotations

from collections.abc import Sequence

MINUTE, HOUR = 60.0, 3600.0
#: seconds between attempts, as Standard Webhooks recommends: a short fault costs little, a weekend's is outlasted
WAITS = (
    *(5.0, 5 * MINUTE, 30 * MINUTE),
    *(2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR),
)
#: the largest share of a wait that is added by chance, so that a receiver that comes back is not met by all at once
SPREAD = 0.2
LONGEST_ASKED = 24 * HOUR


def wait_after(
    attempts: int, chance: float, asked: float | None = None, waits: Sequence[float] = WAITS
) -> float | None:
    """Seconds to wait after so many failed attempts (1 or more); None when it is time to give up.

    `chance`: a random number in [0, 1). `asked`: the seconds a receiver asked for (Retry-After); it can lengthen a
    wait, to a day at most, and never shorten it.
    """
    if attempts > len(waits):
        return None
    wait = waits[attempts - 1] * (1 + SPREAD * chance)
    return max(wait, min(asked or 0.0, LONGEST_ASKED))
