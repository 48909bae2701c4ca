"""Inject the plan's faults at their times, and record when each began and ended."""

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

from tools.chaos.plan import Fault
from tools.chaos.platform.environment import Environment

Action = Callable[["FaultInjector", Fault], None]


@dataclass(frozen=True)
class Span:
    """When a fault began and ended, in seconds of the wall clock."""

    kind: str
    began: float
    ended: float


class FaultInjector:
    """Use it in the thread that started the environment. `spans`: the faults that have ended."""

    def __init__(self, environment: Environment, faults: tuple[Fault, ...]) -> None:
        self._environment = environment
        self._schedule: list[tuple[float, int, Fault, bool]] = []
        for number, one in enumerate(faults):
            heapq.heappush(self._schedule, (one.at, number, one, True))
        self._open: dict[int, float] = {}
        self._began = time.monotonic()
        self.spans: list[Span] = []
        self.applied: Counter[str] = Counter()

    def begin(self) -> None:
        """Start the plan's clock."""
        self._began = time.monotonic()

    def tend(self) -> None:
        """Begin and end faults that are due, and restart processes that have ended."""
        while self._schedule and self._schedule[0][0] <= time.monotonic() - self._began:
            _, number, fault, is_start = heapq.heappop(self._schedule)
            if is_start:
                self._start(number, fault)
            else:
                self._end(number, fault)
        self._environment.processes.restart_ended()

    def is_over(self) -> bool:
        return not self._schedule

    def _start(self, number: int, fault: Fault) -> None:
        self._open[number] = time.time()
        self._note(f"{fault.kind} for {fault.lasts:.1f} s {dict(fault.rule) or ''}")
        _START.get(fault.kind, _begin_product_fault)(self, fault)
        heapq.heappush(self._schedule, (time.monotonic() - self._began + fault.lasts, number, fault, False))

    def _end(self, number: int, fault: Fault) -> None:
        _END.get(fault.kind, _do_nothing if fault.product is None else _end_product_faults)(self, fault)
        self.spans.append(Span(fault.kind, self._open.pop(number), time.time()))
        self._note(f"{fault.kind}: over")

    def _note(self, sentence: str) -> None:
        """Log it beside the logs of the processes."""
        with (self._environment.folder / "faults.log").open("a") as log:
            log.write(f"{datetime.now(UTC):%H:%M:%S.%f} {time.monotonic() - self._began:6.1f} {sentence}\n")

    # -- processes

    def kill(self, fault: Fault) -> None:
        self._signal(fault, signal.SIGKILL)

    def kill_workers(self, fault: Fault) -> None:
        for managed in self._environment.processes.by_kind["worker"]:
            managed.signal(signal.SIGKILL, fault.lasts)

    def freeze(self, fault: Fault) -> None:
        self._signal(fault, signal.SIGSTOP)

    def unfreeze(self, fault: Fault) -> None:
        self._environment.processes.one(fault.kind.split()[0], fault.pick).signal(signal.SIGCONT)

    def stop_worker(self, fault: Fault) -> None:
        self._signal(fault, signal.SIGTERM)

    def _signal(self, fault: Fault, number: signal.Signals) -> None:
        if not self._environment.processes.one(fault.kind.split()[0], fault.pick).signal(number, fault.lasts):
            self.applied[f"{fault.kind} without effect"] += 1

    # -- broker and database

    def kill_broker(self, fault: Fault) -> None:
        self._environment.valkey.kill()

    def start_broker(self, fault: Fault) -> None:
        self._environment.valkey.start()

    def flush_broker(self, fault: Fault) -> None:
        try:
            self._environment.broker.flushall()
        except redis.RedisError:
            self.applied["broker flushed without effect"] += 1

    def kill_database(self, fault: Fault) -> None:
        self._environment.mongod.kill()

    def start_database(self, fault: Fault) -> None:
        self._environment.mongod.start()

    def step_down(self, fault: Fault) -> None:
        address = f"mongodb://127.0.0.1:{self._environment.mongod.port}/?directConnection=true"
        with pymongo.MongoClient[dict[str, object]](address, serverSelectionTimeoutMS=2000) as client:
            try:
                client.admin.command("replSetStepDown", max(1, round(fault.lasts)), force=True)
            except PyMongoError:
                self.applied["database stepped down without effect"] += 1

    def stop_server(self, fault: Fault) -> None:
        self._signal_server(fault, signal.SIGSTOP)

    def continue_server(self, fault: Fault) -> None:
        self._signal_server(fault, signal.SIGCONT)

    def _signal_server(self, fault: Fault, number: signal.Signals) -> None:
        server = self._environment.mongod if fault.kind.startswith("database") else self._environment.valkey
        if server.process is not None and server.process.poll() is None:
            os.kill(server.process.pid, number)


def _begin_product_fault(injector: FaultInjector, fault: Fault) -> None:
    if fault.product is not None:
        injector._environment.begin_fault(fault.product, dict(fault.rule))


def _end_product_faults(injector: FaultInjector, fault: Fault) -> None:
    for order in injector._environment.end_faults(fault.product or ""):
        injector.applied[f"{fault.product} {order['kind']}"] += order["injected"]


def _do_nothing(injector: FaultInjector, fault: Fault) -> None:
    """Do nothing: a killed process is restarted by `Processes`."""


_START: Mapping[str, Action] = {
    "worker killed": FaultInjector.kill,
    "worker frozen": FaultInjector.freeze,
    "worker told to stop": FaultInjector.stop_worker,
    "all workers killed": FaultInjector.kill_workers,
    "api killed": FaultInjector.kill,
    "scheduler killed": FaultInjector.kill,
    "scheduler frozen": FaultInjector.freeze,
    "broker killed": FaultInjector.kill_broker,
    "broker flushed": FaultInjector.flush_broker,
    "broker hung": FaultInjector.stop_server,
    "database killed": FaultInjector.kill_database,
    "database stepped down": FaultInjector.step_down,
    "database hung": FaultInjector.stop_server,
}
_END: Mapping[str, Action] = {
    "worker frozen": FaultInjector.unfreeze,
    "scheduler frozen": FaultInjector.unfreeze,
    "broker killed": FaultInjector.start_broker,
    "broker hung": FaultInjector.continue_server,
    "database killed": FaultInjector.start_database,
    "database hung": FaultInjector.continue_server,
}
