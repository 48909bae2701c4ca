"""Replace parts of Celery and kombu, each for the reason that it gives."""

from __future__ import annotations

from typing import Any

import celery
from celery.app.amqp import AMQP
from celery.app.events import Events
from celery.events.dispatcher import EventDispatcher
from kombu import Connection
from kombu.transport import redis as kombu_redis
from kombu.utils.url import maybe_sanitize_url
from redis.exceptions import ConnectionError as RedisConnectionError


class RedactingConnection(Connection):
    """Redacts passwords; kombu itself redacts only the first address."""

    def info(self) -> dict[str, Any]:
        """Return the connection's information, which a worker shows in `inspect stats`, without passwords."""
        info: dict[str, Any] = super().info()
        return {**info, "alternates": [maybe_sanitize_url(one) for one in info["alternates"]]}


class RedactingAmqp(AMQP):
    Connection = RedactingConnection


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


#: the only version, with kombu 5.7.0, that needs the workaround; a test fails when another one is pinned
AFFECTED_CELERY = "5.7.0"


def install_reconnect_workaround() -> None:
    """Raise ConnectionError for a channel without a connection. Idempotent; does nothing for other versions.

    When Redis is unavailable for a moment while late-acknowledged tasks run, a worker of the affected version exits:
    their acknowledgement reads connection parameters of a closed connection, whose `client` is None, and the
    AttributeError ends the consumer. A lost connection makes the worker reconnect instead. Remove this when a release
    fixes the bug.
    """
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
