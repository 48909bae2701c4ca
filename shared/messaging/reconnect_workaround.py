"""A guard for Celery 5.7.0 with kombu 5.7.0, to be dropped when a release mends them.

When Redis goes away for a second while late-acknowledged tasks are in flight, a worker of this version exits: their
acknowledgement asks kombu's channel for connection parameters after its connection was closed, `connection.client` is
then None, and the AttributeError ends the consumer. Raised as what it is, a lost connection, the worker reconnects.
"""

from __future__ import annotations

from typing import Any

import celery
from kombu.transport import redis as kombu_redis
from redis.exceptions import ConnectionError as RedisConnectionError

#: the only version known to need the guard; a test fails when the pinned version moves away from it
GUARDED_CELERY = "5.7.0"


def install_redis_guard() -> None:
    """Make a channel without a connection say so. Repeatable; does nothing for other versions."""
    channel: Any = kombu_redis.Channel
    if celery.__version__ != GUARDED_CELERY or getattr(channel._connparams, "is_guard", False):
        return
    original = channel._connparams

    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(self.connection, "client", None) is None:
            raise RedisConnectionError("the broker connection is closed")
        return original(self, *args, **kwargs)

    guarded.is_guard = True  # type: ignore[attr-defined]
    channel._connparams = guarded
