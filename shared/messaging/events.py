"""Event dispatcher whose heartbeat does not block the worker while the broker is unavailable."""

from __future__ import annotations

from typing import Any

from celery.app.events import Events
from celery.events.dispatcher import EventDispatcher


class NonBlockingDispatcher(EventDispatcher):
    """Publish an event once, or buffer it until the broker is back, but never block to retry.

    Celery's heartbeat requests endless retries. It runs on the worker's only event loop, which would then not handle
    stop signals while the broker is unavailable.
    """

    def send(self, type: str, *args: Any, **fields: Any) -> Any:
        """Publish an event of this type, and ignore a requested `retry`."""
        return super().send(type, *args, **(fields | {"retry": False}))


class NonBlockingEvents(Events):
    dispatcher_cls = f"{__name__}:NonBlockingDispatcher"
