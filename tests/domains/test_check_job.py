"""The domain check job: each domain is checked once by several schedulers; hanging resolvers delay no other job."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shared.domains.model import DomainCheck
from tests.domains.conftest import DomainFixture
from tests.forked_processes import start_forked
from tests.simulators import fault
from tests.waiting import until
from worker.composition import open_scheduler_loop


def many(fixture: DomainFixture, count: int) -> list[str]:
    names = [f"acme{number}.test" for number in range(count)]
    fixture.create("acme", *names)
    for name in names:
        fixture.make_due(name)
    return names


def challenges(fixture: DomainFixture) -> list[str]:
    return sorted(entry["path"].split()[0] for entry in fixture.dns.journal)


def test_several_schedulers_at_once_check_each_domain_once(fixture: DomainFixture) -> None:
    names = many(fixture, 12)
    schedulers = [fixture.job() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda job: job.run_once(), schedulers))
    for job in schedulers:
        job.run_once()
        job.close()
    assert challenges(fixture) == sorted(f"_dezky-challenge.{name}" for name in names)


def test_no_more_domains_are_claimed_than_threads_are_free(fixture: DomainFixture) -> None:
    many(fixture, 5)
    fault(fixture.dns, kind="timeout")
    job = fixture.job(slots=2)
    for _ in range(3):
        job.run_once()
    assert fixture.rows.count_documents({"leaseToken": {"$ne": None}}) == 2
    job.close()


def test_a_requested_check_comes_before_a_periodic_one(fixture: DomainFixture) -> None:
    many(fixture, 3)
    fixture.services.domains.request_check("acme", "acme2.test", fixture.admin)
    (claim,) = fixture.monitor().claim(1)
    assert claim.name == "acme2.test"


def test_a_domain_in_a_state_that_only_a_newer_release_knows_is_left_to_it(fixture: DomainFixture) -> None:
    first, second = many(fixture, 2)
    fixture.rows.update_one({"domain": first}, {"$set": {"state": "on_hold"}})
    assert [claim.name for claim in fixture.monitor().claim(5)] == [second]


def test_a_hanging_resolver_delays_no_other_job_of_the_scheduler(make_fixture: Callable[..., DomainFixture]) -> None:
    fixture = make_fixture(call_seconds=6.0)
    many(fixture, 3)
    fault(fixture.dns, kind="timeout")
    operation = fixture.store.operations.find_open(fixture.tenant().id)
    assert operation is not None
    job = fixture.job(slots=3)
    scheduler = open_scheduler_loop(fixture.store, fixture.dispatcher, {"domain_checks": job.run_once})
    assert scheduler.run_once() == 0
    assert fixture.rows.count_documents({"leaseToken": {"$ne": None}}) == 3
    # the operation becomes due and is published again while every check still waits for an answer
    operations = fixture.store.connection.client[fixture.settings.mongodb_database]["operations"]
    due = {"$map": {"input": "$steps", "as": "step", "in": {"$mergeObjects": ["$$step", {"lookAt": "$$NOW"}]}}}
    operations.update_one({}, [{"$set": {"dueAt": "$$NOW", "steps": due}}])
    assert scheduler.run_once() == 1
    assert fixture.rows.count_documents({"leaseToken": {"$ne": None}}) == 3
    job.close()
    assert [row["faults"] for row in fixture.rows.find()] == [1, 1, 1]


def test_a_domain_whose_scheduler_was_killed_during_the_check_is_checked_by_the_next(
    make_fixture: Callable[..., DomainFixture], tmp_path: Path
) -> None:
    fixture = make_fixture(lease_seconds=3, attempt_seconds=2.5)
    fixture.create()
    fixture.publish_proof()
    fixture.make_due("acme.test")
    fault(fixture.dns, kind="latency", delay=30, count=1)
    environment = os.environ | {
        "MONGODB_URI": fixture.settings.mongodb_uri.get_secret_value(),
        "MONGODB_DATABASE": fixture.settings.mongodb_database,
        "REDIS_URL": fixture.settings.redis_url.get_secret_value(),
        "STAMP_KEYS": ",".join(fixture.settings.stamp_key_texts),
        "DNS_SERVERS": fixture.dns.address,
        "DOMAIN_PROOF": "required",
        "LEASE_SECONDS": "3",
        "ATTEMPT_SECONDS": "2.5",
        "SCHEDULER_INTERVAL_SECONDS": "0.2",
    }
    process = start_forked("worker.scheduler", log=tmp_path / "scheduler.log", env=environment)
    try:
        until(lambda: fixture.dns.journal)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(5)
    assert fixture.domain().checked_at is None
    assert fixture.store.domain_checks.claim(60) is None
    job = fixture.job()
    until(lambda: job.run_once() or fixture.domain().checked_at)
    job.close()
    assert fixture.domain().ownership.is_proven


def test_a_check_whose_lease_ran_out_is_discarded(make_fixture: Callable[..., DomainFixture]) -> None:
    fixture = make_fixture(lease_seconds=0.05, attempt_seconds=0.04)
    fixture.create()
    fixture.make_due("acme.test")
    (slow,) = fixture.monitor().claim(1)
    time.sleep(0.1)
    (second,) = fixture.monitor().claim(1)
    assert fixture.monitor().record(second, DomainCheck(True)) is not None
    assert fixture.monitor().record(slow, DomainCheck(False)) is None
    assert fixture.domain().ownership.is_proven
    assert fixture.actions() == ["domain.verified"]


def test_without_a_key_for_proofs_no_domain_is_checked(make_fixture: Callable[..., DomainFixture]) -> None:
    fixture = make_fixture()
    fixture.create()
    fixture.make_due("acme.test")
    keyless = make_fixture(domain_proof="off", stamp_keys="")
    assert list(keyless.monitor().claim(5)) == []
