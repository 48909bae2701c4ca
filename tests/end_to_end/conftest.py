"""The whole platform for one test: real workers and schedulers as processes, simulators and services in this one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.processes import end, free_port, spawn
from sandbox.services import Valkey
from sandbox.simulators.authentik.server import AuthentikSimulator
from sandbox.simulators.ocis.server import OcisSimulator
from sandbox.simulators.stalwart.server import StalwartSimulator
from shared.application.services import open_services
from shared.application.store import open_repositories
from shared.config.settings import Settings, read_settings
from shared.messaging.messages import QUEUES
from shared.operations.dispatcher import Dispatcher
from shared.rights.policy import Actor, Caller
from shared.tenants.model import NewTenant
from shared.tenants.views import TenantView
from tests.forked_processes import start_forked
from tests.records import EVERY_SURFACE
from tests.simulators import API_TOKEN

QUICK = {
    "RETRY_BASE_SECONDS": "0.2",
    "RETRY_CAP_SECONDS": "1",
    "SCHEDULER_INTERVAL_SECONDS": "0.4",
    "DISPATCH_GRACE_SECONDS": "1.5",
    "LEASE_SECONDS": "4",
    "ATTEMPT_SECONDS": "3.5",
    "CALL_SECONDS": "2",
    "OPERATION_DEADLINE_SECONDS": "100",
    "BREAKER_SECONDS": "0.5",
}


class Platform:
    """A platform whose processes the test starts; they end with the test."""

    def __init__(
        self,
        settings: Settings,
        environment: dict[str, str],
        folder: Path,
        products: tuple[AuthentikSimulator, StalwartSimulator, OcisSimulator],
    ) -> None:
        self.settings = settings
        self.authentik, self.stalwart, self.ocis = products
        self.store = open_repositories(settings)
        self.dispatcher = Dispatcher(settings.broker)
        self.services = open_services(self.store, self.dispatcher, settings)
        self.store.make_indexes()
        caller = Caller("subject-admin", "admin@platform.test", "Admin", ("dezky-platform-admins",), EVERY_SURFACE)
        self.admin = Actor(self.services.sign_in.record(caller, "request-1"), EVERY_SURFACE)
        self._environment = environment
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []
        #: true: processes are forked from one that has imported their modules
        self.is_warm = True

    def start_worker(
        self,
        pool: str = "threads",
        concurrency: int = 12,
        app: str = "worker.main:app",
        *,
        events: bool = False,
        **variables: str,
    ) -> subprocess.Popen[bytes]:
        """Start a worker. `app`: its Celery application; `events`: send task events; `variables`: more environment."""
        log = self._folder / f"worker-{len(self._running)}.log"
        command = [
            *("celery", "-A", app, "worker", "--pool", pool),
            *("--concurrency", str(concurrency), "-Q", ",".join(QUEUES), "--without-gossip", "--without-mingle"),
            *("-n", f"w{len(self._running)}@test"),
            *(["-E"] if events else []),
        ]
        process = self._begin(command, log, variables)
        deadline = time.monotonic() + 30
        while b" ready" not in log.read_bytes():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        return process

    def start_api(self, host: str = "127.0.0.1", workers: int = 1, **variables: str) -> str:
        """Start the API; return its URL before it is ready, see `until_ready`."""
        port = free_port()
        log = self._folder / f"api-{len(self._running)}.log"
        command = ["api", "--host", host, "--port", str(port), "--workers", str(workers)]
        # whether processes share their metrics is decided when the metrics are imported
        self._begin(command, log, {"REQUEST_THREADS": "16", **variables}, is_warm="METRICS_PORT" not in variables)
        return f"http://{host}:{port}"

    def until_ready(self, api_url: str, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not _answers(f"{api_url}/health/ready"):
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.05)

    def start_flower(self, login: str) -> tuple[str, subprocess.Popen[bytes]]:
        """Start Flower with its history in this folder; return its URL and process."""
        port = free_port()
        options = [f"--port={port}", "--address=127.0.0.1", "--persistent=true", f"--db={self._folder / 'flower.db'}"]
        variables = {"FLOWER_BASIC_AUTH": login, "FLOWER_READ_ONLY": "true"}
        process = self._begin(["worker.flower", *options], self._folder / f"flower-{port}.log", variables)
        return f"http://127.0.0.1:{port}", process

    def start_scheduler(self, **variables: str) -> subprocess.Popen[bytes]:
        return self._begin(["worker.scheduler"], self._folder / f"scheduler-{len(self._running)}.log", variables)

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in self._folder.glob("*.log"))

    def retries(self, operation_id: str, step: str) -> int:
        """Return how many attempts of a step ended with a retry, by the workers' logs."""
        facts = ("step.retrying", f"operation={operation_id}", f"step={step}")
        return sum(all(fact in line for fact in facts) for line in self.logs().splitlines())

    def create(self, slug: str) -> TenantView:
        new = NewTenant(slug, f"{slug.title()} GmbH", "starter", (f"{slug}.test",))
        return self.services.tenants.create(new, replace(self.admin, request_id=f"request-{slug}"))

    def tenant(self, slug: str) -> TenantView:
        return self.services.tenants.get(slug, self.admin)

    def settled(self, slug: str, seconds: float = 60) -> TenantView:
        """Wait for the end of the tenant's latest operation; return the tenant."""
        operation = self.tenant(slug).operation
        assert operation is not None
        end_state = self.services.operations.wait_for(operation.id, self.admin, seconds)
        assert end_state.settled, f"{slug} is still {end_state}\n{self.logs()[-6000:]}"
        return self.tenant(slug)

    def upstream(self, slug: str) -> dict[str, list[Any]]:
        """Return the objects that each product has for a tenant of `create`."""
        spaces = self.ocis.snapshot()["spaces"]
        return {
            "groups": [g for g in self.authentik.snapshot()["groups"] if g["name"] == f"tenant-{slug}"],
            "domains": [d for d in self.stalwart.snapshot()["Domain"] if d["name"] == f"{slug}.test"],
            "spaces": [s for s in spaces if s["alias"] == f"project/tenant-{slug}"],
        }

    def has_one_of_each(self, slug: str) -> bool:
        return [len(found) for found in self.upstream(slug).values()] == [1, 1, 1]

    def close(self) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            end(process, 5)
        self.dispatcher.close()
        self.store.close()

    def _begin(
        self, command: list[str], log: Path, variables: dict[str, str], *, is_warm: bool = True
    ) -> subprocess.Popen[bytes]:
        """Start a module with its arguments as a process."""
        if not (self.is_warm and is_warm):
            return self._spawn([sys.executable, "-m", *command], log, variables)
        log.touch()
        self._running.append(start_forked(*command, log=log, env=self._environment | variables))
        return self._running[-1]

    def _spawn(self, command: list[str], log: Path, variables: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        log.touch()
        process = spawn(command, log=log, env=self._environment | (variables or {}))
        self._running.append(process)
        return process


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def build(
    folder: Path, products: tuple[AuthentikSimulator, StalwartSimulator, OcisSimulator], **variables: str
) -> Platform:
    """Create a platform on these products. `variables`: addresses of database and broker, and other settings."""
    authentik, stalwart, ocis = products
    variables = {
        "AUTHENTIK_API_URL": authentik.url,
        "AUTHENTIK_API_TOKEN": API_TOKEN,
        "STALWART_API_URL": stalwart.url,
        "STALWART_API_TOKEN": API_TOKEN,
        "OCIS_API_URL": ocis.url,
        "OCIS_USERNAME": "provisioner",
        "OCIS_PASSWORD": API_TOKEN,
        "STAMP_KEYS": "stamp-key-for-tests-32-characters",
        "LOG_FORMAT": "console",
        **QUICK,
        **variables,
    }
    settings = read_settings(**{name.lower(): value for name, value in variables.items()})
    environment = {**os.environ, **variables, "PYTHONUNBUFFERED": "1"}
    return Platform(settings, environment, folder, products)


@pytest.fixture
def make_platform(
    mongodb_uri: str,
    database_name: str,
    tmp_path: Path,
    authentik: AuthentikSimulator,
    stalwart: StalwartSimulator,
    ocis: OcisSimulator,
) -> Iterator[Callable[..., Platform]]:
    made: list[Platform] = []

    def make(redis_url: str, **changes: str) -> Platform:
        where = {"MONGODB_URI": mongodb_uri, "MONGODB_DATABASE": database_name, "REDIS_URL": redis_url}
        made.append(build(tmp_path, (authentik, stalwart, ocis), **{**where, **changes}))
        return made[-1]

    yield make
    for platform in made:
        platform.close()


@pytest.fixture
def platform(make_platform: Callable[..., Platform], redis_url: str) -> Platform:
    return make_platform(redis_url)


@pytest.fixture
def fragile(make_platform: Callable[..., Platform], own_valkey: Valkey) -> Platform:
    """A platform whose broker the test may kill."""
    return make_platform(own_valkey.url)
