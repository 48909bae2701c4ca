"""The clock of a simulator: the real time, which a test or an operator can advance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """The time of a simulator, in UTC with its zone."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, seconds: float) -> str:
        """Advance the time; return it as text."""
        self._ahead += timedelta(seconds=seconds)
        return self.now().isoformat()

    def reset(self) -> None:
        self._ahead = timedelta()
