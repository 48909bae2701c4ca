"""What is left in the broker when nothing is to be done any more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import redis

from shared.messaging.queues import QUEUES
from tools.chaos.crew import CLOCK_OFF

#: one for each queue; and one for each database, what it was last seen at
LASTING = ("_kombu.binding", "dezky:epoch:")


def left_over(broker: redis.Redis) -> Iterator[str]:
    """A sentence for each thing that should be gone: messages, taken or not, and keys that would stay for ever.

    Raises RedisError, at once.
    """
    lines = [f"{broker.llen(queue)} messages in the queue {queue}" for queue in QUEUES if broker.llen(queue)]
    lines += [line for entry in _values(broker) for line in _taken(entry)]
    known = (*QUEUES, "unacked", "unacked_index")
    names = [key.decode() for key in _keys(broker)]
    lasting = [one for one in names if one not in known and not one.startswith(LASTING)]
    return iter(lines + [f"the key {one}, which has no end" for one in lasting if broker.ttl(one) == -1])


def _taken(entry: bytes) -> Iterator[str]:
    """A message that some worker has not acknowledged. One that the worker whose clock is wrong has timed waits until
    then in whatever worker took it, and is not looked at: the sweep has long sent another."""
    message, _, queue = json.loads(entry)
    headers = message.get("headers", {})
    eta = datetime.fromisoformat(headers["eta"]) if headers.get("eta") else None
    if eta is None or eta < datetime.now(UTC) + timedelta(seconds=CLOCK_OFF / 2):
        yield f"a message taken from {queue} and not acknowledged: {headers.get('argsrepr')}, not before {eta}"


def _values(broker: redis.Redis) -> list[bytes]:
    found: Any = broker.hvals("unacked")
    return list(found)


def _keys(broker: redis.Redis) -> list[bytes]:
    found: Any = broker.keys("*")
    return list(found)
