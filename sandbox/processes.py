"""Start child processes that end with their parent, and find free ports."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

PR_SET_PDEATHSIG = 1


def spawn(
    command: Sequence[str],
    *,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child that gets SIGTERM when this process ends for any reason, also by kill -9 (on Linux).

    Call it from a thread that lives as long as the child, because the kernel sends the signal when that thread ends.
    """
    sink = log.open("ab") if log is not None else None
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink or subprocess.DEVNULL,
            stderr=sink or subprocess.DEVNULL,
            env=None if env is None else dict(env),
            cwd=cwd,
            # its own session, so that Ctrl-C reaches only the parent, which stops its children in order
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
    finally:
        if sink is not None:
            sink.close()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def end(process: subprocess.Popen[bytes], seconds: float = 10.0) -> None:
    """Terminate a process and wait; then kill it and its children. Does nothing if it has ended."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(5)


def end_family(pid: int, seconds: float = 40.0) -> None:
    """Terminate a process, wait for it and its descendants, and kill those that still run after `seconds`."""
    parent = psutil.Process(pid)
    family = [parent, *parent.children(recursive=True)]
    parent.terminate()
    deadline = time.monotonic() + seconds
    while (running := [one for one in family if _is_running(one)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in running:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _is_running(process: psutil.Process) -> bool:
    """Return whether a process still runs; one that has ended may wait for its parent to read its status."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def free_port() -> int:
    """Return a loopback port on which no process listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def is_free(port: int) -> bool:
    """Return whether a server could listen on this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
