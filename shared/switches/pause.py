"""An operator's pause of an integration, a tenant or everything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Pause:
    """No step starts while a pause lasts. `by`: the user's id."""

    reason: str
    since: datetime
    by: str | None
