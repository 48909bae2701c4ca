"""Workaround for a bug in Celery 5.7.0 with kombu 5.7.0; remove it when a release fixes the bug.

When Redis is unavailable for a moment while late-acknowledged tasks run, a worker of this version exits: their
acknowledgement reads connection parameters of a closed connection, whose `client` is None, and the AttributeError ends
the consumer. The workaround raises a lost connection instead, so that the worker reconnects.
"""

from __future__ import annotations

from typing import Any

import celery
from kombu.transport import redis as kombu_redis
from redis.exceptions import ConnectionError as RedisConnectionError

#: the only version that is known to need the workaround; a test fails when another version is pinned
AFFECTED_CELERY = "5.7.0"


def install_reconnect_workaround() -> None:
    """Raise ConnectionError for a channel without a connection. Idempotent; does nothing for other versions."""
    channel: Any = kombu_redis.Channel
    if celery.__version__ != AFFECTED_CELERY or getattr(channel._connparams, "is_workaround", False):
        return
    original = channel._connparams

    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(self.connection, "client", None) is None:
            raise RedisConnectionError("the broker connection is closed")
        return original(self, *args, **kwargs)

    checked.is_workaround = True  # type: ignore[attr-defined]
    channel._connparams = checked
