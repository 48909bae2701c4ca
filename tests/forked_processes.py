"""Start workers, schedulers and APIs by forking a process that has imported them, for tests that start many of them.

Such a process does what `python -m` would do, without a second or more of imports. Tests of the sandbox and of the
hosts start them as in production.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import TextIO, cast

#: modules that a worker, a scheduler and an API import before they read a setting
PRELOADED = ["celery.bin.celery", "celery.worker.components", "celery.worker.autoscale", "celery.concurrency.thread"]
PRELOADED += ["shared.messaging.chord_backend", "shared.messaging.celery_extensions"]
PRELOADED += ["worker.app", "worker.scheduler"]
PRELOADED += ["api.app", "api.http.server_policy", "api.startup", "serving.bridge", "serving.launch"]


class ForkedProcess:
    """The part of `subprocess.Popen` that tests use."""

    def __init__(self, process: ForkServerProcess, args: Sequence[str]) -> None:
        assert process.pid is not None
        self.pid: int = process.pid
        self.args = args
        self._process = process

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start_forked(module: str, *arguments: str, log: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Run `python -m module arguments` in a session of its own. It ends with the calling process, even by SIGKILL."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=_become, args=(module, arguments, str(log), dict(env)), daemon=True)
    process.start()
    return cast("subprocess.Popen[bytes]", ForkedProcess(process, (module, *arguments)))


def _end_with_caller() -> None:
    """End this process when the caller ends; the fork server lives as long as its children do."""
    caller = multiprocessing.parent_process()
    assert caller is not None
    caller.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _become(module: str, arguments: Sequence[str], log: str, env: Mapping[str, str]) -> None:
    os.setsid()
    # as in a process of its own: an API forks the processes that serve it
    multiprocessing.current_process().daemon = False
    multiprocessing.set_start_method("fork", force=True)
    threading.Thread(target=_end_with_caller, name="end with caller", daemon=True).start()
    os.environ.clear()
    os.environ.update(env)
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for number in (1, 2):
        os.dup2(sink, number)
    os.close(sink)
    for stream in (sys.stdout, sys.stderr):
        cast("TextIO", stream).reconfigure(write_through=True)  # type: ignore[attr-defined]
    sys.argv = [module, *arguments]
    sys.modules.pop(module, None)  # it is already imported and runs as `__main__` now
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        # a process of `multiprocessing` ends without them; Flower saves its history then
        atexit._run_exitfuncs()
