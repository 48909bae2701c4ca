"""The scheduler's job that removes what has been kept for as long as the settings say, a little at a time."""

from __future__ import annotations

import structlog

from shared.config.settings import Settings
from shared.db.rate_limiter import RateLimiter
from shared.events.retention_repository import RetentionRepository

log = structlog.get_logger(__name__)

#: rows of one kind that one run removes at most, and the seconds between two runs of all schedulers together
BATCH, PAUSE_SECONDS = 500, 10.0
DAY = 86400.0


class Retention:
    """Events and ended operations go by age; a tenant's latest operation stays, and so does every tombstone.

    Deliveries and plans go by themselves: each row carries its own end.
    """

    def __init__(self, *, rate_limiter: RateLimiter, retention: RetentionRepository, settings: Settings) -> None:
        self._rate_limiter = rate_limiter
        self._retention = retention
        self._event_seconds = settings.event_keep_days * DAY
        self._operation_seconds = settings.operation_keep_days * DAY

    def push(self) -> int:
        """Remove the next few when it is time. Starts no operation."""
        if not self._rate_limiter.take("retention", PAUSE_SECONDS):
            return 0
        events = self._retention.drop_events(self._event_seconds, BATCH) if self._event_seconds else 0
        operations = self._retention.drop_operations(self._operation_seconds, BATCH) if self._operation_seconds else 0
        if events or operations:
            log.info("retention.removed", events=events, operations=operations)
        return 0
