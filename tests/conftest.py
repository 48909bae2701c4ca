"""Servers for the whole run: one MongoDB, started by the controlling process, and one Valkey per worker."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pymongo
import pytest
import redis
import structlog
from xdist.remote import Producer
from xdist.scheduler import LoadGroupScheduling

from sandbox.services import Mongod, Valkey
from tests.database_contents import empty

# until all tests are collected: almost no object of that time is ever garbage
gc.disable()

pytest_plugins = [
    "tests.browser",
    "tests.database_commands",
    "tests.mongo_proxy",
    "tests.records",
    "tests.simulators",
    "tests.api.rights_fixture",
    "tests.platform_fixture",
]

# a busy machine makes examples slow, which proves nothing of the code
hypothesis.settings.register_profile("suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("suite")

#: the variable by which the controlling process gives its workers the shared server
SHARED = "DEZKY_TEST_MONGODB_URI"

#: Linux's file system in memory, and the size of a new database
MEMORY = Path("/dev/shm")  # noqa: S108 - the folder below it has a name of its own
MONGODB_BYTES = 320 * 1024**2

#: files and folders whose tests share what takes long to make; `xdist_group` marks do nothing under pytest 9.2
TOGETHER = (
    "tests/architecture/",
    "tests/console/",
    "tests/sandbox/test_cli.py",
    "tests/hosts/test_replica_set.py",
    "tests/hosts/test_sentinel.py",
)

#: files whose tests take longest; they start first, so that no worker is alone with one at the end
LONGEST = (
    "tests/api/description/test_fuzzed.py",
    "tests/chaos/test_attacks.py",
    "tests/chaos/test_chaos_run.py",
    "tests/docs/test_tutorial.py",
)

#: the server that `_shared_uri` started, which ends with the run
_started: list[tuple[Mongod, tempfile.TemporaryDirectory[str]]] = []


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Exempt modules and collected tests from garbage collection, each of which would visit a million objects."""
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_configure(config: pytest.Config) -> None:
    # structlog's own tracebacks show the variables of each frame, and take 10 ms each
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # a script's background job ignores Ctrl-C, and so would every process that a test starts and interrupts
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("numprocesses", None) and not config.option.collectonly:
        # before there are workers, which share it
        _shared_uri()


def _shared_uri() -> str:
    """Return the URI of the shared server, which is started unless there is one."""
    if SHARED not in os.environ and "MONGODB_URI" in os.environ:
        os.environ[SHARED] = os.environ["MONGODB_URI"]
    if SHARED in os.environ:
        return os.environ[SHARED]
    folder = _folder_for_data()
    mongod = Mongod(Path(folder.name))
    mongod.start()
    os.environ[SHARED] = mongod.uri
    _started.append((mongod, folder))
    return mongod.uri


def _folder_for_data() -> tempfile.TemporaryDirectory[str]:
    """Return a temporary folder, in memory where there is room: each write waits until the journal is on the disk."""
    has_capacity = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 4 * MONGODB_BYTES
    return tempfile.TemporaryDirectory(prefix="dezky-tests-", dir=MEMORY if has_capacity else None)


class Scheduling(LoadGroupScheduling):
    """Give all tests of such a file to one worker, and start with these files."""

    def _split_scope(self, nodeid: str) -> str:
        return next((shared for shared in TOGETHER if nodeid.startswith(shared)), nodeid)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mix the files: tests that wait for processes run beside tests that compute, during the whole run."""
    items.sort(key=lambda item: _place(item.nodeid.partition("::")[0]))


def _place(file: str) -> tuple[bool, int]:
    return file not in LONGEST, zlib.crc32(file.encode())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadGroupScheduling | None:
    return Scheduling(config, log) if config.getvalue("dist") == "loadgroup" else None


def pytest_unconfigure(config: pytest.Config) -> None:
    while _started:
        mongod, folder = _started.pop()
        mongod.stop()
        folder.cleanup()
        os.environ.pop(SHARED, None)


@pytest.fixture(scope="session")
def mongodb_uri() -> str:
    return _shared_uri()


@pytest.fixture(scope="session")
def cleaner(mongodb_uri: str) -> Iterator[pymongo.MongoClient[dict[str, object]]]:
    """A client with one connection that cleans up after tests; opening one takes longer than the cleaning."""
    with pymongo.MongoClient[dict[str, object]](mongodb_uri, maxPoolSize=1) as client:
        yield client


@pytest.fixture(scope="session")
def worker_database(cleaner: pymongo.MongoClient[dict[str, object]]) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield name
    cleaner.drop_database(name)


@pytest.fixture
def database_name(worker_database: str, cleaner: pymongo.MongoClient[dict[str, object]]) -> Iterator[str]:
    """Return an empty database."""
    yield worker_database
    empty(cleaner[worker_database])


@pytest.fixture(scope="session")
def worker_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if "REDIS_URL" in os.environ:
        yield os.environ["REDIS_URL"]
        return
    valkey = Valkey(tmp_path_factory.mktemp("valkey"))
    valkey.start()
    yield valkey.url
    valkey.stop()


@pytest.fixture(scope="session")
def valkey_cleaner(worker_valkey: str) -> Iterator[redis.Redis]:
    """Yield a client that empties the broker before tests; opening one takes longer than that."""
    with redis.Redis.from_url(worker_valkey) as client:
        yield client


@pytest.fixture
def redis_url(worker_valkey: str, valkey_cleaner: redis.Redis) -> str:
    """Return the URL of an empty broker."""
    valkey_cleaner.flushall()
    return worker_valkey


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A broker that the test may kill."""
    valkey = Valkey(tmp_path)
    valkey.start()
    yield valkey
    valkey.stop()


@pytest.fixture
def own_mongod(tmp_path: Path) -> Iterator[Mongod]:
    """A database server that the test may kill."""
    mongod = Mongod(tmp_path)
    mongod.start()
    yield mongod
    mongod.stop()
