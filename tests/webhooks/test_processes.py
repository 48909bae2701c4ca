"""Real schedulers as processes: two at once, and one that is killed in the middle of a delivery."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.processes import end, spawn
from shared.config.settings import Settings
from shared.core.signatures import verify
from tests.forked_processes import start_forked
from tests.simulators import fault
from tests.waiting import until
from tests.webhooks.conftest import LOOPBACK, Post

StartScheduler = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    return {
        **os.environ,
        "MONGODB_URI": settings.mongodb_uri.get_secret_value(),
        "MONGODB_DATABASE": settings.mongodb_database,
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "STAMP_KEYS": ",".join(settings.stamp_key_texts),
        "WEBHOOK_ALLOWED_NETWORKS": LOOPBACK,
        "WEBHOOK_CALL_SECONDS": "1",
        "SCHEDULER_INTERVAL_SECONDS": "0.2",
        "LOG_LEVEL": "DEBUG",
    }


@pytest.fixture
def start_scheduler(environment: dict[str, str], tmp_path: Path) -> Iterator[StartScheduler]:
    running: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        log = tmp_path / f"scheduler-{len(running)}.log"
        running.append(start_forked("worker.scheduler", log=log, env=environment))
        return running[-1]

    yield start
    for process in running:
        end(process, 10)


def test_two_schedulers_share_deliveries_log_no_secret_and_stop_on_request(
    post: Post, start_scheduler: StartScheduler, tmp_path: Path
) -> None:
    webhook, secret = post.subscribe("partner.*", path="/take/path-secret?key=query-secret")
    schedulers = [start_scheduler(), start_scheduler()]
    logs = [tmp_path / f"scheduler-{number}.log" for number in range(2)]
    until(lambda: all(path.exists() and "scheduler.started" in path.read_text() for path in logs), 40)
    post.happen(*(f"partner-{number}" for number in range(20)))
    until(post.ended(webhook, 20), 40)
    assert len(post.receiver.seen) == len({headers["webhook-id"] for headers, _ in post.receiver.seen}) == 20
    for scheduler in schedulers:
        scheduler.terminate()
        assert scheduler.wait(15) == 0
    logged = "".join(path.read_text() for path in logs)
    assert logged.count("webhook.attempted") == 20
    for word in (secret, secret.removeprefix("whsec_"), "path-secret", "query-secret"):
        assert word not in logged


@pytest.mark.parametrize("hours", [2, -3])
def test_events_of_a_scheduler_whose_clock_is_hours_off_are_accepted(
    post: Post, environment: dict[str, str], tmp_path: Path, hours: int
) -> None:
    webhook, secret = post.subscribe("partner.*")
    post.happen("first")
    command = [sys.executable, "-m", "tools.chaos.platform.wrong_clock", str(hours * 3600), "worker.scheduler"]
    scheduler = spawn(command, log=tmp_path / "scheduler.log", env=environment)
    try:
        until(post.ended(webhook, 1), 40)
    finally:
        end(scheduler, 10)
    ((headers, body),) = post.receiver.seen
    verify([secret], headers, body, now=time.time(), window=60)


def test_another_scheduler_repeats_the_delivery_of_a_killed_one(post: Post, start_scheduler: StartScheduler) -> None:
    webhook, _ = post.subscribe("partner.*")
    fault(post.receiver, kind="hang", count=1, delay=30)
    scheduler = start_scheduler()
    post.happen("first")
    until(lambda: post.receiver.journal, 40)
    scheduler.send_signal(signal.SIGKILL)
    scheduler.wait(5)
    assert post.deliveries(webhook)[0].status == "pending"
    start_scheduler()
    until(post.ended(webhook, 1), 40)
    first, second = (entry["body"] for entry in post.receiver.journal)
    assert first == second
    assert post.deliveries(webhook)[0].attempts == 2
