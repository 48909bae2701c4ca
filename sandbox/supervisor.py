"""Start all parts in order, restart those that end, and stop them all at the end."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

import requests

from sandbox import state
from sandbox.environment import (
    OCIS_ACCOUNT,
    Parts,
    settings_environment,
)
from sandbox.layout import OFFSETS, PRODUCT_OF, Layout
from sandbox.parts import Part, platform, simulators
from sandbox.processes import end, is_free, spawn
from sandbox.services import Mongod, Valkey

READY_SECONDS = 60.0
Say = Callable[[str], None]


class StartError(Exception):
    """The sandbox cannot start; the message has the cause and a remedy."""


class Supervisor:
    """One sandbox. `say` receives progress messages."""

    def __init__(self, layout: Layout, say: Say) -> None:
        self._layout = layout
        self._say = say
        self._parts = Parts.needed(os.environ)
        self._services: dict[str, Mongod | Valkey] = {}
        self._running: list[Part] = []
        self._stop = threading.Event()

    def run(self, when_ready: Callable[[state.State], None]) -> None:
        """Start all, call `when_ready`, and run until SIGINT, SIGTERM or SIGHUP. Raises StartError, ServiceError."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_stop_signal)
        self._layout.make_folders()
        self._require_ports()
        try:
            self._start()
            if not self._stop.is_set():
                self._write_state()
                when_ready(self._describe())
            while not self._stop.wait(0.5):
                self._watch()
        finally:
            self._end()

    def stop(self) -> None:
        self._stop.set()

    # -- starting

    def _require_ports(self) -> None:
        wanted = [part for part in OFFSETS if getattr(self._parts, PRODUCT_OF.get(part, part), True)]
        for part in wanted:
            port = self._layout.port(part)
            if not is_free(port):
                raise StartError(
                    f"Port {port}, wanted for {part}, is taken. Choose other ports with --port-base (or PORT_BASE), "
                    f"now {self._layout.base}; the sandbox takes the {len(OFFSETS)} ports after it."
                )

    def _start(self) -> None:
        secret = self._layout.secrets()
        products = [part for part in simulators(self._layout) if getattr(self._parts, part.name)]
        for part in products:
            self._spawn(part)
        mongodb_uri, redis_url = self._start_services()
        for part in products:
            self._wait(part)
        if self._stop.is_set():
            return
        self._make_accounts(secret)
        self._environment = settings_environment(self._layout, mongodb_uri, redis_url)
        processes = platform(self._layout, self._environment)
        for part in processes:
            self._spawn(part)
        for part in processes:
            self._wait(part)

    def _start_services(self) -> tuple[str, str]:
        folder = self._layout.folder
        uris = {"mongodb": os.environ.get("MONGODB_URI", ""), "valkey": os.environ.get("REDIS_URL", "")}
        if self._parts.mongodb:
            mongod = Mongod(folder, self._layout.port("mongodb"), self._layout.log("mongodb"))
            self._services["mongodb"], uris["mongodb"] = mongod, mongod.uri
        if self._parts.valkey:
            valkey = Valkey(folder, self._layout.port("valkey"), durable=True, log=self._layout.log("valkey"))
            self._services["valkey"], uris["valkey"] = valkey, valkey.url
        for name, service in self._services.items():
            began = time.monotonic()
            service.start()
            self._say(f"{name} is ready on port {service.port} ({time.monotonic() - began:.1f} s)")
        return uris["mongodb"], uris["valkey"]

    def _make_accounts(self, secret: dict[str, str]) -> None:
        """Create the account of the platform in OCIS.

        It is an administrator in OCIS, so that it can create and invite a tenant's group before its first member
        signs in.
        """
        if not self._parts.authentik:
            return
        person = {
            "username": OCIS_ACCOUNT,
            "app_password": secret["ocis_password"],
            "name": "File service provisioner",
            "entitlements": ["ocisAdmin"],
        }
        control = f"{self._layout.url('authentik')}/__sim/call/ensure_person"
        requests.post(control, json=person, timeout=5).raise_for_status()

    def _spawn(self, part: Part) -> None:
        self._layout.log(part.name).touch()
        part.process = spawn(part.command, log=self._layout.log(part.name), env=part.environment)
        part.started_at = time.monotonic()
        if part not in self._running:
            self._running.append(part)

    def _wait(self, part: Part) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self._stop.is_set():
            if part.process is None or part.process.poll() is not None:
                raise StartError(f"{part.name} ended at its start:\n{_tail(self._layout, part.name)}")
            if part.is_ready():
                self._say(f"{part.name} is ready ({time.monotonic() - part.started_at:.1f} s)")
                return
            if time.monotonic() > deadline:
                raise StartError(f"{part.name} was not ready after {READY_SECONDS:.0f} s; see {self._layout.logs}")
            time.sleep(0.05)

    # -- watching and ending

    def _watch(self) -> None:
        for name, service in self._services.items():
            if service.process is not None and service.process.poll() is not None:
                self._say(f"{name} ended; starting it again")
                service.start()
                self._write_state()
        for part in self._running:
            if part.process is not None and part.process.poll() is not None:
                self._bring_back(part)

    def _bring_back(self, part: Part) -> None:
        part.deaths = part.deaths + 1 if time.monotonic() - part.started_at < 30 else 1
        pause = min(10.0, 0.2 * 2**part.deaths)
        self._say(f"{part.name} ended; starting it again in {pause:.1f} s")
        if not self._stop.wait(pause):
            self._spawn(part)
            self._write_state()

    def _end(self) -> None:
        self._layout.state_file.unlink(missing_ok=True)
        for part in reversed(self._running):
            if part.process is not None and part.process.poll() is None:
                part.process.terminate()
        for part in reversed(self._running):
            if part.process is not None:
                end(part.process)
        for service in self._services.values():
            service.stop()
        self._say("everything is down")

    def _on_stop_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop.set()

    def _describe(self) -> state.State:
        pids = {part.name: part.process.pid for part in self._running if part.process}
        pids |= {name: service.process.pid for name, service in self._services.items() if service.process}
        return state.describe(self._layout, self._environment, pids, os.getpid())

    def _write_state(self) -> None:
        state.write(self._layout, self._describe())


def _tail(layout: Layout, name: str) -> str:
    return "\n".join(layout.log(name).read_text(errors="replace").splitlines()[-15:])
