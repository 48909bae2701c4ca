"""Task events for Flower, gathered for half a second before they are published.

Celery publishes them at every turn of the worker's loop, which under load means a message for every two or three events
and a loop woken for each. Flower takes lists of events as well, and nobody watches faster than this.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from celery.app.events import Events
from celery.events.dispatcher import EventDispatcher

#: how long events are gathered, in seconds; those after which nothing happens go with the next heartbeat
GATHER = 0.5
LARGEST_LIST = 500


class PatientDispatcher(EventDispatcher):
    """A worker's events, in lists."""

    def __init__(self, *args: Any, on_send_buffered: Callable[[], None] | None = None, **options: Any) -> None:
        """`on_send_buffered`: asks the worker's loop to flush; None where there is no loop, and no gathering then."""
        self._ask_for_flush = on_send_buffered
        self._ask_again_at = 0.0
        super().__init__(*args, **options)
        self.buffer_limit = LARGEST_LIST
        self.on_send_buffered = self._gathered if on_send_buffered else None

    def send(self, type: str, *args: Any, **fields: Any) -> Any:
        """Publish, or keep it for when the broker is back. Never waits for that, whatever `retry` says in `fields`.

        Celery's heartbeat asks to retry for ever: on the worker's only loop, which then sees no signal to stop.
        """
        if self.enabled and type.startswith("worker-"):
            self.flush(errors=False)
        return super().send(type, *args, **(fields | {"retry": False}))

    def _gathered(self) -> None:
        now = time.monotonic()
        if self._ask_for_flush is not None and now >= self._ask_again_at:
            self._ask_again_at = now + GATHER
            self._ask_for_flush()


class PatientEvents(Events):
    dispatcher_cls = f"{__name__}:PatientDispatcher"
