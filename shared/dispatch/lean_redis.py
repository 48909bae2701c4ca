"""kombu's Redis transport with fewer commands and round trips a message. Messages and keys are kombu's own.

kombu makes a client object for every command that it sends beside BRPOP, and takes and acknowledges each message in a
transaction of its own: together more than half of what a worker's main loop does. Here the client is kept, and the
acknowledgements of some turns of the loop go together, along with the next message taken. Noting one as taken takes and
notes a few more in the same script, of its own queue and of the others, since a chord's parts come together; never
more than the worker has room for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import structlog
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis

from shared.dispatch.lean_qos import LeanQoS

log = structlog.get_logger(__name__)


class LeanChannel(kombu_redis.Channel):
    """A channel that keeps its client as long as the connections under it."""

    QoS = LeanQoS
    _qos: LeanQoS | None
    _closing: bool
    _kept: tuple[Any, Any] = (None, None)
    #: what was taken along and is not delivered yet: queue, text, tag under which it is noted if it is
    _handful: Sequence[tuple[str, bytes, bytes | None]] = ()

    def _create_client(self, asynchronous: bool = False) -> Any:
        stock: Any = super()
        if asynchronous:
            return stock._create_client(asynchronous=True)
        pool, client = self._kept
        if client is None or pool is not self.pool:
            client = stock._create_client()
            self._kept = (self.pool, client)
        return client

    def queues_from(self, first: str) -> Sequence[str]:
        """The queues that are read, beginning with this one; none when it is no more, or the channel closes."""
        stock: Any = super()
        mine: list[str] = stock.active_queues
        if self._closing or first not in mine:
            return ()
        return (first, *(name for name in mine if name != first))

    def _brpop_read(self, **options: Any) -> Any:
        stock: Any = super()
        try:
            return stock._brpop_read(**options)
        except json.JSONDecodeError as junk:
            # kombu lets it end the worker, and with it whatever the worker is at
            _drop(len(junk.doc))
            return True
        finally:
            self._deliver_handful()

    def bring_along(self, taken: Sequence[tuple[str, bytes, bytes | None]]) -> None:
        """Deliver these, queue, text and tag, as soon as the message with which they were taken is delivered."""
        self._handful = taken

    def _deliver_handful(self) -> None:
        taken, self._handful = self._handful, ()
        for queue, text, tag in taken:
            message = _readable(text)
            if message is not None:
                self.connection._deliver(message, queue)
            elif tag is not None:
                qos: Any = self.qos
                qos.forget(tag.decode())

    def close(self) -> None:
        if not self.closed and self._qos is not None:
            # while there are connections, which are what the parent closes first
            self._qos.flush_at_end()
        super().close()


def _readable(text: bytes) -> Any:
    """A message, or None for junk, of which nothing can be told that was not made up by whoever put it there."""
    try:
        message = json.loads(text)
    except ValueError:
        message = None
    if not _is_whole(message):
        _drop(len(text))
        return None
    return message


def _is_whole(message: Any) -> bool:
    """Whether it has what a worker must know to take, and to acknowledge, a message."""
    try:
        properties = message["properties"]
        route = properties["delivery_info"]
        texts = (message["body"], properties["delivery_tag"], route["exchange"], route["routing_key"])
    except (TypeError, KeyError):
        return False
    return all(isinstance(text, str) for text in texts)


def _drop(size: int) -> None:
    log.warning("broker.junk_dropped", size=size)


class LeanPoller(kombu_redis.MultiChannelPoller):
    """Before each wait for messages, it is seen to that acknowledgements are sent."""

    _channels: set[LeanChannel]

    def on_poll_start(self) -> None:
        for channel in list(self._channels):
            if channel._qos is not None:
                channel._qos.flush_soon()
        super().on_poll_start()


class LeanTransport(kombu_redis.Transport):
    Channel = LeanChannel

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.cycle = LeanPoller()

    def _deliver(self, message: Any, queue: str | None) -> None:
        """What no worker could acknowledge reaches none."""
        if _is_whole(message):
            super()._deliver(message, queue)
        else:
            _drop(len(json.dumps(message)))


class LeanSentinelChannel(LeanChannel, kombu_redis.SentinelChannel):
    """The same channel, to whichever server is the Sentinels' master when it connects."""


class LeanSentinelTransport(LeanTransport):
    default_port = kombu_redis.SentinelTransport.default_port
    Channel = LeanSentinelChannel


def install_lean_redis() -> None:
    """Have Redis' schemes mean these transports in this process. Before the first connection is made."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:LeanTransport"
    TRANSPORT_ALIASES["sentinel"] = f"{__name__}:LeanSentinelTransport"
