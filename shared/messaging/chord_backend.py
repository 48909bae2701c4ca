"""A chord's join as one counter: no results are stored, since outcomes are on record in MongoDB.

Parts of a chord count up a key; the part that reaches the chord's size sends the body, in the same step inside Redis. A
part counted twice (a message delivered twice) or a counter lost with Redis can send the body early or never: the body
only looks at the record, and the sweep looks too.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import redis
import structlog
from celery import Celery, states
from celery.backends.base import BaseBackend

from shared.messaging.celery_app import JOIN_EXPIRES
from shared.messaging.chord_messages import body_letter
from shared.messaging.redis_client import broker_of, connect

log = structlog.get_logger(__name__)

#: KEYS: counter, the body's queue. ARGV: seconds the counter is kept, the chord's size, the body's message
COUNT_PART = """
local count = redis.call('INCR', KEYS[1])
if count == tonumber(ARGV[2]) then
    redis.call('DEL', KEYS[1])
    redis.call('LPUSH', KEYS[2], ARGV[3])
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
            broker_of(self.app),
            socket_timeout=conf.redis_socket_timeout,
            connect_timeout=conf.redis_socket_connect_timeout,
            # Celery itself has no default for it
            health_check_interval=conf.get("redis_backend_health_check_interval") or 0,
        )

    @cached_property
    def _count_part(self) -> Any:
        return self.client.register_script(COUNT_PART)

    def apply_chord(self, header_result_args: tuple[str, list[Any]], body: Any, **_: Any) -> None:
        """Called before the header is sent; the body's dict travels with every part, and so does the size in it."""
        body["chord_size"] = len(header_result_args[1])

    def set_chord_size(self, group_id: str, chord_size: int) -> None:
        """The size travels with the parts instead."""

    def on_chord_part_return(self, request: Any, state: str, result: Any, **_: Any) -> None:
        """Count one part; the last one sends the body. With Redis away the body is lost; the sweep settles."""
        chord = request.chord
        try:
            body = body_letter(self.app, chord, parent=request.id, root=request.root_id)
            self._count_part(
                keys=(f"join:{request.group}", body.queue),
                args=(JOIN_EXPIRES, chord["chord_size"], body.text),
            )
        except (redis.RedisError, OSError) as problem:
            log.warning("join.uncounted", problem=type(problem).__name__, group=request.group)

    def store_result(self, task_id: str, result: Any, state: str, *_: Any, **__: Any) -> Any:
        return result

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        return {"task_id": task_id, "status": states.PENDING, "result": None}

    def as_uri(self, include_password: bool = False) -> str:
        """Shown in a worker's banner, so it never holds the URL, which may hold a password."""
        return "counting-join"
