"""Makes the plan's troubles happen, one by one, when their time has come, and notes when each began and ended."""

from __future__ import annotations

import heapq
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pymongo
import redis
from pymongo.errors import PyMongoError

from tools.chaos.ground import Ground
from tools.chaos.plan import Trouble

Act = Callable[["TroubleMaker", Trouble], None]


@dataclass(frozen=True)
class Span:
    """A trouble as it was: wall clock seconds."""

    kind: str
    began: float
    ended: float


class TroubleMaker:
    """Lives in the thread that started the ground. `spans`: what has happened."""

    def __init__(self, ground: Ground, troubles: tuple[Trouble, ...]) -> None:
        self._ground = ground
        self._agenda: list[tuple[float, int, Trouble, bool]] = []
        for number, one in enumerate(troubles):
            heapq.heappush(self._agenda, (one.at, number, one, True))
        self._open: dict[int, float] = {}
        self._began = time.monotonic()
        self.spans: list[Span] = []
        self.struck: Counter[str] = Counter()

    def begin(self) -> None:
        """The storm's first second is now."""
        self._began = time.monotonic()

    def tend(self) -> None:
        """Do what is due, and bring back the dead."""
        while self._agenda and self._agenda[0][0] <= time.monotonic() - self._began:
            _, number, trouble, is_start = heapq.heappop(self._agenda)
            if is_start:
                self._start(number, trouble)
            else:
                self._end(number, trouble)
        self._ground.crew.tend()

    def is_over(self) -> bool:
        return not self._agenda

    def _start(self, number: int, trouble: Trouble) -> None:
        self._open[number] = time.time()
        self._note(f"{trouble.kind} for {trouble.lasts:.1f} s {dict(trouble.rule) or ''}")
        _START.get(trouble.kind, _order)(self, trouble)
        heapq.heappush(self._agenda, (time.monotonic() - self._began + trouble.lasts, number, trouble, False))

    def _end(self, number: int, trouble: Trouble) -> None:
        _END.get(trouble.kind, _nothing if trouble.product is None else _end_orders)(self, trouble)
        self.spans.append(Span(trouble.kind, self._open.pop(number), time.time()))
        self._note(f"{trouble.kind}: over")

    def _note(self, sentence: str) -> None:
        """What happened when, beside the logs."""
        with (self._ground.folder / "storm.log").open("a") as log:
            log.write(f"{datetime.now(UTC):%H:%M:%S.%f} {time.monotonic() - self._began:6.1f} {sentence}\n")

    # -- processes

    def kill(self, trouble: Trouble) -> None:
        self._signal(trouble, signal.SIGKILL)

    def kill_workers(self, trouble: Trouble) -> None:
        for member in self._ground.crew.members["worker"]:
            member.signal(signal.SIGKILL, trouble.lasts)

    def freeze(self, trouble: Trouble) -> None:
        self._signal(trouble, signal.SIGSTOP)

    def thaw(self, trouble: Trouble) -> None:
        self._ground.crew.one(trouble.kind.split()[0], trouble.pick).signal(signal.SIGCONT)

    def tell_to_stop(self, trouble: Trouble) -> None:
        self._signal(trouble, signal.SIGTERM)

    def _signal(self, trouble: Trouble, number: signal.Signals) -> None:
        if not self._ground.crew.one(trouble.kind.split()[0], trouble.pick).signal(number, trouble.lasts):
            self.struck[f"{trouble.kind} in vain"] += 1

    # -- broker and database

    def kill_broker(self, trouble: Trouble) -> None:
        self._ground.valkey.kill()

    def start_broker(self, trouble: Trouble) -> None:
        self._ground.valkey.start()

    def flush_broker(self, trouble: Trouble) -> None:
        try:
            self._ground.broker.flushall()
        except redis.RedisError:
            self.struck["broker flushed in vain"] += 1

    def kill_database(self, trouble: Trouble) -> None:
        self._ground.mongod.kill()

    def start_database(self, trouble: Trouble) -> None:
        self._ground.mongod.start()

    def step_down(self, trouble: Trouble) -> None:
        address = f"mongodb://127.0.0.1:{self._ground.mongod.port}/?directConnection=true"
        with pymongo.MongoClient[dict[str, object]](address, serverSelectionTimeoutMS=2000) as client:
            try:
                client.admin.command("replSetStepDown", max(1, round(trouble.lasts)), force=True)
            except PyMongoError:
                self.struck["database stepped down in vain"] += 1

    def stop_server(self, trouble: Trouble) -> None:
        self._signal_server(trouble, signal.SIGSTOP)

    def go_on_server(self, trouble: Trouble) -> None:
        self._signal_server(trouble, signal.SIGCONT)

    def _signal_server(self, trouble: Trouble, number: signal.Signals) -> None:
        server = self._ground.mongod if trouble.kind.startswith("database") else self._ground.valkey
        if server.process is not None and server.process.poll() is None:
            os.kill(server.process.pid, number)


def _order(maker: TroubleMaker, trouble: Trouble) -> None:
    if trouble.product is not None:
        maker._ground.order(trouble.product, dict(trouble.rule))


def _end_orders(maker: TroubleMaker, trouble: Trouble) -> None:
    for order in maker._ground.end_orders(trouble.product or ""):
        maker.struck[f"{trouble.product} {order['kind']}"] += order["struck"]


def _nothing(maker: TroubleMaker, trouble: Trouble) -> None:
    """What was killed is brought back by the crew."""


_START: Mapping[str, Act] = {
    "worker killed": TroubleMaker.kill,
    "worker frozen": TroubleMaker.freeze,
    "worker told to stop": TroubleMaker.tell_to_stop,
    "all workers killed": TroubleMaker.kill_workers,
    "api killed": TroubleMaker.kill,
    "sweep killed": TroubleMaker.kill,
    "sweep frozen": TroubleMaker.freeze,
    "broker killed": TroubleMaker.kill_broker,
    "broker flushed": TroubleMaker.flush_broker,
    "broker hung": TroubleMaker.stop_server,
    "database killed": TroubleMaker.kill_database,
    "database stepped down": TroubleMaker.step_down,
    "database hung": TroubleMaker.stop_server,
}
_END: Mapping[str, Act] = {
    "worker frozen": TroubleMaker.thaw,
    "sweep frozen": TroubleMaker.thaw,
    "broker killed": TroubleMaker.start_broker,
    "broker hung": TroubleMaker.go_on_server,
    "database killed": TroubleMaker.start_database,
    "database hung": TroubleMaker.go_on_server,
}
