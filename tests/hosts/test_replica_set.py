"""MongoDB as a replica set of three: its primary dies, fails over and is missing while tenants are created."""

from __future__ import annotations

from collections.abc import Callable

from pymongo import IndexModel

from shared.db.indexes import make_indexes
from tests.api.conftest import Client, Issuer
from tests.end_to_end.conftest import Platform
from tests.hosts.clusters import ReplicaSet
from tests.hosts.conftest import SignUps, every_tenant_is_whole, readiness, tokens_of
from tests.waiting import until


def test_indexes_are_created_while_a_member_is_down(
    replica_set: ReplicaSet, make_platform: Callable[..., Platform], redis_url: str
) -> None:
    until(replica_set.is_whole)
    platform = make_platform(redis_url, MONGODB_URI=replica_set.uri)
    rows = platform.store.connection.client["dezky"]["rows"]
    # the primary alone creates the index of an empty collection
    rows.insert_one({"name": "one"})
    gone = next(one for one in replica_set.addresses if one != replica_set.primary())
    replica_set.kill(gone)
    make_indexes(rows, [IndexModel("name", name="by_name")])
    assert "by_name" in rows.index_information()
    replica_set.start_member(gone)
    until(replica_set.is_whole)


def test_primary_failovers_lose_and_double_nothing_and_without_a_primary_the_api_answers_503(
    replica_set: ReplicaSet,
    make_platform: Callable[..., Platform],
    redis_url: str,
    issuer: Issuer,
    operator: Callable[[str], Client],
) -> None:
    # attempts so short that a lease outlasts the election of the next primary
    times = {"LEASE_SECONDS": "12", "ATTEMPT_SECONDS": "2", "CALL_SECONDS": "1"}
    platform = make_platform(redis_url, MONGODB_URI=replica_set.uri, **tokens_of(issuer), **times)
    url = platform.start_api()
    worker = platform.start_worker()
    scheduler = platform.start_scheduler()
    platform.until_ready(url)
    client = operator(url)
    with SignUps(client) as sign_ups:
        sign_ups.wait_for(4)
        dead = replica_set.primary()
        replica_set.kill(dead)
        sign_ups.wait_for(4)
        assert replica_set.primary() != dead
        replica_set.step_down()
        sign_ups.wait_for(4)
    every_tenant_is_whole(platform, sign_ups.accepted)
    expected = {201, "store_unavailable", "idempotency_key_in_progress", "already_done", "unanswered"}
    assert set(sign_ups.answers) <= expected, platform.logs()
    assert all(process.poll() is None for process in (worker, scheduler)), platform.logs()[-4000:]

    # one is dead already: the last one cannot be primary
    primary = replica_set.primary()
    replica_set.suspend(primary)
    answer = client("POST", "/tenants", json={"slug": "later", "name": "Later"})
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert readiness(url) == (503, {"mongodb": "down", "broker": "up"})
    replica_set.resume(primary)
    platform.until_ready(url)
    # a returning member may lose an election first: then 503 is answered once more, and a repeat is safe
    later = {"json": {"slug": "later", "name": "Later"}, "headers": {"Idempotency-Key": "later"}}

    def is_accepted() -> bool:
        answer = client("POST", "/tenants", **later)
        return answer.ok or answer.json()["code"] == "already_done"

    until(is_accepted)
    assert platform.settled("later").tenant.slug == "later"
    replica_set.start_member(dead)
