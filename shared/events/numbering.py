"""Number committed events; the number is an event's position in the feed."""

from __future__ import annotations

from shared.db.connection import MongoConnection
from shared.events.repository import EventRepository

#: batches that one call numbers at most; the next call numbers the rest
BATCHES = 20


def number_events(connection: MongoConnection, events: EventRepository) -> None:
    """Number the events that were committed since the last call. Concurrent calls are safe."""
    for _ in range(BATCHES):
        if not events.has_unnumbered():
            return
        connection.transaction(events.number)
