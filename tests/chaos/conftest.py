"""Fixtures: the platform of tests/end_to_end with a database of its own, and processes whose clock is wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from sandbox.services import Mongod
from shared.messaging.messages import QUEUES
from tests.end_to_end.conftest import Platform, fragile, make_platform, platform
from tests.waiting import until

__all__ = ["fragile", "make_platform", "platform"]


@pytest.fixture
def on_own_database(own_mongod: Mongod, make_platform: Callable[..., Platform], redis_url: str) -> Platform:
    """Return a platform whose database the test may kill.

    A lease is longer than a call that waits for the database, as in production, so no watchdog ends a worker.
    """
    return make_platform(redis_url, MONGODB_URI=own_mongod.uri, LEASE_SECONDS="12")


def start_worker_with_clock_off(platform: Platform, seconds: float) -> subprocess.Popen[bytes]:
    """Start a worker whose clock is wrong by so many seconds."""
    log = platform._folder / f"worker-off-by-{seconds:.0f}.log"
    celery = [
        "celery",
        "-A",
        "tools.chaos.platform.worker_app:app",
        "worker",
        "--pool",
        "threads",
        "--concurrency",
        "12",
    ]
    options = ["-Q", ",".join(QUEUES), "--without-gossip", "--without-mingle", "-n", f"off{seconds:.0f}@test"]
    command = [sys.executable, "-m", "tools.chaos.platform.wrong_clock", str(seconds), *celery, *options]
    process = platform._spawn(command, log)
    until(lambda: b" ready" in log.read_bytes(), 60)
    return process


def start_scheduler_with_clock_off(platform: Platform, seconds: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tools.chaos.platform.wrong_clock", str(seconds), "worker.scheduler"]
    return platform._spawn(command, platform._folder / f"scheduler-off-by-{seconds:.0f}.log")
