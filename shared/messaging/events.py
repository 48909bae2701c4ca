"""Event dispatcher whose heartbeat never blocks the worker when the broker is away."""

from __future__ import annotations

from typing import Any

from celery.app.events import Events
from celery.events.dispatcher import EventDispatcher


class NonBlockingDispatcher(EventDispatcher):
    """Publish an event once, or buffer it until the broker is back; never retry in place.

    Celery's heartbeat asks to retry for ever. It runs on the worker's only event loop, which would then see no signal
    to stop while the broker is away.
    """

    def send(self, type: str, *args: Any, **fields: Any) -> Any:
        """Publish an event of this type. `fields` may ask for `retry`, which is refused."""
        return super().send(type, *args, **(fields | {"retry": False}))


class NonBlockingEvents(Events):
    dispatcher_cls = f"{__name__}:NonBlockingDispatcher"
