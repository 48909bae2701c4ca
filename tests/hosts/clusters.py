"""Start clusters on loopback: MongoDB as a replica set of three, Valkey with a replica and three Sentinels."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pymongo
import redis
from pymongo.errors import PyMongoError

from sandbox.processes import end, free_port, spawn
from sandbox.services import LOOPBACK, ONCE, READY_SECONDS, ServiceError, Valkey, mongod_command, valkey_binary

MEMBERS = 3
#: milliseconds after which a server that does not answer is replaced
ELECTION_MS = 1000
MASTER = "dezky"


class ReplicaSet:
    """A replica set of three `mongod`, which replace a primary that does not answer for a second."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.addresses = [f"{LOOPBACK}:{free_port()}" for _ in range(MEMBERS)]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def uri(self) -> str:
        return f"mongodb://{','.join(self.addresses)}/?replicaSet=rs0"

    def start(self) -> None:
        """Start all three and wait until each has synchronised its data. Raises ServiceError."""
        for address in self.addresses:
            self.start_member(address)
        members = [{"_id": number, "host": address} for number, address in enumerate(self.addresses)]
        settings = {"electionTimeoutMillis": ELECTION_MS, "heartbeatIntervalMillis": 300}
        config = {"_id": "rs0", "version": 1, "members": members, "settings": settings}
        _wait(lambda: self._initiated(config), "The replica set could not be made.")
        _wait(self.is_whole, "The replica set was not whole in time.")

    def start_member(self, address: str) -> None:
        data = self._folder / f"member-{address.rpartition(':')[2]}"
        data.mkdir(parents=True, exist_ok=True)
        self.processes[address] = spawn(mongod_command(data, address), log=data.with_suffix(".log"))

    def primary(self) -> str:
        """Return the address of the primary. Raises ServiceError if none is elected in time."""
        found: list[str] = []

        def has_primary() -> bool:
            found.extend(one for one in self.addresses if _hello(one).get("isWritablePrimary"))
            return bool(found)

        _wait(has_primary, "The replica set has no primary.")
        return found[0]

    def kill(self, address: str) -> None:
        """Kill the primary."""
        self.processes[address].send_signal(signal.SIGKILL)
        self.processes[address].wait(10)

    def suspend(self, address: str) -> None:
        """Freeze the primary: it keeps its connections open and answers nothing."""
        self.processes[address].send_signal(signal.SIGSTOP)

    def resume(self, address: str) -> None:
        self.processes[address].send_signal(signal.SIGCONT)

    def step_down(self) -> None:
        """Let the primary step down for another member."""
        with _direct(self.primary()) as client:
            client.admin.command("replSetStepDown", 30, secondaryCatchUpPeriodSecs=10)

    def stop(self) -> None:
        """Kill all three at once, because each would wait for the others at a regular stop."""
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait(20)

    def _initiated(self, config: dict[str, Any]) -> bool:
        with _direct(self.addresses[0]) as client:
            try:
                client.admin.command("replSetInitiate", config)
            except PyMongoError:
                return False
        return True

    def is_whole(self) -> bool:
        """Return whether every member is the primary or follows one."""
        states = [_hello(address) for address in self.addresses]
        return all(one.get("isWritablePrimary") or one.get("secondary") for one in states) and any(
            one.get("isWritablePrimary") for one in states
        )


class WatchedValkey:
    """A master, its replica, and three Sentinels. `password` is the servers', `sentinel_password` the Sentinels'.

    A master that does not answer for a second is replaced.
    """

    def __init__(self, folder: Path, password: str, sentinel_password: str) -> None:
        self._folder = folder
        self._password = password
        self._sentinel_password = sentinel_password
        login = ("--requirepass", password, "--masterauth", password)
        self.master = Valkey(folder / "first", options=login)
        self.replica = Valkey(folder / "second", options=(*login, "--replicaof", LOOPBACK, str(self.master.port)))
        self.ports = [free_port() for _ in range(MEMBERS)]
        self._sentinels: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        first, *others = (f"{LOOPBACK}:{port}" for port in self.ports)
        return ";".join(
            [f"sentinel://:{quote(self._password, '')}@{first}/0", *(f"sentinel://{one}" for one in others)]
        )

    def start(self) -> None:
        """Start all five and wait until every Sentinel knows the others and the replica. Raises ServiceError."""
        self.master.start()
        self.replica.start()
        for port in self.ports:
            self._start_sentinel(port)
        _wait(lambda: all(self._knows_all(port) for port in self.ports), "The Sentinels did not find each other.")

    def stop(self) -> None:
        for process in self._sentinels:
            end(process)
        self.replica.stop()
        self.master.stop()

    def master_port(self) -> int:
        """Return the port of the master that the first Sentinel reports."""
        return int(self._sentinel(self.ports[0]).sentinel_get_master_addr_by_name(MASTER)[1])

    def promote_replica(self) -> bool:
        """Let the Sentinels promote the replica without a failure; return False when it cannot be promoted yet."""
        try:
            return bool(self._sentinel(self.ports[0]).sentinel_failover(MASTER))
        except redis.ResponseError:
            return False

    def _start_sentinel(self, port: int) -> None:
        config = self._folder / f"sentinel-{port}.conf"
        # a Sentinel needs a configuration file, into which it writes its state
        config.write_text(
            f"port {port}\nbind {LOOPBACK}\ndir {self._folder}\nrequirepass {self._sentinel_password}\n"
            f"sentinel monitor {MASTER} {LOOPBACK} {self.master.port} 2\n"
            f"sentinel auth-pass {MASTER} {self._password}\n"
            f"sentinel sentinel-pass {self._sentinel_password}\n"
            f"sentinel down-after-milliseconds {MASTER} {ELECTION_MS}\n"
            f"sentinel failover-timeout {MASTER} 5000\n"
        )
        command = [str(valkey_binary()), str(config), "--sentinel"]
        self._sentinels.append(spawn(command, log=config.with_suffix(".log")))

    def _knows_all(self, port: int) -> bool:
        try:
            row = self._sentinel(port).sentinel_master(MASTER)
        except redis.RedisError:
            return False
        return bool(row["num-other-sentinels"] == MEMBERS - 1 and row["num-slaves"] == 1 and row["flags"] == "master")

    def _sentinel(self, port: int) -> Any:
        return redis.Redis(
            LOOPBACK, port, password=self._sentinel_password, socket_timeout=1, decode_responses=True, retry=ONCE
        )


def _direct(address: str) -> pymongo.MongoClient[dict[str, Any]]:
    return pymongo.MongoClient(f"mongodb://{address}/?directConnection=true", serverSelectionTimeoutMS=500)


def _hello(address: str) -> dict[str, Any]:
    with _direct(address) as client:
        try:
            return client.admin.command("hello")
        except PyMongoError:
            return {}


def _wait(condition: Callable[[], bool], sentence: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise ServiceError(sentence)
        time.sleep(0.05)
