"""The processes of a storm that are killed and brought back: API, workers, sweeps. All are started by one thread."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.processes import end, free_port, spawn
from shared.messaging.queues import QUEUES
from tools.chaos.plan import Size

#: a worker whose clock is off by so much is one of them, in seconds
CLOCK_OFF = 2 * 3600.0
CONCURRENCY = 12
#: how a process ends that was told to stop; the second while it has no handler yet
ORDERLY = (0, -signal.SIGTERM)


class Member:
    """One process, with its group. Dead, it is started again when its pause is over."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self._command = [sys.executable, "-m", *command]
        self._environment = environment
        self.log = folder / f"{name.replace(' ', '-')}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._back_at: float | None = None
        #: exit codes of ends that nobody brought about, or that an orderly stop must not have
        self.unasked: list[int] = []
        self._asked: signal.Signals | None = None

    def start(self) -> None:
        self.process = spawn(self._command, log=self.log, env=self._environment)
        self._back_at, self._asked = None, None

    def signal(self, number: signal.Signals, pause: float = 0.0) -> bool:
        """To the whole group; False when it was dead already. `pause`: seconds until it is started again, should it
        end of this."""
        if self.process is None or self.process.poll() is not None:
            return False
        if number not in (signal.SIGSTOP, signal.SIGCONT):
            self._asked, self._back_at = number, time.monotonic() + pause
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        return True

    def tend(self) -> None:
        """Bring it back if it is dead and its time has come."""
        if self.process is None or self.process.poll() is None:
            return
        if self._asked is None:
            self._back_at = time.monotonic() + 0.2
        if self._asked is None or (self._asked == signal.SIGTERM and self.process.returncode not in ORDERLY):
            self.unasked.append(self.process.returncode)
        # counted once
        self._asked = signal.SIGKILL
        if self._back_at is None or time.monotonic() >= self._back_at:
            self.start()

    def stop(self) -> None:
        if self.process is not None:
            self.signal(signal.SIGCONT)
            end(self.process, 6)

    def has_died(self) -> bool:
        return self.process is not None and self.process.poll() is not None


class Crew:
    """All of them, by what they are."""

    def __init__(self, size: Size, environment: Mapping[str, str], folder: Path) -> None:
        self.ports = [free_port() for _ in range(size.apis)]
        self.members: dict[str, list[Member]] = {
            "api": [Member(f"api {n}", _api(port), environment, folder) for n, port in enumerate(self.ports)],
            "worker": [Member(f"worker {n}", _worker(n), environment, folder) for n in range(size.workers)],
            "sweep": [Member(f"sweep {n}", ["worker.scheduler"], environment, folder) for n in range(size.sweeps)],
        }

    def all(self) -> list[Member]:
        return [member for members in self.members.values() for member in members]

    def start(self) -> None:
        for member in self.all():
            member.start()

    def tend(self) -> None:
        for member in self.all():
            member.tend()

    def one(self, kind: str, pick: float) -> Member:
        """`pick`: a fraction of 1."""
        members = self.members[kind]
        return members[int(pick * len(members))]

    def stop(self) -> None:
        for member in self.all():
            member.signal(signal.SIGCONT)
            member.signal(signal.SIGTERM, pause=3600)
        for member in self.all():
            member.stop()


def _api(port: int) -> list[str]:
    return ["api", "--port", str(port)]


def _worker(number: int) -> list[str]:
    """The first worker's clock is ahead."""
    celery = [
        "celery",
        "-A",
        "tools.chaos.worker_app:app",
        "worker",
        "--pool",
        "threads",
        "--concurrency",
        str(CONCURRENCY),
    ]
    options = ["--pool", "threads", "--concurrency", str(CONCURRENCY), "-Q", ",".join(QUEUES)]
    options += ["--without-gossip", "--without-mingle", "-n", f"w{number}@storm"]
    if number == 0:
        return ["tools.chaos.wrong_clock", str(CLOCK_OFF), *celery, *options]
    return [*celery, *options]
