"""Find messages and keys that are left in the broker when no operation is open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import redis

from shared.messaging.messages import QUEUES
from tools.chaos.platform.processes import CLOCK_OFF

#: keys that stay: one for each queue, and the high-water mark of each database
LASTING = ("_kombu.binding", "dezky:epoch:")


def left_over(broker: redis.Redis) -> Iterator[str]:
    """Return a sentence for each leftover: messages, received or not, and keys that never expire.

    Raises RedisError, at once.
    """
    lines = [f"{broker.llen(queue)} messages in the queue {queue}" for queue in QUEUES if broker.llen(queue)]
    lines += [line for entry in _values(broker) for line in _taken(entry)]
    known = (*QUEUES, "unacked", "unacked_index")
    names = [key.decode() for key in _keys(broker)]
    lasting = [one for one in names if one not in known and not one.startswith(LASTING)]
    return iter(lines + [f"the key {one}, which never expires" for one in lasting if broker.ttl(one) == -1])


def _taken(entry: bytes) -> Iterator[str]:
    """Report a message that a worker has received and not acknowledged.

    A retry that the worker with the wrong clock has scheduled stays with its worker for two hours. It is not counted,
    because the scheduler has published another message.
    """
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
