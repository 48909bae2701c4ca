"""A careless postman between the broker's queues: copies messages, late ones too, holds some back, adds junk.

A process of its own (`python -m tools.chaos.postman REDIS_URL SEED SECONDS MEDDLING`), which does all that MEDDLING
times as often as usual; at its end it gives back what it holds and prints, as one line of JSON, what it has done.
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

from shared.messaging.queues import QUEUES

PAUSE = 0.02
#: what is done with a message that is seen: chance
DOUBLED, DOUBLED_LATE, HELD = 0.02, 0.01, 0.03
JUNK = (b"not JSON", b'{"body": 1}', b'{"properties": {"delivery_tag": 5}}', b"\xff\xfe\x00")
JUNK_CHANCE = 0.0002


class Postman:
    def __init__(self, url: str, seed: str, meddling: float = 1.0) -> None:
        self._redis: Any = redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=0.5)
        self._chance = random.Random(seed)
        self._meddling = meddling
        self._waiting: list[tuple[float, int, str, bytes]] = []
        self._number = 0
        self.done: Counter[str] = Counter()

    def round(self) -> None:
        """One look at every queue. Raises RedisError."""
        for queue in QUEUES:
            self._meddle(queue)
        for queue, text in self._taken():
            if self._roll() < DOUBLED:
                self._deliver(queue, text, "doubled while worked on")
        while self._waiting and self._waiting[0][0] <= time.monotonic():
            _, _, queue, text = heapq.heappop(self._waiting)
            self._redis.lpush(queue, text)

    def give_back(self) -> None:
        for _, _, queue, text in self._waiting:
            self._redis.lpush(queue, text)
        self._waiting.clear()

    def _meddle(self, queue: str) -> None:
        for text in self._seen(queue):
            roll = self._roll()
            if roll < DOUBLED:
                self._deliver(queue, text, "doubled")
            elif roll < DOUBLED + DOUBLED_LATE:
                self._later(queue, text, self._chance.uniform(1, 15), "doubled and late")
        if self._roll() < HELD and (held := self._redis.rpop(queue)):
            self._later(queue, held, self._chance.uniform(0.2, 4), "held back")
        if self._roll() < JUNK_CHANCE:
            self._deliver(queue, self._chance.choice(JUNK), "junk")

    def _roll(self) -> float:
        """What happens by chance does so when this is below it."""
        return self._chance.random() / self._meddling

    def _seen(self, queue: str) -> list[bytes]:
        found: list[bytes] = self._redis.lrange(queue, 0, 3)
        return found

    def _taken(self) -> list[tuple[str, bytes]]:
        """Messages that some worker has at hand, as they stood in their queues."""
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


def main(url: str, seed: str, seconds: float, meddling: float) -> None:
    """Go round for so long, or until told to stop."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    postman = Postman(url, seed, meddling)
    ends = time.monotonic() + seconds
    while not stop.wait(PAUSE) and time.monotonic() < ends:
        try:
            postman.round()
        except (redis.RedisError, ValueError, OSError):
            stop.wait(0.2)  # the broker is away, which is somebody else's work
    try:
        postman.give_back()
    except (redis.RedisError, OSError):
        postman.done["message lost"] += 1
    print(json.dumps(postman.done), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
