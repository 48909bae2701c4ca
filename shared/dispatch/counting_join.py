"""A chord's join as one counter: no results are stored, since outcomes are on record in MongoDB.

Parts of a chord count up a key; the part that reaches the chord's size sends the body. A part counted twice (a message
delivered twice) or a counter lost with Redis can send the body early or never: the body only looks at the record, and
the sweep looks too.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import redis
import structlog
from celery import Celery, states
from celery.backends.base import BaseBackend
from kombu.exceptions import KombuError

log = structlog.get_logger(__name__)


class CountingJoin(BaseBackend):
    """A Celery result backend that keeps no results; its counters live in the broker."""

    app: Celery

    supports_native_join = False

    @cached_property
    def client(self) -> redis.Redis:
        conf = self.app.conf
        return redis.Redis.from_url(
            conf.broker_url,
            socket_timeout=conf.redis_socket_timeout,
            socket_connect_timeout=conf.redis_socket_connect_timeout,
            health_check_interval=conf.redis_backend_health_check_interval,
        )

    def apply_chord(self, header_result_args: tuple[str, list[Any]], body: Any, **_: Any) -> None:
        """Called before the header is sent; the body's dict travels with every part, and so does the size in it."""
        body["chord_size"] = len(header_result_args[1])

    def set_chord_size(self, group_id: str, chord_size: int) -> None:
        """The size travels with the parts instead."""

    def on_chord_part_return(self, request: Any, state: str, result: Any, **_: Any) -> None:
        """Count one part; the last one sends the body. With Redis away the body is lost; the sweep settles."""
        key = f"join:{request.group}"
        try:
            count = self.client.incr(key)
            if count == 1:
                self.client.expire(key, self.app.conf.result_chord_expires)
            if count == request.chord["chord_size"]:
                self.client.delete(key)
                self.app.signature(request.chord).apply_async(retry=False)
        except (redis.RedisError, KombuError, OSError) as problem:
            log.warning("join.uncounted", problem=type(problem).__name__, group=request.group)

    def store_result(self, task_id: str, result: Any, state: str, *_: Any, **__: Any) -> Any:
        return result

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        return {"task_id": task_id, "status": states.PENDING, "result": None}

    def as_uri(self, include_password: bool = False) -> str:
        """Shown in a worker's banner, so it never holds the URL, which may hold a password."""
        return "counting-join"
