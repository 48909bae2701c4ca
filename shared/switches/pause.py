"""That an operator let no step begin: of an integration, of a tenant, or of any."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Pause:
    """`by`: the user's id."""

    reason: str
    since: datetime
    by: str | None
