"""The domain check job: each domain is checked once by several schedulers; hanging resolvers delay no other job."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shared.domains.model import DomainCheck
from tests.domains.conftest import World
from tests.forked_processes import start_forked
from tests.simulators import fault
from worker.composition import open_scheduler_loop


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it did not come true in time"
        time.sleep(0.02)


def many(world: World, count: int) -> list[str]:
    names = [f"acme{number}.test" for number in range(count)]
    world.create("acme", *names)
    for name in names:
        world.make_due(name)
    return names


def challenges(world: World) -> list[str]:
    return sorted(entry["path"].split()[0] for entry in world.dns.journal)


def test_several_schedulers_at_once_check_each_domain_once(world: World) -> None:
    names = many(world, 12)
    schedulers = [world.looks() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda looks: looks.run_once(), schedulers))
    for looks in schedulers:
        looks.run_once()
        looks.close()
    assert challenges(world) == sorted(f"_dezky-challenge.{name}" for name in names)


def test_no_more_domains_are_claimed_than_threads_are_free(world: World) -> None:
    many(world, 5)
    fault(world.dns, kind="timeout")
    looks = world.looks(slots=2)
    for _ in range(3):
        looks.run_once()
    assert world.rows.count_documents({"leaseToken": {"$ne": None}}) == 2
    looks.close()


def test_a_requested_check_comes_before_a_periodic_one(world: World) -> None:
    many(world, 3)
    world.plane.domains.request_check("acme", "acme2.test", world.admin)
    (errand,) = world.watch().claim(1)
    assert errand.name == "acme2.test"


def test_a_hanging_resolver_delays_no_other_job_of_the_scheduler(make_world: Callable[..., World]) -> None:
    world = make_world(call_seconds=6.0)
    many(world, 3)
    fault(world.dns, kind="timeout")
    operation = world.store.operations.find_open(world.tenant().id)
    assert operation is not None
    looks = world.looks(slots=3)
    scheduler = open_scheduler_loop(world.store, world.dispatcher, {"domain_checks": looks.run_once})
    assert scheduler.run_once() == 0
    assert world.rows.count_documents({"leaseToken": {"$ne": None}}) == 3
    # meanwhile the operation falls due, and is sent again though every look still waits for an answer
    operations = world.store.connection.client[world.settings.mongodb_database]["operations"]
    due = {"$map": {"input": "$steps", "as": "step", "in": {"$mergeObjects": ["$$step", {"lookAt": "$$NOW"}]}}}
    operations.update_one({}, [{"$set": {"dueAt": "$$NOW", "steps": due}}])
    assert scheduler.run_once() == 1
    assert world.rows.count_documents({"leaseToken": {"$ne": None}}) == 3
    looks.close()
    assert [row["faults"] for row in world.rows.find()] == [1, 1, 1]


def test_a_domain_whose_scheduler_was_killed_during_the_check_is_checked_by_the_next(
    make_world: Callable[..., World], tmp_path: Path
) -> None:
    world = make_world(lease_seconds=3, attempt_seconds=2.5)
    world.create()
    world.publish_proof()
    world.make_due("acme.test")
    fault(world.dns, kind="latency", delay=30, count=1)
    environment = os.environ | {
        "MONGODB_URI": world.settings.mongodb_uri.get_secret_value(),
        "MONGODB_DATABASE": world.settings.mongodb_database,
        "REDIS_URL": world.settings.redis_url.get_secret_value(),
        "STAMP_KEYS": ",".join(world.settings.stamp_key_texts),
        "DNS_SERVERS": world.dns.address,
        "DOMAIN_PROOF": "required",
        "LEASE_SECONDS": "3",
        "ATTEMPT_SECONDS": "2.5",
        "SCHEDULER_INTERVAL_SECONDS": "0.2",
    }
    process = start_forked("worker.scheduler", log=tmp_path / "scheduler.log", env=environment)
    try:
        until(lambda: world.dns.journal)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(5)
    assert world.domain().checked_at is None
    assert world.store.domain_checks.claim(60) is None
    looks = world.looks()
    until(lambda: looks.run_once() or world.domain().checked_at)
    looks.close()
    assert world.domain().ownership.is_proven


def test_a_check_whose_lease_ran_out_is_discarded(make_world: Callable[..., World]) -> None:
    world = make_world(lease_seconds=0.05, attempt_seconds=0.04)
    world.create()
    world.make_due("acme.test")
    (slow,) = world.watch().claim(1)
    time.sleep(0.1)
    (second,) = world.watch().claim(1)
    assert world.watch().record(second, DomainCheck(True)) is not None
    assert world.watch().record(slow, DomainCheck(False)) is None
    assert world.domain().ownership.is_proven
    assert world.actions() == ["domain.verified"]


def test_without_a_key_for_proofs_no_domain_is_checked(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.create()
    world.make_due("acme.test")
    keyless = make_world(domain_proof="off", stamp_keys="")
    assert list(keyless.watch().claim(5)) == []
