"""The scheduler publishes lost steps again and skips running ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pymongo
import pytest
import redis
from bson import ObjectId
from prometheus_client import REGISTRY
from pymongo.client_session import ClientSession

from shared.application.services import Services, open_services
from shared.application.store import Repositories
from shared.config.addresses import BrokerAddress
from shared.config.settings import Settings
from shared.core.errors import StoreUnavailable
from shared.db.documents import Transaction
from shared.integrations.outcomes import ok
from shared.operations.dispatcher import Dispatcher
from shared.operations.model import OperationStatus
from shared.rights.policy import Actor
from shared.tenants.model import NewTenant, Status
from worker.composition import open_scheduler_loop

FAILURES = "dezky_scheduler_job_failures_total"
STEPS = ("authentik", "stalwart", "ocis")


class Unplugged(Dispatcher):
    """A dispatcher whose process died before it could send anything."""

    def publish(self, operation: object) -> bool:
        return False


@pytest.fixture
def quick(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(dispatch_grace_seconds=0.05)


@pytest.fixture
def quick_store(quick: Settings, make_store: Callable[[Settings], Repositories]) -> Repositories:
    return make_store(quick)


@pytest.fixture
def lost(quick: Settings, quick_store: Repositories, admin: Actor) -> str:
    """Record an operation that is never published; return its id."""
    services = open_services(quick_store, Unplugged(quick.broker), quick)
    operation = services.tenants.create(NewTenant("acme", "Acme", "starter"), admin).operation
    assert operation is not None
    time.sleep(0.1)
    return operation.id


def create_another(store: Repositories, settings: Settings, admin: Actor) -> str:
    """Record an operation of a second tenant that is due at once; return its id."""
    services = open_services(store, Unplugged(settings.broker), settings)
    operation = services.tenants.create(NewTenant("globex", "Globex", "starter"), admin).operation
    assert operation is not None
    time.sleep(0.1)
    return operation.id


def queued(url: str) -> int:
    client = redis.Redis.from_url(url)
    return sum(int(client.llen(name)) for name in STEPS)


def test_a_recorded_operation_that_was_never_published_is_published(
    lost: str, quick_store: Repositories, dispatcher: Dispatcher, redis_url: str
) -> None:
    assert open_scheduler_loop(quick_store, dispatcher).run_once() == 1
    assert queued(redis_url) == 3


def test_restore_detection_runs_before_anything_is_published(
    lost: str, quick_store: Repositories, dispatcher: Dispatcher, redis_url: str
) -> None:
    seen: list[int] = []

    def detect() -> int:
        seen.append(queued(redis_url))
        return 0

    open_scheduler_loop(quick_store, dispatcher, before={"restore_detection": detect}).run_once()
    assert (seen, queued(redis_url)) == ([0], 3)


def fail() -> int:
    raise ZeroDivisionError


def test_a_job_with_a_bug_is_counted_and_the_others_run(
    lost: str, quick_store: Repositories, dispatcher: Dispatcher, redis_url: str
) -> None:
    ran: list[str] = []

    def succeed() -> int:
        ran.append("retention")
        return 0

    jobs = {"broken": fail, "retention": succeed}
    before = REGISTRY.get_sample_value(FAILURES, {"scheduler_job": "broken"}) or 0
    open_scheduler_loop(quick_store, dispatcher, jobs).run_once()
    assert (queued(redis_url), ran) == (3, ["retention"])
    assert REGISTRY.get_sample_value(FAILURES, {"scheduler_job": "broken"}) == before + 1


def test_nothing_is_published_while_restore_detection_has_a_bug(
    lost: str, quick_store: Repositories, dispatcher: Dispatcher, redis_url: str
) -> None:
    loop = open_scheduler_loop(quick_store, dispatcher, before={"restore_detection": fail})
    assert (loop.run_once(), queued(redis_url)) == (0, 0)


def test_several_concurrent_schedulers_publish_a_step_once(
    lost: str, store: Repositories, dispatcher: Dispatcher
) -> None:
    # the store with the usual grace: with the quick one the operation is due again while the last scheduler starts
    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(lambda _: open_scheduler_loop(store, dispatcher).run_once(), range(6))) == 1


def test_a_step_published_a_moment_ago_is_not_published_again(
    services: Services, admin: Actor, store: Repositories, dispatcher: Dispatcher
) -> None:
    services.tenants.create(NewTenant("acme", "Acme", "starter"), admin)
    assert open_scheduler_loop(store, dispatcher).run_once() == 0


def test_without_a_broker_due_times_do_not_change(lost: str, quick_store: Repositories, quick: Settings) -> None:
    assert open_scheduler_loop(quick_store, Dispatcher(BrokerAddress.of("redis://127.0.0.1:9/0"))).run_once() == 0
    assert list(quick_store.operations.due(10)) == [lost]


def test_an_operation_closed_by_a_worker_that_died_before_settling_it_is_settled(
    lost: str, quick_store: Repositories, dispatcher: Dispatcher, services: Services, admin: Actor
) -> None:
    for step in STEPS:
        claim = quick_store.operations.claim(lost, step, 1, 60)
        assert claim is not None
        quick_store.operations.record(claim, ok())
    assert services.tenants.get("acme", admin).tenant.status is Status.PENDING
    time.sleep(0.1)
    assert open_scheduler_loop(quick_store, dispatcher).run_once() == 1
    assert services.tenants.get("acme", admin).tenant.status is Status.ACTIVE


def test_an_operation_past_its_deadline_ends_with_a_reason_on_its_tenant(
    make_settings: Callable[..., Settings], store: Repositories, admin: Actor, dispatcher: Dispatcher
) -> None:
    settings = make_settings(operation_deadline_seconds=0.05)
    services = open_services(store, dispatcher, settings)
    view = services.tenants.create(NewTenant("acme", "Acme", "starter"), admin)
    time.sleep(0.1)
    assert open_scheduler_loop(store, dispatcher).run_once() == 1
    tenant = services.tenants.get("acme", admin)
    assert tenant.operation is not None
    assert tenant.operation.status is OperationStatus.FAILED
    assert set(tenant.tenant.provisioning_errors) == set(STEPS)
    assert view.tenant.status is Status.PENDING


@pytest.fixture
def left_open(store: Repositories, settings: Settings) -> Iterator[Callable[[str], None]]:
    """Change an operation in a transaction that stays open, as a process that dies within it."""
    client = pymongo.MongoClient[dict[str, object]](settings.mongodb_uri.get_secret_value())
    sessions: list[ClientSession] = []

    def leave(operation_id: str) -> None:
        sessions.append(client.start_session())
        sessions[-1].start_transaction()
        rows = client[settings.mongodb_database]["operations"]
        rows.update_one({"_id": ObjectId(operation_id)}, {"$set": {"touched": True}}, session=sessions[-1])

    yield leave
    for session in sessions:
        session.end_session()
    client.close()


def test_a_document_locked_by_a_dead_process_delays_no_other_tenant(
    quick_store: Repositories, dispatcher: Dispatcher, quick: Settings, admin: Actor, left_open: Callable[[str], None]
) -> None:
    services = open_services(quick_store, Unplugged(quick.broker), quick)
    views = [services.tenants.create(NewTenant(slug, slug, "starter"), admin) for slug in ("acme", "globex", "initech")]
    locked_open, locked_closed, free = [view.operation.id for view in views if view.operation]
    for step in STEPS:
        claim = quick_store.operations.claim(locked_closed, step, 1, 60)
        assert claim is not None
        quick_store.operations.record(claim, ok())
    left_open(locked_open)
    left_open(locked_closed)
    time.sleep(0.1)
    assert open_scheduler_loop(quick_store, dispatcher).run_once() == 1
    operations = [quick_store.operations.find(one) for one in (locked_open, locked_closed, free)]
    assert [(one.dispatch, one.settled) for one in operations if one] == [(1, False), (1, False), (2, False)]


def test_a_change_of_a_document_locked_by_a_dead_process_gives_up_in_time(
    lost: str, quick_store: Repositories, left_open: Callable[[str], None]
) -> None:
    left_open(lost)
    # the maximum time of any call; the server itself releases the lock after a minute
    with pytest.raises(StoreUnavailable):
        quick_store.connection.transaction(lambda session: quick_store.operations.cancel(lost, session))


def test_a_change_that_gave_up_leaves_no_lock(
    lost: str, quick_store: Repositories, settings: Settings, left_open: Callable[[str], None], admin: Actor
) -> None:
    other = create_another(quick_store, settings, admin)
    left_open(lost)

    def work(session: Transaction) -> None:
        quick_store.operations.cancel(other, session)
        quick_store.operations.cancel(lost, session)

    with pytest.raises(StoreUnavailable):
        quick_store.connection.transaction(work, 0.5)
    with quick_store.connection.within(2):
        assert quick_store.operations.begin_dispatch([other])
