"""Measure how long operations took to end after the last fault during them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tools.chaos.checks.evidence import Row
from tools.chaos.faults.injector import Span


@dataclass(frozen=True)
class Times:
    """Percentiles of durations, in seconds."""

    count: int
    p50: float
    p99: float
    longest: float


def durations(operations: Sequence[Row]) -> list[float]:
    """Return the seconds from acceptance to end of each operation."""
    return [(row["finishedAt"] - row["createdAt"]).total_seconds() for row in operations if row["finishedAt"]]


def recoveries(operations: Sequence[Row], spans: Sequence[Span]) -> list[float]:
    """Return, for each operation during which a fault ended, the seconds from the last such end to its own."""
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
