"""Run one system: its processes, a burst of tenants, and the cost of the burst."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psutil
import pymongo
import redis
import urllib3

from sandbox.processes import end, free_port, spawn
from tools.bench.servers import Servers, wait_until
from tools.bench.systems.catalog import System

CLIENTS = 8
#: how often the end is checked, and memory measured, in seconds: both cost the system processor time
POLL_SECONDS, MEMORY_SECONDS = 0.1, 0.5


@dataclass(frozen=True)
class Figures:
    """Per burst. Times in milliseconds; CPU, Redis and MongoDB per tenant, of the system's own processes only.

    `memory_mb`: maximum memory of its processes together; shared pages count once.
    """

    per_second: float
    p50: float
    p95: float
    p99: float
    cpu_ms: float
    redis_commands: float
    mongodb_operations: float
    memory_mb: float


COLUMNS = ("tenants/s", "p50 ms", "p95 ms", "p99 ms", "CPU ms", "Redis", "MongoDB", "memory MB")


class RunningSystem:
    """One system, running. Use it as a context manager."""

    def __init__(self, measured: System, servers: Servers) -> None:
        self.measured = measured
        self.headers = {"Authorization": f"Bearer {servers.token}"}
        self._port = free_port()
        self._environment = {**servers.environment, **measured.environment}
        self._logs = servers.folder
        self._http = urllib3.PoolManager(maxsize=CLIENTS, timeout=60, retries=False, headers=self.headers)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._mongo: Any = pymongo.MongoClient(servers.environment["MONGODB_URI"], tz_aware=True)
        self._redis = redis.Redis.from_url(servers.environment["REDIS_URL"])
        self.database = self._mongo[measured.database]

    def __enter__(self) -> RunningSystem:
        self._redis.flushall()
        self._mongo.drop_database(self.measured.database)
        commands = self.measured.commands(self._port)
        for name, command in commands.items():
            log = self._logs / f"{self.measured.name.replace(' ', '-')}-{name}.log"
            log.write_bytes(b"")
            self._processes.append(spawn(command, log=log, env=self._environment))
        if "worker" in commands:
            wait_until(lambda: any(client["cmd"] == "brpop" for client in self._redis.client_list()))
        wait_until(lambda: answers(f"{self.url}/health/ready"))
        self._http.request("GET", f"{self.url}/users/me")
        time.sleep(1.0)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            end(process)
        self._http.clear()
        self._mongo.close()
        self._redis.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def burst(self, count: int, tag: str) -> Figures:
        """Create tenants over HTTP as fast as they are accepted, and wait until all are active."""
        before = self.meters()
        began = datetime.now(UTC)
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(self.create, [f"{tag}{number}" for number in range(count)]))
        memory = self._most_memory_mb(until=lambda: self.finished(tag) >= count)
        after = self.meters()
        spans = self.measured.spans(self.database, tag).values()
        seconds = (max(finished for _, finished in spans) - began).total_seconds()
        waits = [(finished - created).total_seconds() * 1000 for created, finished in spans]
        cpu, commands, operations = ((b - a) / count for a, b in zip(before, after, strict=True))
        cuts = statistics.quantiles(waits, n=100, method="inclusive")
        return Figures(count / seconds, cuts[49], cuts[94], cuts[98], cpu * 1000, commands, operations, memory)

    def paced(self, tag: str, count: int, pause: float) -> list[float]:
        """Return the milliseconds from each request until its tenant is active; one request every `pause` seconds."""
        asked: dict[str, datetime] = {}
        with ThreadPoolExecutor(CLIENTS) as pool:
            for number in range(count):
                slug = f"{tag}{number}"
                asked[slug] = datetime.now(UTC)
                pool.submit(self.create, slug)
                time.sleep(pause)
        wait_until(lambda: self.finished(tag) >= count)
        spans = self.measured.spans(self.database, tag)
        return [(spans[slug][1] - begun).total_seconds() * 1000 for slug, begun in asked.items()]

    def finished(self, tag: str) -> int:
        """Count the active tenants whose slugs start with `tag`."""
        mine = {"slug": {"$gte": tag, "$lt": f"{tag}~"}, "status": "active"}
        return int(self.database["tenants"].count_documents(mine))

    def create(self, slug: str) -> None:
        body = {"slug": slug, "name": "Bench", "domains": [f"{slug}.test"]}
        response = self._http.request("POST", f"{self.url}/tenants", json=body)
        if response.status >= 300:
            raise RuntimeError(f"POST /tenants answered {response.status}: {response.data[:500]!r}")

    def meters(self) -> tuple[float, float, float]:
        """Return processor seconds, Redis commands and MongoDB operations since the processes started."""
        cpu = 0.0
        for one in self._all_processes():
            times = one.cpu_times()
            cpu += times.user + times.system
        commands = self._redis.info("stats")["total_commands_processed"]
        counted = self._mongo.admin.command("serverStatus")["metrics"]["commands"]
        names = ("insert", "find", "update", "delete", "findAndModify", "aggregate", "commitTransaction")
        return cpu, float(commands), float(sum(counted[name]["total"] for name in names))

    def _all_processes(self) -> Iterator[psutil.Process]:
        for process in self._processes:
            root = psutil.Process(process.pid)
            yield root
            yield from root.children(recursive=True)

    def _most_memory_mb(self, until: Callable[[], bool]) -> float:
        """Return the maximum memory until the condition is true. Raises TimeoutError."""
        most, weighed = 0.0, 0.0

        def check() -> bool:
            nonlocal most, weighed
            if time.monotonic() - weighed >= MEMORY_SECONDS:
                most, weighed = max(most, self._memory_mb()), time.monotonic()
            return until()

        wait_until(check, POLL_SECONDS)
        return most

    def _memory_mb(self) -> float:
        return float(sum(one.memory_full_info().pss for one in self._all_processes())) / 2**20


def answers(url: str) -> bool:
    """Return whether a GET of the URL answers 200."""
    try:
        return urllib3.request("GET", url, timeout=2, retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False
