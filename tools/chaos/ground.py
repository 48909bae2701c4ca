"""What a storm rages over: a database, a broker, the products' simulators, and the platform's processes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymongo
import redis
import requests

from sandbox.processes import end, free_port, is_free, spawn
from sandbox.services import Mongod, Valkey
from tools.chaos.crew import Crew
from tools.chaos.plan import Size
from tools.chaos.settings import Secrets, plain_environment, platform_environment
from tools.chaos.upstream_faults import PRODUCTS

PATIENCE = 90.0
OPERATOR = "operator"


class Ground:
    """Everything that runs. Start, use and stop it in one thread: the processes end with that thread."""

    def __init__(self, size: Size, folder: Path) -> None:
        self.folder = folder
        self._keys = Secrets()
        self.mongod = Mongod(folder)
        self.valkey = Valkey(folder)
        self._simulators: dict[str, subprocess.Popen[bytes]] = {}
        self.products = {product: f"http://127.0.0.1:{free_port()}" for product in PRODUCTS}
        urls = {"mongodb": self.mongod.uri, "redis": self.valkey.url, **self.products}
        self.crew = Crew(size, platform_environment(urls, self._keys, deadline(size)), folder)
        self.database: pymongo.database.Database[dict[str, Any]] = pymongo.MongoClient[dict[str, Any]](
            self.mongod.uri, tz_aware=True, timeoutMS=15_000
        )["dezky"]
        self.broker = redis.Redis.from_url(self.valkey.url, socket_timeout=2)

    @property
    def api_urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.crew.ports]

    def start(self) -> None:
        """Raises TimeoutError, ServiceError."""
        for product in PRODUCTS:
            self._start_simulator(product)
        self.mongod.start()
        self.valkey.start()
        for url in self.products.values():
            _until(lambda url=url: not is_free(int(url.rpartition(":")[2])))
        self.crew.start()
        for url in self.api_urls:
            _until(lambda url=url: _is_ready(url))

    def stop(self) -> None:
        self.crew.stop()
        for process in self._simulators.values():
            end(process)
        self.broker.close()
        self.database.client.close()
        self.valkey.stop()
        self.mongod.stop()

    def order(self, product: str, rule: dict[str, Any]) -> None:
        """Have a simulator go wrong."""
        requests.post(f"{self.products[product]}/__sim/faults", json=rule, timeout=10).raise_for_status()

    def end_orders(self, product: str) -> list[dict[str, Any]]:
        """The simulator is well again; the orders, with how often each `struck`."""
        url = f"{self.products[product]}/__sim/faults"
        orders: list[dict[str, Any]] = requests.get(url, timeout=10).json()
        requests.delete(url, timeout=10).raise_for_status()
        return orders

    def seen(self, product: str) -> dict[str, Any]:
        """All a product holds."""
        found: dict[str, Any] = requests.get(f"{self.products[product]}/__sim/state", timeout=30).json()
        return found

    def journal(self, product: str) -> list[dict[str, Any]]:
        """The requests a product was sent since this was last asked."""
        taken: list[dict[str, Any]] = requests.delete(f"{self.products[product]}/__sim/journal", timeout=30).json()
        return taken

    def token(self) -> str:
        """An administrator's, good for an hour."""
        url = self.products["authentik"]
        person = {"username": OPERATOR, "app_password": "storm", "groups": ["dezky-platform-admins"]}
        requests.post(f"{url}/__sim/call/ensure_person", json=person, timeout=10).raise_for_status()
        form = {
            "grant_type": "client_credentials",
            "client_id": "dezky-operator",
            "username": OPERATOR,
            "password": "storm",
            "scope": "openid profile email",
        }
        token = str(requests.post(f"{url}/application/o/token/", data=form, timeout=10).json()["access_token"])
        # whoever asks for themselves is recorded as a user
        me = requests.get(f"{self.api_urls[0]}/users/me", headers={"Authorization": f"Bearer {token}"}, timeout=10)
        me.raise_for_status()
        return token

    def _start_simulator(self, product: str) -> None:
        port = self.products[product].rpartition(":")[2]
        rows: dict[str, tuple[list[str], dict[str, str]]] = {
            "authentik": (
                [],
                {
                    "AUTHENTIK_SIMULATOR_TOKEN": self._keys.authentik,
                    "AUTHENTIK_SIMULATOR_CLIENTS": json.dumps(
                        [{"slug": "dezky-operator", "client_id": "dezky-operator", "client_secret": "storm"}]
                    ),
                },
            ),
            "stalwart": (["--dkim-delay", "0.05"], {"STALWART_SIMULATOR_KEY": self._keys.stalwart}),
            "ocis": (
                ["--issuer", "https://unused.invalid/"],
                {"OCIS_SIMULATOR_USERS": f"provisioner:{self._keys.ocis}:Admin"},
            ),
        }
        options, extra = rows[product]
        command = [sys.executable, "-m", f"sandbox.simulators.{product}", "--port", port, *options]
        log = self.folder / f"{product}.log"
        self._simulators[product] = spawn(command, env=plain_environment() | extra, log=log)


@contextmanager
def ground(size: Size, folder: Path) -> Iterator[Ground]:
    """All of it, until the block ends."""
    made = Ground(size, folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def deadline(size: Size) -> float:
    """How long an operation may take: longer than a storm, since the storm is no reason to give up, in seconds."""
    return min(7000.0, size.seconds + 60)


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/health/ready", timeout=2).ok
    except requests.RequestException:
        return False


def _until(condition: Any) -> None:
    """Raises TimeoutError."""
    give_up = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > give_up:
            raise TimeoutError("a server did not come up in time; the logs are in the storm's folder")
        time.sleep(0.05)
