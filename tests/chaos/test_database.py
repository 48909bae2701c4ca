"""Check a database that is killed, restarted, and steps down in the middle of operations."""

from __future__ import annotations

from collections.abc import Sequence

import pymongo

from sandbox.services import Mongod
from shared.operations.model import StepStatus
from shared.tenants.model import Status
from tests.end_to_end.conftest import Platform
from tests.end_to_end.test_whole_path import STEPS
from tests.end_to_end.test_worker_faults import clear, step_of
from tests.simulators import fault
from tests.waiting import until


def step_down(mongod: Mongod) -> None:
    address = f"mongodb://127.0.0.1:{mongod.port}/?directConnection=true"
    with pymongo.MongoClient[dict[str, object]](address) as client:
        client.admin.command("replSetStepDown", 1, force=True)
        until(lambda: not client.admin.command("hello")["isWritablePrimary"])
        until(lambda: client.admin.command("hello")["isWritablePrimary"], 30)


def create_and_be_in_the_middle(platform: Platform, slugs: Sequence[str]) -> None:
    """Create tenants; some steps have ended, and each product works on one for a while."""
    products = (platform.authentik, platform.stalwart, platform.ocis)
    for product in products:
        clear(product)
        fault(product, kind="latency", delay=1.0, after=1, count=2)
        fault(product, kind="latency", delay=0.1, count=40)
    for slug in slugs:
        platform.create(slug)
    until(lambda: all(product.faults.list()[-2]["injected"] for product in products))
    under_way = [step_of(platform, slug, name)[0] for slug in slugs for name in STEPS]
    assert under_way.count(StepStatus.RUNNING) >= len(STEPS)


def test_a_database_that_is_killed_and_steps_down_in_the_middle_loses_and_doubles_nothing(
    on_own_database: Platform, own_mongod: Mongod
) -> None:
    platform = on_own_database
    workers = [platform.start_worker(), platform.start_scheduler()]
    before = [f"acme{number}" for number in range(5)]
    create_and_be_in_the_middle(platform, before)
    own_mongod.kill()
    own_mongod.start()
    after = [f"globex{number}" for number in range(5)]
    create_and_be_in_the_middle(platform, after)
    step_down(own_mongod)
    for slug in (*before, *after):
        assert platform.settled(slug).tenant.status is Status.ACTIVE
        assert platform.has_one_of_each(slug)
    assert [process.poll() for process in workers] == [None, None], platform.logs()[-4000:]
