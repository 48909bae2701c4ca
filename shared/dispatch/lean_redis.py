"""kombu's Redis transport with fewer commands and round trips a message. Messages and keys are kombu's own.

kombu makes a client object for every command that it sends beside BRPOP, and takes and acknowledges each message in a
transaction of its own: together more than half of what a worker's main loop does. Here the client is kept, pairs of
commands go without MULTI and EXEC, in an order that may be cut in the middle, and the acknowledgements of one turn of
the loop go together, along with the next message taken.
"""

from __future__ import annotations

import json
from time import time
from typing import Any

import redis
import structlog
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis
from kombu.transport.virtual import QoS as LocalQoS

log = structlog.get_logger(__name__)

#: at most this many acknowledgements wait for the end of the loop's turn
LARGEST_FLUSH = 64


class LeanQoS(kombu_redis.QoS):
    """The messages a worker has taken and not acknowledged, noted in Redis as kombu notes them."""

    channel: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._acked: list[str] = []

    def append(self, message: Any, delivery_tag: str) -> None:
        """Note a taken message. The index goes first: should its message not follow, the next restore drops it."""
        delivery = message.delivery_info
        text = json.dumps([message._raw, delivery["exchange"], delivery["routing_key"]])
        with self._pipeline() as pipe:
            pipe.zadd(self.unacked_index_key, {delivery_tag: time()})
            pipe.hset(self.unacked_key, delivery_tag, text)
            self._forget_with(pipe)
            pipe.execute()
        LocalQoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge: in the broker by the end of the loop's turn. Lost with the connection, the message comes back
        and finds nothing to do."""
        LocalQoS.ack(self, delivery_tag)
        self._acked.append(delivery_tag)
        if len(self._acked) >= LARGEST_FLUSH:
            self.flush()

    def flush(self) -> None:
        """Tell the broker of the acknowledgements it has not heard of."""
        if self._acked:
            with self._pipeline() as pipe:
                self._forget_with(pipe)
                pipe.execute()

    def flush_at_end(self) -> None:
        """The last flush. Raises nothing: the connection may be the reason for the end."""
        try:
            self.flush()
        except (redis.RedisError, OSError) as problem:
            log.warning("broker.acknowledgements_lost", problem=type(problem).__name__)

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """Also called at the interpreter's exit: what is done is not given back."""
        self.flush_at_end()
        super().restore_unacked_once(stderr)

    def _forget_with(self, pipe: Any) -> None:
        tags, self._acked = self._acked, []
        if tags:
            pipe.hdel(self.unacked_key, *tags)
            pipe.zrem(self.unacked_index_key, *tags)

    def _pipeline(self) -> Any:
        return self.channel._create_client().pipeline(transaction=False)


class LeanChannel(kombu_redis.Channel):
    """A channel that keeps its client as long as the connections under it."""

    QoS = LeanQoS
    _qos: LeanQoS | None
    _kept: tuple[Any, Any] = (None, None)

    def _create_client(self, asynchronous: bool = False) -> Any:
        stock: Any = super()
        if asynchronous:
            return stock._create_client(asynchronous=True)
        pool, client = self._kept
        if client is None or pool is not self.pool:
            client = stock._create_client()
            self._kept = (self.pool, client)
        return client

    def close(self) -> None:
        if not self.closed and self._qos is not None:
            # while there are connections, which are what the parent closes first
            self._qos.flush_at_end()
        super().close()


class LeanPoller(kombu_redis.MultiChannelPoller):
    """Before each wait for messages, acknowledgements are sent."""

    _channels: set[LeanChannel]

    def on_poll_start(self) -> None:
        for channel in list(self._channels):
            if channel._qos is not None:
                channel._qos.flush()
        super().on_poll_start()


class LeanTransport(kombu_redis.Transport):
    Channel = LeanChannel

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.cycle = LeanPoller()


def install_lean_redis() -> None:
    """Have `redis://` and `rediss://` mean this transport in this process. Before the first connection is made."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:LeanTransport"
