"""Run a database, a broker, the products' simulators and the platform's processes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymongo
import redis
import requests

from sandbox.processes import end, free_port, is_free, spawn
from sandbox.services import Mongod, Valkey
from tools.chaos.faults.products import PRODUCTS
from tools.chaos.load.members import application_of
from tools.chaos.plan import Size
from tools.chaos.platform.processes import Processes, Start
from tools.chaos.platform.settings import Secrets, plain_environment, platform_environment

START_SECONDS = 90.0
OPERATOR, ADMINS = "operator", "dezky-platform-admins"
APP_PASSWORD = "chaos"  # noqa: S105
#: the OAuth client of members
PORTAL = "dezky-portal"
#: where members are sent after they signed in; nothing listens there
CALLBACK = "http://127.0.0.1:9/callback"


class Environment:
    """All processes of a run. Start, use and stop them in one thread: the processes end with that thread."""

    def __init__(self, size: Size, folder: Path, slugs: Sequence[str], start: Start = spawn) -> None:
        """`slugs`: tenants that may be created; each has an application for its members.

        `start`: starts the platform's processes.
        """
        self.folder = folder
        self._slugs = slugs
        self._keys = Secrets()
        self.mongod = Mongod(folder)
        self.valkey = Valkey(folder)
        self._simulators: dict[str, subprocess.Popen[bytes]] = {}
        self.products = {product: f"http://127.0.0.1:{free_port()}" for product in PRODUCTS}
        self.smtp = ("127.0.0.1", free_port())
        smtp_url = f"smtp://{self.smtp[0]}:{self.smtp[1]}"
        urls = {"mongodb": self.mongod.uri, "redis": self.valkey.url, "smtp": smtp_url, **self.products}
        self.processes = Processes(size, platform_environment(urls, self._keys, deadline(size)), folder, start)
        self.database: pymongo.database.Database[dict[str, Any]] = pymongo.MongoClient[dict[str, Any]](
            self.mongod.uri, tz_aware=True, timeoutMS=15_000
        )["dezky"]
        self.broker = redis.Redis.from_url(self.valkey.url, socket_timeout=2)

    @property
    def api_urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.processes.ports]

    def issuer(self, client: str) -> str:
        return f"{self.products['authentik']}/application/o/{client}/"

    def start(self) -> None:
        """Start all servers and processes. Raises TimeoutError, ServiceError."""
        for product in PRODUCTS:
            self._start_simulator(product)
        self.mongod.start()
        self.valkey.start()
        for url in self.products.values():
            _until(lambda url=url: not is_free(int(url.rpartition(":")[2])))
        for slug in self._slugs:
            self.control("authentik", "bind_group", application=application_of(slug), group=ADMINS)
        self.processes.start()
        for url in self.api_urls:
            _until(lambda url=url: _is_ready(url))

    def stop(self) -> None:
        self.processes.stop()
        for process in self._simulators.values():
            end(process)
        self.broker.close()
        self.database.client.close()
        self.valkey.stop()
        self.mongod.stop()

    def begin_fault(self, product: str, rule: dict[str, Any]) -> None:
        """Add a rule to a simulator's faults."""
        requests.post(f"{self.products[product]}/__sim/faults", json=rule, timeout=10).raise_for_status()

    def end_faults(self, product: str) -> list[dict[str, Any]]:
        """Remove all rules from a simulator; return them; `injected` counts the uses of each."""
        url = f"{self.products[product]}/__sim/faults"
        rules: list[dict[str, Any]] = requests.get(url, timeout=10).json()
        requests.delete(url, timeout=10).raise_for_status()
        return rules

    def control(self, product: str, name: str, **arguments: Any) -> Any:
        """Call the simulator's control interface. Raises requests.HTTPError when the simulator refuses."""
        response = requests.post(f"{self.products[product]}/__sim/call/{name}", json=arguments, timeout=10)
        response.raise_for_status()
        return response.json()

    def state(self, product: str) -> dict[str, Any]:
        """Return a product's whole state."""
        found: dict[str, Any] = requests.get(f"{self.products[product]}/__sim/state", timeout=30).json()
        return found

    def take_requests(self, product: str) -> list[dict[str, Any]]:
        """Return the requests that a product received since the last call."""
        taken: list[dict[str, Any]] = requests.delete(f"{self.products[product]}/__sim/journal", timeout=30).json()
        return taken

    def token(self) -> str:
        """Return an access token of a platform administrator, valid for an hour."""
        url = self.products["authentik"]
        self.control("authentik", "ensure_person", username=OPERATOR, app_password=APP_PASSWORD, groups=[ADMINS])
        form = {
            "grant_type": "client_credentials",
            "client_id": "dezky-operator",
            "username": OPERATOR,
            "password": APP_PASSWORD,
            "scope": "openid profile email",
        }
        token = str(requests.post(f"{url}/application/o/token/", data=form, timeout=10).json()["access_token"])
        # the first request of a user creates their record
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
                    "AUTHENTIK_SIMULATOR_CLIENTS": json.dumps(_clients(self._slugs)),
                },
            ),
            "stalwart": (
                ["--dkim-delay", "0.05", "--smtp-port", str(self.smtp[1])],
                {"STALWART_SIMULATOR_KEY": self._keys.stalwart},
            ),
            "ocis": (
                ["--issuer", self.issuer(PORTAL)],
                {"OCIS_SIMULATOR_USERS": f"provisioner:{self._keys.ocis}:Admin"},
            ),
        }
        options, extra = rows[product]
        command = [sys.executable, "-m", f"sandbox.simulators.{product}", "--port", port, *options]
        log = self.folder / f"{product}.log"
        self._simulators[product] = spawn(command, env=plain_environment() | extra, log=log)


@contextmanager
def running_environment(size: Size, folder: Path, slugs: Sequence[str], start: Start = spawn) -> Iterator[Environment]:
    """Run all of it until the block ends."""
    made = Environment(size, folder, slugs, start)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def _clients(slugs: Sequence[str]) -> list[dict[str, Any]]:
    """Return the OAuth clients: of operators, of members, and one application for each tenant."""
    callback = {"redirect_uris": [{"url": CALLBACK}], "client_secret": "chaos"}
    names = (PORTAL, *map(application_of, slugs))
    members = [{"slug": name, "client_id": name, **callback} for name in names]
    return [{"slug": "dezky-operator", "client_id": "dezky-operator", "client_secret": "chaos"}, *members]


def deadline(size: Size) -> float:
    """Return the deadline of an operation in seconds, which is longer than the run: no fault may end an operation."""
    return min(7000.0, size.seconds + 60)


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/health/ready", timeout=2).ok
    except requests.RequestException:
        return False


def _until(condition: Any) -> None:
    """Wait until the condition is true. Raises TimeoutError."""
    give_up = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > give_up:
            raise TimeoutError("a server did not come up in time; the logs are in the run's folder")
        time.sleep(0.05)
