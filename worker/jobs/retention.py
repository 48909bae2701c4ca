"""Job that deletes events and ended operations older than the settings allow, a few at a time."""

from __future__ import annotations

import structlog

from shared.config.settings import Settings
from shared.db.rate_limiter import RateLimiter
from shared.events.retention_repository import RetentionRepository

log = structlog.get_logger(__name__)

#: documents of one kind that one run deletes at most, and the seconds between runs of all schedulers together
BATCH, INTERVAL_SECONDS = 500, 10.0
DAY = 86400.0


class RetentionJob:
    """Deletes events and ended operations by age, but no tenant's latest operation and no tombstone.

    Deliveries and dry runs are not its work: each document carries its own expiry (a TTL index).
    """

    def __init__(self, *, rate_limiter: RateLimiter, retention: RetentionRepository, settings: Settings) -> None:
        self._rate_limiter = rate_limiter
        self._retention = retention
        self._event_seconds = settings.event_keep_days * DAY
        self._operation_seconds = settings.operation_keep_days * DAY

    def run_once(self) -> int:
        """Delete the next batch when the interval is over. Starts no operation: returns 0."""
        if not self._rate_limiter.take("retention", INTERVAL_SECONDS):
            return 0
        events = self._retention.drop_events(self._event_seconds, BATCH) if self._event_seconds else 0
        operations = self._retention.drop_operations(self._operation_seconds, BATCH) if self._operation_seconds else 0
        if events or operations:
            log.info("retention.deleted", events=events, operations=operations)
        return 0
