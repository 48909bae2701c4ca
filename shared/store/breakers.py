"""The `breakers` collection: integrations that refuse our credentials are left alone for a while, by all workers."""

from __future__ import annotations

from pymongo.database import Database

from shared.store.mongo import Document, our_errors, seconds_from_now


class Breakers:
    """One row for each integration whose breaker was ever opened."""

    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["breakers"]

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

    def find_open(self, integration: str, probe_seconds: float) -> tuple[str, str] | None:
        """(reason, detail) while the breaker is open.

        When its time is up, the first to ask gets None and may probe; the others are told to keep away for
        `probe_seconds` more, until the probe closes the breaker or opens it again.
        """
        with our_errors():
            row = self._rows.find_one({"_id": integration, "openUntil": {"$ne": None}})
            if row is None:
                return None
            probe = self._rows.update_one(
                {"_id": integration, "$expr": {"$lte": ["$openUntil", "$$NOW"]}},
                [{"$set": {"openUntil": seconds_from_now(probe_seconds)}}],
            )
        return None if probe.modified_count else (row["reason"], row["detail"])

    def close(self, integration: str) -> bool:
        """The integration answers again. True when it was open."""
        with our_errors():
            done = self._rows.update_one(
                {"_id": integration, "openUntil": {"$ne": None}}, {"$set": {"openUntil": None}}
            )
        return done.modified_count == 1
