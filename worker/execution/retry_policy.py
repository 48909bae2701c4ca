"""Retries of a step between attempts: how many there are, and how long each waits."""

from __future__ import annotations

import random
from dataclasses import dataclass

from shared.integrations.outcomes import Outcome, Result, reason_message

NO_REPORT = "No attempt reported its end: their workers died or were stopped."


@dataclass(frozen=True)
class RetryPolicy:
    """`base_seconds` doubles with each attempt, up to `cap_seconds`."""

    max_attempts: int
    base_seconds: float
    cap_seconds: float

    def is_exhausted(self, attempts: int) -> bool:
        """Return whether this attempt is beyond the limit, as after a lower limit was set."""
        return attempts > self.max_attempts

    def apply(self, attempts: int, outcome: Outcome) -> Outcome:
        """Turn the retry of the last attempt into an error. Other outcomes stay."""
        if outcome.result is Result.RETRY and attempts >= self.max_attempts:
            return exhausted(outcome.message, outcome.reason)
        return outcome

    def delay(self, attempts: int, outcome: Outcome) -> float:
        """Return the seconds until the next attempt: exponential with full jitter, at least the wait of the outcome."""
        ceiling = min(self.cap_seconds, self.base_seconds * 2 ** min(attempts - 1, 16))
        return max(random.uniform(0, ceiling), outcome.wait or 0.0)  # noqa: S311 - spreads load, protects nothing


def exhausted(last_message: str | None, last_reason: str | None) -> Outcome:
    """Return the error of a step without attempts left. No attempt may have reported a failure."""
    message = reason_message("attempts_exhausted", last_message or NO_REPORT)
    return Outcome(Result.ERROR, "attempts_exhausted", message, cause=last_reason)
