"""Celery result backend that joins a chord by one counter and stores no results; MongoDB has the outcomes.

Each task of a chord increments a counter in Redis; the one that reaches the chord's size publishes the body, atomically
in a script, unless it did the body's work itself. A redelivered message or a lost counter can publish the body too
early or never. Both are harmless: the body reads the state from MongoDB, and the scheduler checks it too.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import redis
import structlog
from celery import Celery, states
from celery.backends.base import BaseBackend

from shared.messaging.celery_app import CHORD_COUNTER_TTL
from shared.messaging.messages import make_body_message
from shared.messaging.redis_client import broker_address, connect

log = structlog.get_logger(__name__)

#: attribute of a task's request: the task has done the work of the chord's body
NEEDS_NO_BODY = "needs_no_body"

#: KEYS: counter, the body's queue. ARGV: lifetime of the counter in seconds, the chord's size, the body's message if it
#: is needed
COUNT_TASK = """
local count = redis.call('INCR', KEYS[1])
if count == tonumber(ARGV[2]) then
    redis.call('DEL', KEYS[1])
    if ARGV[3] then
        redis.call('LPUSH', KEYS[2], ARGV[3])
    end
elseif count == 1 then
    redis.call('EXPIRE', KEYS[1], ARGV[1])
end
return count
"""


class ChordCounterBackend(BaseBackend):
    """A Celery result backend that keeps no results; its counters live in the broker."""

    app: Celery

    supports_native_join = False

    @cached_property
    def client(self) -> redis.Redis:
        conf = self.app.conf
        return connect(
            broker_address(self.app),
            socket_timeout=conf.redis_socket_timeout,
            connect_timeout=conf.redis_socket_connect_timeout,
            # Celery has no default for this setting
            health_check_interval=conf.get("redis_backend_health_check_interval") or 0,
        )

    @cached_property
    def _count_task(self) -> Any:
        return self.client.register_script(COUNT_TASK)

    def apply_chord(self, header_result_args: tuple[str, list[Any]], body: Any, **_: Any) -> None:
        """Add the chord's size to the body, which every task carries. Celery calls this before it publishes."""
        body["chord_size"] = len(header_result_args[1])

    def set_chord_size(self, group_id: str, chord_size: int) -> None:
        """Do nothing: the tasks carry the size."""

    def on_chord_part_return(self, request: Any, state: str, result: Any, **_: Any) -> None:
        """Count a finished task; the last one publishes the body. If Redis fails, the scheduler does that work."""
        chord = request.chord
        try:
            is_needed = not getattr(request, NEEDS_NO_BODY, False)
            body = [make_body_message(self.app, chord, request.id, request.root_id).text] if is_needed else []
            self._count_task(
                keys=(f"join:{request.group}", chord["options"]["queue"]),
                args=(CHORD_COUNTER_TTL, chord["chord_size"], *body),
            )
        except (redis.RedisError, OSError) as problem:
            log.warning("chord.count_failed", problem=type(problem).__name__, group=request.group)

    def store_result(self, task_id: str, result: Any, state: str, *_: Any, **__: Any) -> Any:
        return result

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        return {"task_id": task_id, "status": states.PENDING, "result": None}

    def as_uri(self, include_password: bool = False) -> str:
        """Return the text of a worker's banner, without the URL, which may contain a password."""
        return "chord-counter"
