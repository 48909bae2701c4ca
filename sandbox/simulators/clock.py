"""A simulator's clock: the real time, moved on when a test or an operator asks for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """Times are aware, in UTC."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, seconds: float) -> str:
        """Let time pass at once; what it then is, as text."""
        self._ahead += timedelta(seconds=seconds)
        return self.now().isoformat()

    def reset(self) -> None:
        self._ahead = timedelta()
