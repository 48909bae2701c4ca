"""A database that dies, comes back, and steps down, in the middle of operations."""

from __future__ import annotations

import time

import pymongo

from sandbox.services import Mongod
from shared.domain.tenant import Status
from tests.path.conftest import Platform
from tests.path.test_whole_path import until
from tests.stand_ins import fault


def step_down(mongod: Mongod) -> None:
    address = f"mongodb://127.0.0.1:{mongod.port}/?directConnection=true"
    with pymongo.MongoClient[dict[str, object]](address) as client:
        client.admin.command("replSetStepDown", 1, force=True)
        until(lambda: not client.admin.command("hello")["isWritablePrimary"])
        until(lambda: client.admin.command("hello")["isWritablePrimary"], 30)


def test_a_database_that_is_killed_and_steps_down_in_the_middle_loses_and_doubles_nothing(
    on_own_database: Platform, own_mongod: Mongod
) -> None:
    platform = on_own_database
    for product in (platform.authentik, platform.stalwart, platform.ocis):
        fault(product, kind="latency", delay=0.15)
    workers = [platform.start_worker(), platform.start_sweep()]
    before = [f"acme{number}" for number in range(5)]
    for slug in before:
        platform.create(slug)
    time.sleep(0.3)
    own_mongod.kill()
    own_mongod.start()
    after = [f"globex{number}" for number in range(5)]
    for slug in after:
        platform.create(slug)
    time.sleep(0.3)
    step_down(own_mongod)
    for slug in (*before, *after):
        assert platform.settled(slug).tenant.status is Status.ACTIVE
        assert platform.has_one_of_each(slug)
    assert [process.poll() for process in workers] == [None, None], platform.logs()[-4000:]
