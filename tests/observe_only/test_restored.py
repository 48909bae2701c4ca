"""A restored older database is detected, and an unchanged one never, whatever Redis still knows."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from sandbox.processes import free_port
from shared.application.parts import open_restore_detector
from shared.application.services import open_services
from shared.application.store import Repositories, open_repositories
from shared.config.addresses import BrokerAddress
from shared.config.settings import Settings
from shared.core.errors import StoreUnavailable
from shared.operations.dispatcher import Dispatcher
from shared.restore_guard.detector import DATABASE_IS_ANOTHER, DATABASE_IS_OLDER, REQUESTED_ON_START, RestoreDetector
from shared.rights.policy import Actor
from shared.tenants.model import NewTenant


class RestoreFixture:
    """One database and its high-water mark in Redis."""

    def __init__(self, store: Repositories, dispatcher: Dispatcher, settings: Settings, admin: Actor) -> None:
        self.store, self.dispatcher, self.settings, self.admin = store, dispatcher, settings, admin
        self.services = open_services(store, dispatcher, settings)
        self.rows = store.connection.client[settings.mongodb_database]
        self.redis = redis.Redis.from_url(settings.redis_url.get_secret_value())

    def detector(self) -> RestoreDetector:
        return open_restore_detector(self.store, self.dispatcher.high_water_mark, self.settings)

    def check(self, times: int = 1) -> str | None:
        """Check as a process that has just started; return the reason of observe-only mode, or None."""
        for _ in range(times):
            self.detector().check()
            self.rows["epochs"].update_many({}, {"$unset": {"raisedAt": ""}})
        pause = self.services.observe_only.state(self.admin).pause
        return pause.reason if pause else None

    def backup(self) -> list[dict[str, Any]]:
        return list(self.rows["epochs"].find())

    def restore(self, rows: list[dict[str, Any]]) -> None:
        """Restore the database: the number as it was, and no observe-only mode."""
        self.rows["switches"].delete_many({})
        self.rows["epochs"].delete_many({})
        if rows:
            self.rows["epochs"].insert_many(rows)
        self.store.switches._cached = None

    def create_tenants(self) -> None:
        for slug in ("acme", "beta"):
            self.services.tenants.create(NewTenant(slug, slug.title(), "starter"), self.admin)


@pytest.fixture
def restores(store: Repositories, dispatcher: Dispatcher, settings: Settings, admin: Actor) -> RestoreFixture:
    return RestoreFixture(store, dispatcher, settings, admin)


def test_a_database_without_a_restore_is_never_suspected(restores: RestoreFixture) -> None:
    restores.create_tenants()
    assert restores.check(8) is None
    (row,) = restores.backup()
    assert row["number"] > 3


def test_a_restored_older_copy_is_detected_at_the_next_check_with_an_event(restores: RestoreFixture) -> None:
    restores.check(3)
    backup = restores.backup()
    restores.check(3)
    restores.restore(backup)
    assert restores.check() == DATABASE_IS_OLDER
    event = restores.rows["events"].find_one({"action": "observe_only.begun"})
    assert event is not None
    assert (event["actor"], event["after"]) == (None, {"reason": DATABASE_IS_OLDER})


def test_observe_only_mode_stays_through_further_checks_with_one_event(restores: RestoreFixture) -> None:
    restores.check(3)
    backup = restores.backup()
    restores.check(3)
    restores.restore(backup)
    assert restores.check(5) == DATABASE_IS_OLDER
    assert restores.rows["events"].count_documents({"action": "observe_only.begun"}) == 1
    assert restores.backup()[0]["number"] == backup[0]["number"]


def test_after_an_operator_ends_the_mode_only_a_further_restore_begins_it_again(restores: RestoreFixture) -> None:
    restores.check(3)
    backup = restores.backup()
    restores.check(3)
    restores.restore(backup)
    restores.check()
    restores.services.observe_only.end(restores.admin)
    assert restores.check(5) is None
    restores.restore(backup)
    assert restores.check() == DATABASE_IS_OLDER


def test_another_database_in_its_place_is_detected(restores: RestoreFixture) -> None:
    restores.check(3)
    restores.restore([{"_id": "epoch", "line": "another", "number": 999}])
    assert restores.check() == DATABASE_IS_ANOTHER
    restores.services.observe_only.end(restores.admin)
    assert restores.check(4) is None


def test_a_backup_without_event_numbers_is_detected_by_its_tenants(restores: RestoreFixture) -> None:
    restores.create_tenants()
    restores.check(3)
    restores.restore([])
    assert restores.check() == DATABASE_IS_ANOTHER
    assert restores.check(3) == DATABASE_IS_ANOTHER


def test_a_new_and_empty_database_is_not_suspected(restores: RestoreFixture) -> None:
    restores.check(3)
    restores.restore([])
    assert restores.check(4) is None


def test_an_emptied_redis_raises_no_alarm_and_stores_a_new_high_water_mark(restores: RestoreFixture) -> None:
    restores.check(3)
    restores.redis.flushall()
    assert restores.check(2) is None
    backup = restores.backup()
    restores.check(2)
    restores.restore(backup)
    assert restores.check() == DATABASE_IS_OLDER


def test_without_redis_nothing_is_detected_and_nothing_fails(restores: RestoreFixture) -> None:
    restores.check(3)
    backup = restores.backup()
    away = Dispatcher(BrokerAddress.of("redis://127.0.0.1:9/0"))
    restores.restore(backup)
    open_restore_detector(restores.store, away.high_water_mark, restores.settings).check()
    assert restores.services.observe_only.state(restores.admin).pause is None
    # an end without Redis is recorded once Redis is back
    restores.services.observe_only.begin("by hand", restores.admin)
    restores.services.observe_only.end(restores.admin)
    open_restore_detector(restores.store, away.high_water_mark, restores.settings).check()
    assert restores.backup()[0]["forgiven"] is True
    assert restores.check(3) is None
    assert restores.backup()[0]["forgiven"] is False


def test_many_processes_that_check_at_once_suspect_nothing(restores: RestoreFixture) -> None:
    def check(_: int) -> None:
        for _ in range(10):
            restores.detector().check()
            restores.rows["epochs"].update_many({}, {"$unset": {"raisedAt": ""}})

    for _ in range(3):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(check, range(8)))
        assert restores.services.observe_only.state(restores.admin).pause is None
        restores.services.observe_only.begin("by hand", restores.admin)
        restores.services.observe_only.end(restores.admin)


def test_without_a_database_a_check_fails_and_the_next_one_asks_again(
    restores: RestoreFixture, make_settings: Callable[..., Settings]
) -> None:
    away = open_repositories(make_settings(mongodb_uri=f"mongodb://127.0.0.1:{free_port()}/"), timeout=0.5)
    detector = open_restore_detector(away, restores.dispatcher.high_water_mark, restores.settings)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            detector.check()
    away.close()


def test_the_setting_starts_observe_only_mode_once_per_process(
    restores: RestoreFixture, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(observe_only_on_start=True)
    detector = open_restore_detector(restores.store, restores.dispatcher.high_water_mark, settings)
    detector.check()
    pause = restores.services.observe_only.state(restores.admin).pause
    assert pause is not None
    assert pause.reason == REQUESTED_ON_START
    restores.services.observe_only.end(restores.admin)
    detector.check()
    assert restores.services.observe_only.state(restores.admin).pause is None
