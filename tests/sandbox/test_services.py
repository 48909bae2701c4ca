"""Check that the embedded servers start, keep their data, and end with their starter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pymongo
import pytest
import redis

from sandbox.processes import free_port
from sandbox.services import Mongod, ServiceError, Valkey


def test_mongod_is_a_primary_with_transactions_and_keeps_its_port_and_data_over_a_kill(
    own_mongod: Mongod, tmp_path: Path
) -> None:
    with (
        pymongo.MongoClient[dict[str, object]](own_mongod.uri) as client,
        client.start_session() as session,
        session.start_transaction(),
    ):
        client["db"]["rows"].insert_one({"_id": 1}, session=session)
    own_mongod.kill()
    again = Mongod(tmp_path)
    again.start()
    assert again.port == own_mongod.port
    with pymongo.MongoClient[dict[str, object]](again.uri) as client:
        assert client["db"]["rows"].count_documents({}) == 1
    again.stop()


def test_mongod_finds_its_data_on_another_port(own_mongod: Mongod, tmp_path: Path) -> None:
    with pymongo.MongoClient[dict[str, object]](own_mongod.uri) as client:
        client["db"]["rows"].insert_one({"_id": 1})
    own_mongod.stop()
    moved = Mongod(tmp_path, free_port())
    moved.start()
    with pymongo.MongoClient[dict[str, object]](moved.uri) as client:
        assert client["db"]["rows"].count_documents({}) == 1
    moved.stop()


def test_valkey_answers_and_is_empty_after_a_restart(own_valkey: Valkey) -> None:
    redis.Redis(port=own_valkey.port).set("key", "value")
    own_valkey.kill()
    own_valkey.start()
    assert redis.Redis(port=own_valkey.port).get("key") is None


def test_a_server_ends_when_its_starter_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time, pathlib; from sandbox.services import Valkey; "
        "v = Valkey(pathlib.Path(sys.argv[1])); v.start(); print(v.process.pid, flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    os.kill(starter.pid, signal.SIGKILL)
    starter.wait(5)
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the server outlived its starter"
        time.sleep(0.05)


def test_a_port_in_use_is_named(own_valkey: Valkey, tmp_path: Path) -> None:
    second = Valkey(tmp_path / "second", own_valkey.port)
    with pytest.raises(ServiceError, match=str(own_valkey.port)):
        second.start()
