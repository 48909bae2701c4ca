"""Which messages a worker has taken and not acknowledged: kombu's own notes in Redis, by the broker's clock.

With fewer commands than kombu's: see `lean_redis`. One noted longer ago than the visibility timeout is given back to
its queue by whichever worker looks, since whoever took it is dead.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from time import time
from typing import Any

import redis
import structlog
from kombu.asynchronous import get_event_loop
from kombu.transport import redis as kombu_redis
from kombu.transport.virtual import QoS as LocalQoS

from shared.dispatch.intake import room

log = structlog.get_logger(__name__)

#: acknowledgements go along with the next message that is taken; at most so many wait, and so long, in seconds
LARGEST_FLUSH, LONGEST_FLUSH = 64, 0.05
#: at most this many messages of each queue come along with one
LARGEST_HANDFUL = 4

#: Forgets what was acknowledged; notes a message that was taken, takes more, and notes those.
#: KEYS: hash, index, queues. ARGV: how many are acknowledged, their tags; then, unless that is all, the tag of the
#: message that was taken, what is noted of it, how many more there is room for, at most how many of each queue.
#: Gives (number of the queue from 0, text, tag) of each message taken; no tag is one that nobody could acknowledge,
#: and which is not noted
TURN = """
local hash, index, acked = KEYS[1], KEYS[2], tonumber(ARGV[1])
for first = 2, acked + 1, 1000 do
    local last = math.min(first + 999, acked + 1)
    redis.call('HDEL', hash, unpack(ARGV, first, last))
    redis.call('ZREM', index, unpack(ARGV, first, last))
end
local tag, entry, room, most = unpack(ARGV, acked + 2, acked + 5)
if not tag then
    return {}
end
local time = redis.call('TIME')
local now = string.format('%d.%06d', time[1], time[2])
local entries, scores, taken = {tag, entry}, {now, tag}, {}
room = tonumber(room)

local function noted(text)
    local is_json, message = pcall(cjson.decode, text)
    local properties = is_json and type(message) == 'table' and message.properties
    local route = type(properties) == 'table' and properties.delivery_info
    if type(route) ~= 'table' then
        return false
    end
    local tag, exchange, key = properties.delivery_tag, route.exchange, route.routing_key
    for _, value in ipairs({tag or false, exchange or false, key or false, message.body or false}) do
        if type(value) ~= 'string' then
            return false
        end
    end
    entries[#entries + 1] = tag
    entries[#entries + 1] = '[' .. text .. ',' .. cjson.encode(exchange) .. ',' .. cjson.encode(key) .. ']'
    scores[#scores + 1] = now
    scores[#scores + 1] = tag
    return tag
end

for number = 3, #KEYS do
    local count = math.min(room, most)
    if count < 1 then
        break
    end
    for _, text in ipairs(redis.call('RPOP', KEYS[number], count) or {}) do
        taken[#taken + 1] = {number - 3, text, noted(text)}
        room = room - 1
    end
end
redis.call('HSET', hash, unpack(entries))
redis.call('ZADD', index, unpack(scores))
return taken
"""


class LeanQoS(kombu_redis.QoS):
    """The messages a worker has taken and not acknowledged, noted in Redis as kombu notes them.

    But with the time of the broker's clock: by its own, a worker whose clock is ahead would take away from the others
    what they have just begun, and nobody would look for its own until that clock's hour has come. And by a script:
    hash and index say the same, though a worker die within its sending, or another do the same with a message that was
    doubled. An entry of the hash alone would stay for ever.
    """

    channel: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        #: acknowledged by any thread, and not yet told to the broker
        self._acked: deque[str] = deque()
        self._is_flush_due = False
        #: by how many seconds the broker's clock is ahead of ours; as of the last look for what is to be given back
        self._ahead = 0.0
        #: tags of what came along and was not delivered yet; that of a message that was doubled may be there twice
        self._noted: list[str] = []

    def can_consume(self) -> bool:
        return bool(super().can_consume()) and room() > 0

    def append(self, message: Any, delivery_tag: str) -> None:
        """Note a taken message, unless it is noted already, and take a handful more along."""
        if delivery_tag in self._noted:
            self._noted.remove(delivery_tag)
        else:
            self._note(message, delivery_tag)
        LocalQoS.append(self, message, delivery_tag)

    def _note(self, message: Any, delivery_tag: str) -> None:
        route = message.delivery_info
        entry = json.dumps([message._raw, route["exchange"], route["routing_key"]])
        queues = self.channel.queues_from(route["routing_key"])
        more = min(self.can_consume_max_estimate() or 0, room()) - 1
        taken = self._turn((delivery_tag, entry, max(more, 0), LARGEST_HANDFUL), queues)
        self._noted += [tag.decode() for _, _, tag in taken if tag]
        self.channel.bring_along([(queues[number], text, tag) for number, text, tag in taken])

    def _turn(self, more: Iterable[Any] = (), queues: Sequence[str] = ()) -> Sequence[Any]:
        """Tell the broker of all acknowledgements, and `more`; if that fails they wait for the next turn."""
        tags: list[str] = []
        with suppress(IndexError):
            while True:
                tags.append(self._acked.popleft())
        try:
            keys = (self.unacked_key, self.unacked_index_key, *queues)
            answer: Sequence[Any] = self._script(keys, (len(tags), *tags, *more), self.channel._create_client())
        except BaseException:
            self._acked.extend(tags)
            raise
        return answer

    @cached_property
    def _script(self) -> Any:
        return self.channel._create_client().register_script(TURN)

    @property
    def visibility_timeout(self) -> float:  # type: ignore[override]
        """In seconds. kombu takes it from the time of our clock, which the broker's is ahead of or behind."""
        return float(self.channel.visibility_timeout) - self._ahead

    def restore_visible(self, *args: Any, **options: Any) -> None:
        """Give back what was taken too long ago, by the clock of the server that is the broker now."""
        seconds, microseconds = self.channel._create_client().time()
        self._ahead = seconds + microseconds / 1e6 - time()
        super().restore_visible(*args, **options)

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge: in the broker a moment later. Lost with the connection, the message comes back and finds nothing
        to do."""
        LocalQoS.ack(self, delivery_tag)
        self._acked.append(delivery_tag)
        if len(self._acked) >= LARGEST_FLUSH:
            self.flush()

    def forget(self, delivery_tag: str) -> None:
        """Acknowledge what came along noted and turned out to be junk."""
        self._noted.remove(delivery_tag)
        self._acked.append(delivery_tag)

    def flush_soon(self) -> None:
        """Flush unless a message is taken before; at once where there is no loop that could."""
        if not self._acked or self._is_flush_due:
            return
        loop = get_event_loop()
        if loop is None:
            self.flush()
            return
        self._is_flush_due = True
        loop.call_later(LONGEST_FLUSH, self._flush_as_due)

    def _flush_as_due(self) -> None:
        self._is_flush_due = False
        if not self.channel.closed:
            self.flush()

    def flush(self) -> None:
        """Tell the broker of the acknowledgements it has not heard of."""
        if self._acked:
            self._turn()

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
