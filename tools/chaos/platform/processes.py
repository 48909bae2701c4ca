"""Start the platform's processes (API, workers, schedulers), and restart those that a fault has killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sandbox.processes import end, free_port, spawn
from shared.messaging.messages import QUEUES
from tools.chaos.plan import Size

#: as `sandbox.processes.spawn`
Start = Callable[..., subprocess.Popen[bytes]]
#: how much the clock of the first worker is ahead, in seconds
CLOCK_OFF = 2 * 3600.0
CONCURRENCY = 12
#: exit codes of a process after SIGTERM; the second before it has a handler
EXPECTED_STATUSES = (0, -signal.SIGTERM)


class ManagedProcess:
    """One process with its group. When it ends it is started again after a pause."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path, start: Start = spawn
    ) -> None:
        self.name = name
        self._start = start
        self._command = [sys.executable, "-m", *command]
        self._environment = environment
        self.log = folder / f"{name.replace(' ', '-')}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._back_at: float | None = None
        #: exit codes of ends that no fault caused, and wrong ones of orderly stops
        self.unexpected_exits: list[int] = []
        self._sent: signal.Signals | None = None

    def start(self) -> None:
        self.process = self._start(self._command, log=self.log, env=self._environment)
        self._back_at, self._sent = None, None

    def signal(self, number: signal.Signals, pause: float = 0.0) -> bool:
        """Send a signal to the whole group; return False when the process had ended before.

        `pause`: seconds until it is started again, if it ends.
        """
        if self.process is None or self.process.poll() is not None:
            return False
        if number not in (signal.SIGSTOP, signal.SIGCONT):
            self._sent, self._back_at = number, time.monotonic() + pause
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        return True

    def restart_ended(self) -> None:
        """Start it again if it has ended and its pause is over."""
        if self.process is None or self.process.poll() is None:
            return
        if self._sent is None:
            self._back_at = time.monotonic() + 0.2
        if self._sent is None or (self._sent == signal.SIGTERM and self.process.returncode not in EXPECTED_STATUSES):
            self.unexpected_exits.append(self.process.returncode)
        # counted once
        self._sent = signal.SIGKILL
        if self._back_at is None or time.monotonic() >= self._back_at:
            self.start()

    def stop(self) -> None:
        if self.process is not None:
            self.signal(signal.SIGCONT)
            end(self.process, 6)


class Processes:
    """All processes by kind."""

    def __init__(self, size: Size, environment: Mapping[str, str], folder: Path, start: Start = spawn) -> None:
        self.ports = [free_port() for _ in range(size.apis)]
        commands = {
            "api": [_api(port) for port in self.ports],
            "worker": [_worker(number) for number in range(size.workers)],
            "scheduler": [["worker.scheduler"]] * size.schedulers,
        }
        self.by_kind = {
            kind: [ManagedProcess(f"{kind} {n}", one, environment, folder, start) for n, one in enumerate(some)]
            for kind, some in commands.items()
        }

    def all(self) -> list[ManagedProcess]:
        return [one for some in self.by_kind.values() for one in some]

    def start(self) -> None:
        for managed in self.all():
            managed.start()

    def restart_ended(self) -> None:
        for managed in self.all():
            managed.restart_ended()

    def one(self, kind: str, pick: float) -> ManagedProcess:
        """Return one of the processes. `pick`: a fraction of 1."""
        found = self.by_kind[kind]
        return found[int(pick * len(found))]

    def stop(self) -> None:
        for managed in self.all():
            managed.signal(signal.SIGCONT)
            managed.signal(signal.SIGTERM, pause=3600)
        for managed in self.all():
            managed.stop()


def _api(port: int) -> list[str]:
    return ["api", "--port", str(port)]


def _worker(number: int) -> list[str]:
    """Return the command of a worker. The first one's clock is ahead."""
    celery = ["celery", "-A", "tools.chaos.platform.worker_app:app", "worker"]
    options = ["--pool", "threads", "--concurrency", str(CONCURRENCY), "-Q", ",".join(QUEUES)]
    options += ["--without-gossip", "--without-mingle", "-n", f"w{number}@chaos"]
    if number == 0:
        return ["tools.chaos.platform.wrong_clock", str(CLOCK_OFF), *celery, *options]
    return [*celery, *options]
