"""Which messages a worker has taken and not acknowledged: kombu's own notes in Redis, by the broker's clock.

With fewer commands than kombu's: see `lean_redis`. One noted longer ago than the visibility timeout is given back to
its queue by whichever worker looks, since whoever took it is dead.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic, time
from typing import Any

import redis
import structlog
from kombu.transport import redis as kombu_redis
from kombu.transport.virtual import QoS as LocalQoS

log = structlog.get_logger(__name__)

#: at most this many acknowledgements wait for the end of the loop's turn
LARGEST_FLUSH = 64


class LeanQoS(kombu_redis.QoS):
    """The messages a worker has taken and not acknowledged, noted in Redis as kombu notes them.

    But with the time of the broker's clock: by its own, a worker whose clock is ahead would take away from the others
    what they have just begun, and nobody would look for its own until that clock's hour has come.
    """

    channel: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        #: acknowledged by any thread, and not yet told to the broker
        self._acked: deque[str] = deque()
        #: the broker's clock when this process' monotonic clock was 0; None until it was asked
        self._broker_zero: float | None = None
        #: tags of what came along and was not delivered yet; that of a message that was doubled may be there twice
        self._noted: list[str] = []

    def append(self, message: Any, delivery_tag: str) -> None:
        """Note a taken message, unless it is noted already, and take a handful more along."""
        if delivery_tag in self._noted:
            self._noted.remove(delivery_tag)
        else:
            delivery = message.delivery_info
            room = (self.can_consume_max_estimate() or 0) - 1
            with self._telling() as pipe:
                self._note_with(pipe, [(message._raw, delivery["exchange"], delivery["routing_key"])])
                self.channel.take_along(pipe, delivery["routing_key"], room)
        LocalQoS.append(self, message, delivery_tag)

    def note(self, messages: Sequence[Any]) -> None:
        """Note messages that came along, all in one round trip, before any of them is worked on."""
        routes = [message["properties"]["delivery_info"] for message in messages]
        with self._pipeline() as pipe:
            rows = zip(messages, routes, strict=True)
            self._note_with(pipe, [(raw, route["exchange"], route["routing_key"]) for raw, route in rows])
            pipe.execute()
        self._noted += [message["properties"]["delivery_tag"] for message in messages]

    def _note_with(self, pipe: Any, taken: Sequence[tuple[Any, str, str]]) -> None:
        """In the hash, and in the index by which it is looked for when its worker is dead."""
        texts = {one[0]["properties"]["delivery_tag"]: json.dumps(one) for one in taken}
        pipe.hset(self.unacked_key, mapping=texts)
        pipe.zadd(self.unacked_index_key, dict.fromkeys(texts, self._broker_now()))

    @property
    def visibility_timeout(self) -> float:  # type: ignore[override]
        """In seconds. kombu takes it from the time of its own clock, so what that is ahead is in it."""
        return float(self.channel.visibility_timeout) + time() - self._broker_now()

    def restore_visible(self, *args: Any, **options: Any) -> None:
        """Give back what was taken too long ago. Asks for the broker's time anew."""
        self._broker_zero = None
        super().restore_visible(*args, **options)

    def _broker_now(self) -> float:
        """In seconds since 1970, of the server that is the broker now, or was some seconds ago."""
        if self._broker_zero is None:
            seconds, microseconds = self.channel._create_client().time()
            self._broker_zero = seconds + microseconds / 1e6 - monotonic()
        return self._broker_zero + monotonic()

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
            with self._telling() as pipe:
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

    @contextmanager
    def _telling(self) -> Iterator[Any]:
        """A transaction that also tells the broker of all acknowledgements; if it fails they wait for the next."""
        tags: list[str] = []
        with suppress(IndexError):
            while True:
                tags.append(self._acked.popleft())
        try:
            with self._pipeline() as pipe:
                if tags:
                    pipe.hdel(self.unacked_key, *tags)
                    pipe.zrem(self.unacked_index_key, *tags)
                yield pipe
        except BaseException:
            self._acked.extend(tags)
            raise

    def _pipeline(self) -> Any:
        """A transaction: hash and index say the same, though a worker die within its sending, or another do the same
        with a message that was doubled. An entry of the hash alone would stay for ever."""
        return self.channel._create_client().pipeline(transaction=True)
