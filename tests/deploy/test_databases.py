"""The containers' scripts start MongoDB and Redis with required passwords, and stop on a signal."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure

from sandbox.processes import end, free_port, spawn
from sandbox.services import mongod_binary, valkey_binary
from tests.deploy.conftest import COMPOSE
from tests.waiting import until

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def secrets(prepared: Path) -> Path:
    return prepared / "secrets"


@pytest.fixture
def start(tmp_path: Path, secrets: Path) -> Iterator[Start]:
    """Start a program of the containers' images by its script, on data that stays between starts."""
    programs, data = tmp_path / "programs", tmp_path / "data"
    programs.mkdir()
    data.mkdir()
    (programs / "mongod").symlink_to(mongod_binary())
    (programs / "redis-server").symlink_to(valkey_binary())
    running: list[subprocess.Popen[bytes]] = []

    def run(*command: str) -> subprocess.Popen[bytes]:
        environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "SECRETS": str(secrets),
            "DATA": str(data),
            "TMPDIR": str(tmp_path),
        }
        running.append(spawn(list(command), env=environment, log=tmp_path / "log"))
        return running[-1]

    yield run
    for process in running:
        end(process)


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except (redis.AuthenticationError, redis.ConnectionError):
        return False


def test_redis_requires_its_password_refuses_writes_when_full_and_persists_at_a_stop(
    start: Start, secrets: Path
) -> None:
    port = free_port()
    command = ("sh", str(COMPOSE / "redis/start.sh"), "--port", str(port), "--bind", "127.0.0.1")
    server = start(*command)
    client = redis.Redis(port=port, password=(secrets / "redis_password").read_text())
    until(lambda: answers(client))
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=port).ping()
    settings = client.config_get("maxmemory*")
    assert settings["maxmemory-policy"] == "noeviction"
    assert 0 < int(settings["maxmemory"]) < 2**30, "less than the container's memory limit"
    client.set("message", "waits")

    server.terminate()
    assert server.wait(5) == 0, "the signal reaches the server itself"
    start(*command)
    until(lambda: answers(client))
    assert client.get("message") == b"waits"


@pytest.fixture
def health(secrets: Path) -> Callable[[int], bool]:
    mongosh = shutil.which("mongosh")
    if mongosh is None:
        pytest.skip("mongosh is not installed here; the image of MongoDB has it: npm install --global mongosh")

    def check(port: int) -> bool:
        address = f"127.0.0.1:{port}"
        environment = {**os.environ, "SECRETS": str(secrets), "MONGODB_MEMBER": address, "MONGODB_LOCAL": address}
        command = [mongosh, "--quiet", "--nodb", str(COMPOSE / "mongo/health.js")]
        return subprocess.run(command, env=environment, capture_output=True, timeout=60).returncode == 0

    return check


def mongo_client(port: int, secrets: Path | None = None) -> MongoClient[dict[str, object]]:
    sign_in = {} if secrets is None else {"username": "dezky", "password": (secrets / "mongodb_password").read_text()}
    return MongoClient(f"mongodb://127.0.0.1:{port}/?replicaSet=rs0&serverSelectionTimeoutMS=3000", **sign_in)


def test_with_a_key_file_mongodb_requires_a_password(start: Start, tmp_path: Path) -> None:
    port = free_port()
    server = start("sh", str(COMPOSE / "mongo/start.sh"), "--port", str(port))
    url = f"mongodb://127.0.0.1:{port}/?directConnection=true&serverSelectionTimeoutMS=20000"
    with MongoClient[dict[str, object]](url) as client, pytest.raises(OperationFailure, match="auth"):
        client["dezky"]["tenants"].find_one()
    assert (tmp_path / "keyfile").stat().st_mode & 0o777 == 0o400
    server.terminate()
    assert server.wait(20) == 0, "the signal reaches the server itself"


@pytest.mark.timeout(180)
def test_the_health_check_prepares_a_fresh_mongodb_once(
    start: Start, health: Callable[[int], bool], secrets: Path
) -> None:
    port = free_port()
    start("sh", str(COMPOSE / "mongo/start.sh"), "--port", str(port))
    until(lambda: health(port), 90)
    assert health(port), "it may run at any time"
    with mongo_client(port, secrets) as client:
        client["dezky"]["tenants"].insert_one({"slug": "acme"})
        with pytest.raises(OperationFailure, match="not authorized"):
            client["admin"]["system.users"].find_one()


@pytest.mark.timeout(180)
def test_data_of_a_mongodb_without_passwords_and_with_another_name_is_migrated(
    start: Start, health: Callable[[int], bool], secrets: Path, tmp_path: Path
) -> None:
    port = free_port()
    options = ("--dbpath", str(tmp_path / "data"), "--port", str(port), "--replSet", "rs0", "--nounixsocket")
    former = start("mongod", *options)
    with MongoClient[dict[str, object]](f"mongodb://127.0.0.1:{port}/?directConnection=true") as client:
        member = {"_id": 0, "host": f"localhost:{port}"}
        client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
        until(lambda: bool(client.admin.command("hello")["isWritablePrimary"]))
        client["dezky"]["tenants"].insert_one({"slug": "acme"})
    former.terminate()
    assert former.wait(20) == 0

    start("sh", str(COMPOSE / "mongo/start.sh"), "--port", str(port))
    until(lambda: health(port), 90)
    with mongo_client(port, secrets) as client:
        assert [one["slug"] for one in client["dezky"]["tenants"].find()] == ["acme"]
        assert client.address == ("127.0.0.1", port), "the member has the name that clients are given"
    with mongo_client(port) as stranger, pytest.raises((OperationFailure, ConnectionFailure)):
        stranger["dezky"]["tenants"].find_one()
