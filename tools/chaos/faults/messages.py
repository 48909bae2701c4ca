"""Disturb the broker's queues: copy messages, some of them late, delay some, add malformed ones.

A process of its own (`python -m tools.chaos.faults.messages REDIS_URL SEED SECONDS FACTOR`), which does so FACTOR times
as often as usual. At its end it returns the messages that it holds, and prints counts of what it did as a line of JSON.
"""

from __future__ import annotations

import heapq
import json
import random
import signal
import sys
import threading
import time
from collections import Counter
from typing import Any

import redis

from shared.messaging.messages import QUEUES

PAUSE = 0.02
#: the chance of each for a message that is seen
COPIED, COPIED_LATE, DELAYED = 0.02, 0.01, 0.03
MALFORMED = (b"not JSON", b'{"body": 1}', b'{"properties": {"delivery_tag": 5}}', b"\xff\xfe\x00")
MALFORMED_CHANCE = 0.0002


class MessageFaults:
    """Messages that are copied, delayed or added, by chance."""

    def __init__(self, url: str, seed: str, message_factor: float = 1.0) -> None:
        self._redis: Any = redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=0.5)
        self._chance = random.Random(seed)
        self._factor = message_factor
        self._waiting: list[tuple[float, int, str, bytes]] = []
        self._number = 0
        self.done: Counter[str] = Counter()

    def disturb(self) -> None:
        """Disturb every queue once. Raises RedisError."""
        for queue in QUEUES:
            self._disturb(queue)
        for queue, text in self._taken():
            if self._roll() < COPIED:
                self._deliver(queue, text, "copied while it is processed")
        while self._waiting and self._waiting[0][0] <= time.monotonic():
            _, _, queue, text = heapq.heappop(self._waiting)
            self._redis.lpush(queue, text)

    def return_delayed(self) -> None:
        """Put all delayed messages back."""
        for _, _, queue, text in self._waiting:
            self._redis.lpush(queue, text)
        self._waiting.clear()

    def _disturb(self, queue: str) -> None:
        for text in self._messages(queue):
            roll = self._roll()
            if roll < COPIED:
                self._deliver(queue, text, "copied")
            elif roll < COPIED + COPIED_LATE:
                self._later(queue, text, self._chance.uniform(1, 15), "copied late")
        if self._roll() < DELAYED and (delayed := self._redis.rpop(queue)):
            self._later(queue, delayed, self._chance.uniform(0.2, 4), "delayed")
        if self._roll() < MALFORMED_CHANCE:
            self._deliver(queue, self._chance.choice(MALFORMED), "malformed")

    def _roll(self) -> float:
        """Return a number; an event happens when it is below the event's chance."""
        return self._chance.random() / self._factor

    def _messages(self, queue: str) -> list[bytes]:
        # a malformed message ends the worker that reads it: copies of it would stop all workers
        return [text for text in self._redis.lrange(queue, 0, 3) if text not in MALFORMED]

    def _taken(self) -> list[tuple[str, bytes]]:
        """Return messages that a worker has received, as they were in their queues."""
        found = []
        for entry in list(self._redis.hvals("unacked"))[:5]:
            message, _, queue = json.loads(entry)
            found.append((queue, json.dumps(message).encode()))
        return found

    def _deliver(self, queue: str, text: bytes, what: str) -> None:
        self._redis.lpush(queue, text)
        self.done[f"message {what}"] += 1

    def _later(self, queue: str, text: bytes, seconds: float, what: str) -> None:
        self._number += 1
        heapq.heappush(self._waiting, (time.monotonic() + seconds, self._number, queue, text))
        self.done[f"message {what}"] += 1


def main(url: str, seed: str, seconds: float, message_factor: float) -> None:
    """Disturb the queues for so many seconds, or until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    message_faults = MessageFaults(url, seed, message_factor)
    ends = time.monotonic() + seconds
    while not stop.wait(PAUSE) and time.monotonic() < ends:
        try:
            message_faults.disturb()
        except (redis.RedisError, ValueError, OSError):
            stop.wait(0.2)  # the broker is down, which is another fault
    try:
        message_faults.return_delayed()
    except (redis.RedisError, OSError):
        message_faults.done["message lost"] += 1
    print(json.dumps(message_faults.done), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
