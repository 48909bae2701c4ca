"""The servers that all systems of a measurement share: MongoDB, Valkey, and the three products' simulators."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import requests

from sandbox.environment import client_slug, settings_environment
from sandbox.layout import OFFSETS, Layout
from sandbox.parts import oauth_clients
from sandbox.processes import end, is_free, spawn
from sandbox.services import Mongod, Valkey
from sandbox.tokens import password_of

WAIT_SECONDS = 600.0
#: how long Stalwart takes to create a domain's keys, in seconds: hardly any time, to measure the other costs
QUICK_KEYS = 0.01
#: and so long that a read right after the creation of the domain never finds them, as with a real server
SLOW_KEYS = 0.1


class Servers:
    """The running servers. `environment`: the variables of every process of a system."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.layout = Layout(_free_base(), folder)
        self.layout.make_folders()
        self._simulators: dict[str, subprocess.Popen[bytes]] = {}
        self._mongod = Mongod(folder, self.layout.port("mongodb"))
        self._valkey = Valkey(folder, self.layout.port("valkey"))
        self._keys_take = QUICK_KEYS
        self.environment: dict[str, str] = {}
        self.token = ""

    def start(self) -> None:
        for service in (self._mongod, self._valkey):
            service.start()
        for product in ("authentik", "stalwart", "ocis"):
            self._start_product(product)
        environment = settings_environment(self.layout, self._mongod.uri, self._valkey.url)
        # as many threads as the baselines have, and rate limits that are counted and never reached
        environment |= {"REQUEST_THREADS": "16", "CALLER_REQUESTS_PER_MINUTE": str(10**9)}
        environment |= {"LOG_LEVEL": "WARNING", "OCIS_USERNAME": "provisioner"}
        # Authentik keeps the groups of the systems measured before, which a scan would record as orphans
        environment |= {"ORPHAN_SCAN_HOURS": "0"}
        # OCIS by HTTP Basic, and no billing: the baselines have none
        unused = ("OCIS_TOKEN_URL", "OCIS_CLIENT_ID")
        environment = {
            name: value for name, value in environment.items() if name not in unused and not name.startswith("STRIPE_")
        }
        self.environment = environment
        self.token = self._operators_token()

    def stop(self) -> None:
        for process in self._simulators.values():
            end(process)
        self._valkey.stop()
        self._mongod.stop()

    def refresh(self, latency_ms: int, keys_take: float = QUICK_KEYS) -> None:
        """Start the products anew: lists that grow would cost each system more than the one before it."""
        self._keys_take = keys_take
        for product in ("stalwart", "ocis"):
            end(self._simulators.pop(product))
            self._start_product(product)
        for product in ("authentik", "stalwart", "ocis"):
            faults = f"{self.layout.url(product)}/__sim/faults"
            requests.delete(faults, timeout=5)
            if latency_ms:
                # steps do not read the key sets of the identity provider
                rule = {"kind": "latency", "delay": latency_ms / 1000, "path": "^/(api|jmap|graph)"}
                requests.post(faults, json=rule, timeout=5).raise_for_status()

    def _start_product(self, product: str) -> None:
        secret = self.layout.secrets()
        clients = json.dumps(oauth_clients(self.layout))
        rows: dict[str, tuple[list[str], dict[str, str]]] = {
            "authentik": (
                [],
                {"AUTHENTIK_SIMULATOR_TOKEN": secret["authentik_api_token"], "AUTHENTIK_SIMULATOR_CLIENTS": clients},
            ),
            "stalwart": (["--dkim-delay", str(self._keys_take)], {"STALWART_SIMULATOR_KEY": secret["stalwart_token"]}),
            "ocis": (
                ["--issuer", "https://unused.invalid/"],
                {"OCIS_SIMULATOR_USERS": f"provisioner:{secret['ocis_password']}:Admin"},
            ),
        }
        options, extra = rows[product]
        port = self.layout.port(product)
        command = [sys.executable, "-m", f"sandbox.simulators.{product}", "--port", str(port), *options]
        self._simulators[product] = spawn(command, env={**os.environ, **extra}, log=self.layout.log(product))
        wait_until(lambda: not is_free(port))

    def _operators_token(self) -> str:
        url = self.layout.url("authentik")
        person = {"username": "admin", "app_password": "bench", "groups": ["dezky-platform-admins"]}
        person |= {"email": "admin@people.test", "name": "Admin", "password": password_of("admin")}
        requests.post(f"{url}/__sim/call/ensure_person", json=person, timeout=5).raise_for_status()
        form = {
            "grant_type": "client_credentials",
            "client_id": client_slug("operator"),
            "username": "admin",
            "password": "bench",
            "scope": "openid profile email",
        }
        return str(requests.post(f"{url}/application/o/token/", data=form, timeout=5).json()["access_token"])


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """Run all servers until the block ends."""
    made = Servers(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def _free_base() -> int:
    for base in range(7_000, 14_000, 97):
        if all(is_free(base + offset) for offset in OFFSETS.values()):
            return base
    raise click.ClickException("No seven free ports in a row.")


def wait_until(condition: Callable[[], bool], pause: float = 0.05) -> None:
    """Check a condition every `pause` seconds. Raises TimeoutError when it does not become true in time."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the measurement did not come to its end in time")
        time.sleep(pause)
