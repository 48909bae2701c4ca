"""One side of a measurement: its processes, a burst of tenants, and what they cost."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pymongo
import redis
import requests

from sandbox.processes import end, free_port, spawn
from shared.dispatch.names import QUEUES

CLIENTS = 8
PATIENCE = 180.0


@dataclass(frozen=True)
class Figures:
    """Per burst. Times in milliseconds; CPU, Redis and MongoDB per tenant, of the side's own processes only."""

    per_second: float
    p50: float
    p95: float
    p99: float
    cpu_ms: float
    redis_commands: float
    mongodb_operations: float


@dataclass(frozen=True)
class Sides:
    """How the two contestants differ: commands to start, and where their tenants are."""

    name: str
    commands: Callable[[int], dict[str, list[str]]]
    database: str
    spans: Callable[[Any], list[tuple[datetime, datetime]]]


def platform_commands(port: int) -> dict[str, list[str]]:
    celery = [sys.executable, "-m", "celery", "-A", "worker.main:app", "worker", "--pool", "threads"]
    options = ["--concurrency", "32", "-Q", ",".join(QUEUES), "--without-gossip", "--without-mingle"]
    return {
        "api": _granian(port, "api.main:app"),
        "worker": [*celery, *options],
        "sweep": [sys.executable, "-m", "worker.sweep"],
    }


def plain_commands(port: int) -> dict[str, list[str]]:
    return {
        "api": _granian(port, "bench.plain:app"),
        "worker": [sys.executable, "-m", "celery", "-A", "bench.plain:celery", "worker"],
    }


def platform_spans(database: Any) -> list[tuple[datetime, datetime]]:
    done = database["operations"].find({"status": "succeeded", "settled": True, "tenantSlug": {"$ne": "dezky"}})
    return [(row["createdAt"], row["finishedAt"]) for row in done]


def plain_spans(database: Any) -> list[tuple[datetime, datetime]]:
    return [(row["createdAt"], row["finishedAt"]) for row in database["tenants"].find({"status": "active"})]


PLATFORM = Sides("platform", platform_commands, "bench", platform_spans)
PLAIN = Sides("plain chord", plain_commands, "plain", plain_spans)


class Contestant:
    """One side, running. Use as a context manager."""

    def __init__(self, side: Sides, environment: dict[str, str], logs: Path, token: str) -> None:
        self._side = side
        self._port = free_port()
        self._environment = environment
        self._logs = logs
        self._headers = {"Authorization": f"Bearer {token}"}
        self._processes: list[subprocess.Popen[bytes]] = []
        self._mongo: Any = pymongo.MongoClient(environment["MONGODB_URI"], tz_aware=True)
        self._redis = redis.Redis.from_url(environment["REDIS_URL"])

    def __enter__(self) -> Contestant:
        self._redis.flushall()
        self._mongo.drop_database(self._side.database)
        for name, command in self._side.commands(self._port).items():
            log = self._logs / f"{self._side.name.replace(' ', '-')}-{name}.log"
            log.write_bytes(b"")
            self._processes.append(spawn(command, log=log, env=self._environment))
        wait_until(lambda: any(client["cmd"] == "brpop" for client in self._redis.client_list()))
        wait_until(lambda: _status(f"{self.url}/health/ready") == 200)
        requests.get(f"{self.url}/users/me", headers=self._headers, timeout=10)
        time.sleep(1.0)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            end(process)
        self._mongo.close()
        self._redis.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def burst(self, count: int, tag: str) -> Figures:
        """Create tenants over HTTP as fast as they are taken, and wait until all are active."""
        database = self._mongo[self._side.database]
        already = len(self._side.spans(database))
        before = self._meters()
        began = time.monotonic()
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(self._create, [f"{tag}{number}" for number in range(count)]))
        wait_until(lambda: len(self._side.spans(database)) - already >= count)
        seconds = time.monotonic() - began
        after = self._meters()
        spans = sorted(self._side.spans(database))[already:]
        waits = sorted((finished - created).total_seconds() * 1000 for created, finished in spans)
        cpu, commands, operations = ((b - a) / count for a, b in zip(before, after, strict=True))
        cuts = statistics.quantiles(waits, n=100, method="inclusive")
        return Figures(count / seconds, cuts[49], cuts[94], cuts[98], cpu * 1000, commands, operations)

    def _create(self, slug: str) -> None:
        body = {"slug": slug, "name": "Bench", "domains": [f"{slug}.test"]}
        answer = requests.post(f"{self.url}/tenants", json=body, headers=self._headers, timeout=60)
        answer.raise_for_status()

    def _meters(self) -> tuple[float, float, float]:
        """CPU seconds of our processes, Redis commands, MongoDB operations, since their starts."""
        cpu = 0.0
        for process in self._processes:
            root = psutil.Process(process.pid)
            for one in (root, *root.children(recursive=True)):
                times = one.cpu_times()
                cpu += times.user + times.system
        commands = self._redis.info("stats")["total_commands_processed"]
        counters = self._mongo.admin.command("serverStatus")["opcounters"]
        return cpu, float(commands), float(sum(counters[name] for name in ("insert", "query", "update", "delete")))


def _granian(port: int, app: str) -> list[str]:
    options = ["--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--blocking-threads", "16"]
    return [sys.executable, "-m", "granian", *options, app]


def _status(url: str) -> int:
    try:
        return requests.get(url, timeout=2).status_code
    except requests.RequestException:
        return 0


def wait_until(condition: Callable[[], bool]) -> None:
    """Raises TimeoutError when it does not come true in time."""
    give_up = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > give_up:
            raise TimeoutError("the measurement did not come to its end in time")
        time.sleep(0.05)
