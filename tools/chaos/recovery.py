"""How long operations needed once there was no more trouble than there was at their end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tools.chaos.evidence import Row
from tools.chaos.trouble import Span


@dataclass(frozen=True)
class Times:
    """Seconds."""

    count: int
    p50: float
    p99: float
    longest: float


def durations(operations: Sequence[Row]) -> list[float]:
    """From accepted to ended."""
    return [(row["finishedAt"] - row["createdAt"]).total_seconds() for row in operations if row["finishedAt"]]


def recoveries(operations: Sequence[Row], spans: Sequence[Span]) -> list[float]:
    """For each operation during which a trouble ended: from the last such end to its own end."""
    ends = sorted(span.ended for span in spans)
    found = []
    for row in operations:
        if row["finishedAt"] is None:
            continue
        begun, ended = row["createdAt"].timestamp(), row["finishedAt"].timestamp()
        during = [one for one in ends if begun <= one <= ended]
        if during:
            found.append(ended - during[-1])
    return found


def times(seconds: Sequence[float]) -> Times:
    ordered = sorted(seconds) or [0.0]
    return Times(len(seconds), _at(ordered, 0.5), _at(ordered, 0.99), ordered[-1])


def _at(ordered: Sequence[float], fraction: float) -> float:
    return ordered[min(len(ordered) - 1, int(fraction * len(ordered)))]
