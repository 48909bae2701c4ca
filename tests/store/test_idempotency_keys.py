"""Idempotency keys and transactions: of all requests with one key, the changes of one are committed."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from pymongo.collection import Collection

from shared.application.services import Services
from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.core.errors import KeyInProgress, KeyReused
from shared.db.documents import Transaction
from shared.db.idempotency_keys import Effect, IdempotencyClaim, StoredResponse
from shared.rights.policy import Actor

EFFECT = Effect("purges.allow")


@pytest.fixture
def rows(store: Repositories, settings: Settings) -> Collection[dict[str, Any]]:
    return store.connection.client[settings.mongodb_database]["idempotency"]


def claimed(store: Repositories) -> IdempotencyClaim:
    claim = store.idempotency.begin("key", "fingerprint")
    assert isinstance(claim, IdempotencyClaim)
    return claim


def end_lease(rows: Collection[dict[str, Any]]) -> None:
    rows.update_one({}, [{"$set": {"leaseUntil": "$$NOW"}}])


def allow_one(services: Services, admin: Actor, claim: IdempotencyClaim) -> None:
    services.purge_quota.allow(1, replace(admin, claim=claim))


def test_a_request_whose_key_was_taken_over_changes_nothing_any_more(
    store: Repositories, services: Services, admin: Actor, rows: Collection[dict[str, Any]]
) -> None:
    frozen = claimed(store)
    end_lease(rows)
    repeated = claimed(store)
    with pytest.raises(KeyInProgress):
        allow_one(services, admin, frozen)
    allow_one(services, admin, repeated)
    assert services.purge_quota.state(admin).extra == 1
    assert [one.action for one in services.events.newest(admin, None, None, 9).items].count("purges.allow") == 1


def test_a_repeated_request_neither_waits_for_nor_overtakes_a_transaction_of_the_first(
    store: Repositories, rows: Collection[dict[str, Any]]
) -> None:
    claim = claimed(store)

    def work(session: Transaction) -> None:
        store.idempotency.record_effect(claim, EFFECT, session)
        started = time.monotonic()
        with pytest.raises(KeyInProgress):
            store.idempotency.begin("key", "fingerprint")
        assert time.monotonic() - started < 1

    store.connection.transaction(work)
    end_lease(rows)
    assert store.idempotency.begin("key", "fingerprint") == EFFECT


def test_a_key_is_not_taken_over_while_the_first_request_commits(
    store: Repositories, rows: Collection[dict[str, Any]]
) -> None:
    claim = claimed(store)
    end_lease(rows)
    with ThreadPoolExecutor(1) as pool:

        def work(session: Transaction) -> Any:
            store.idempotency.record_effect(claim, EFFECT, session)
            repeated = pool.submit(store.idempotency.begin, "key", "fingerprint")
            time.sleep(0.3)
            assert not repeated.done()
            return repeated

        with pytest.raises(KeyInProgress):
            store.connection.transaction(work).result(10)
    assert store.idempotency.begin("key", "fingerprint") == EFFECT


def test_one_of_ten_repeated_requests_takes_a_dead_ones_key_over(
    store: Repositories, rows: Collection[dict[str, Any]]
) -> None:
    claimed(store)
    end_lease(rows)

    def begin(_: int) -> bool:
        try:
            return isinstance(store.idempotency.begin("key", "fingerprint"), IdempotencyClaim)
        except KeyInProgress:
            return False

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(begin, range(10))) == 1


def test_a_released_key_is_free_unless_its_request_took_effect(
    store: Repositories, services: Services, admin: Actor, rows: Collection[dict[str, Any]]
) -> None:
    store.idempotency.release(claimed(store))
    assert rows.find_one({}) is None
    claim = claimed(store)
    allow_one(services, admin, claim)
    store.idempotency.release(claim)
    assert store.idempotency.begin("key", "fingerprint") == EFFECT
    with pytest.raises(KeyReused):
        store.idempotency.begin("key", "other")
    # the first request may still end: then its response is known after all
    store.idempotency.keep(claim, StoredResponse(200, {}, b"{}"))
    assert store.idempotency.begin("key", "fingerprint") == StoredResponse(200, {}, b"{}")


def test_an_expired_key_is_new_whatever_its_request_did(
    store: Repositories, services: Services, admin: Actor, rows: Collection[dict[str, Any]]
) -> None:
    allow_one(services, admin, claimed(store))
    rows.update_one({}, [{"$set": {"expiresAt": "$$NOW"}}])
    claim = store.idempotency.begin("key", "other")
    assert isinstance(claim, IdempotencyClaim)
    allow_one(services, admin, claim)
    assert services.purge_quota.state(admin).extra == 2
