"""The `breakers` collection: integrations that refuse our credentials are left alone for a while, by all workers."""

from __future__ import annotations

import time
from dataclasses import dataclass

from pymongo.database import Database

from shared.store.mongo import Document, our_errors, seconds_from_now


@dataclass(frozen=True)
class Breaker:
    """`reason` None: closed. `may_probe`: open, but this one look may try whether the cause is gone."""

    reason: str | None = None
    detail: str = ""
    may_probe: bool = False


CLOSED = Breaker()
#: a breaker seen closed is not looked at again for this long by the same process, in seconds
TRUST_CLOSED = 1.0


class Breakers:
    """One row for each integration whose breaker was ever opened."""

    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["breakers"]
        self._closed_until: dict[str, float] = {}

    def open(self, integration: str, reason: str, detail: str, seconds: float) -> None:
        """Stop all steps of the integration for `seconds`; one of them then probes whether the cause is gone."""
        fields = {
            "reason": reason,
            "detail": {"$literal": detail},
            "openUntil": seconds_from_now(seconds),
            "openedAt": "$$NOW",
        }
        with our_errors():
            self._rows.update_one({"_id": integration}, [{"$set": fields}], upsert=True)
        self._closed_until.pop(integration, None)

    def look(self, integration: str, probe_seconds: float) -> Breaker:
        """Whether a step may run now.

        When an open breaker's time is up, the first to look may probe; the others are told to keep away for
        `probe_seconds` more, until the probe closes the breaker or opens it again.
        """
        now = time.monotonic()
        if now < self._closed_until.get(integration, now):
            return CLOSED
        with our_errors():
            row = self._rows.find_one({"_id": integration, "openUntil": {"$ne": None}})
            if row is None:
                self._closed_until[integration] = now + TRUST_CLOSED
                return CLOSED
            probe = self._rows.update_one(
                {"_id": integration, "$expr": {"$lte": ["$openUntil", "$$NOW"]}},
                [{"$set": {"openUntil": seconds_from_now(probe_seconds)}}],
            )
        return Breaker(row["reason"], row["detail"], may_probe=probe.modified_count == 1)

    def close(self, integration: str) -> None:
        """The integration takes our credentials again."""
        with our_errors():
            self._rows.update_one({"_id": integration}, {"$set": {"openUntil": None}})
