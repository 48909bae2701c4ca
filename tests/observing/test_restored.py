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
from shared.config.broker_url import BrokerAddress
from shared.config.settings import Settings
from shared.core.errors import StoreUnavailable
from shared.operations.dispatcher import Dispatcher
from shared.restore_guard.detector import DATABASE_IS_ANOTHER, DATABASE_IS_OLDER, REQUESTED_ON_START, RestoreDetector
from shared.rights.policy import Actor
from shared.tenants.model import NewTenant


class World:
    """One database and its high-water mark in Redis."""

    def __init__(self, store: Repositories, dispatcher: Dispatcher, settings: Settings, admin: Actor) -> None:
        self.store, self.dispatcher, self.settings, self.admin = store, dispatcher, settings, admin
        self.plane = open_services(store, dispatcher, settings)
        self.rows = store.connection.client[settings.mongodb_database]
        self.redis = redis.Redis.from_url(settings.redis_url.get_secret_value())

    def watch(self) -> RestoreDetector:
        return open_restore_detector(self.store, self.dispatcher.high_water_mark, self.settings)

    def look(self, times: int = 1) -> str | None:
        """Look as a process that has just started; why the platform only observes since, None when it does not."""
        for _ in range(times):
            self.watch().check()
            self.rows["epochs"].update_many({}, {"$unset": {"raisedAt": ""}})
        pause = self.plane.observe_only.state(self.admin).pause
        return pause.reason if pause else None

    def backup(self) -> list[dict[str, Any]]:
        return list(self.rows["epochs"].find())

    def restore(self, rows: list[dict[str, Any]]) -> None:
        """The database as it was then: the number, and no word of observing."""
        self.rows["switches"].delete_many({})
        self.rows["epochs"].delete_many({})
        if rows:
            self.rows["epochs"].insert_many(rows)
        self.store.switches._cached = None

    def grow(self) -> None:
        for slug in ("acme", "beta"):
            self.plane.tenants.create(NewTenant(slug, slug.title(), "starter"), self.admin)


@pytest.fixture
def world(store: Repositories, dispatcher: Dispatcher, settings: Settings, admin: Actor) -> World:
    return World(store, dispatcher, settings, admin)


def test_a_database_without_a_restore_is_never_suspected(world: World) -> None:
    world.grow()
    assert world.look(8) is None
    (row,) = world.backup()
    assert row["number"] > 3


def test_a_restored_older_copy_is_detected_at_the_next_check_with_an_event(world: World) -> None:
    world.look(3)
    backup = world.backup()
    world.look(3)
    world.restore(backup)
    assert world.look() == DATABASE_IS_OLDER
    event = world.rows["events"].find_one({"action": "observe_only.begun"})
    assert event is not None
    assert (event["actor"], event["after"]) == (None, {"reason": DATABASE_IS_OLDER})


def test_observe_only_mode_stays_through_further_checks_with_one_event(world: World) -> None:
    world.look(3)
    backup = world.backup()
    world.look(3)
    world.restore(backup)
    assert world.look(5) == DATABASE_IS_OLDER
    assert world.rows["events"].count_documents({"action": "observe_only.begun"}) == 1
    assert world.backup()[0]["number"] == backup[0]["number"]


def test_an_operator_ends_it_for_good_and_a_further_restore_is_detected_again(world: World) -> None:
    world.look(3)
    backup = world.backup()
    world.look(3)
    world.restore(backup)
    world.look()
    world.plane.observe_only.end(world.admin)
    assert world.look(5) is None
    world.restore(backup)
    assert world.look() == DATABASE_IS_OLDER


def test_another_database_in_its_place_is_detected(world: World) -> None:
    world.look(3)
    world.restore([{"_id": "epoch", "line": "another", "number": 999}])
    assert world.look() == DATABASE_IS_ANOTHER
    world.plane.observe_only.end(world.admin)
    assert world.look(4) is None


def test_a_backup_without_event_numbers_is_detected_by_its_tenants(world: World) -> None:
    world.grow()
    world.look(3)
    world.restore([])
    assert world.look() == DATABASE_IS_ANOTHER
    assert world.look(3) == DATABASE_IS_ANOTHER


def test_a_new_and_empty_database_is_not_suspected(world: World) -> None:
    world.look(3)
    world.restore([])
    assert world.look(4) is None


def test_an_emptied_redis_raises_no_alarm_and_stores_a_new_high_water_mark(world: World) -> None:
    world.look(3)
    world.redis.flushall()
    assert world.look(2) is None
    backup = world.backup()
    world.look(2)
    world.restore(backup)
    assert world.look() == DATABASE_IS_OLDER


def test_without_redis_nothing_is_detected_and_nothing_fails(world: World) -> None:
    world.look(3)
    backup = world.backup()
    away = Dispatcher(BrokerAddress.of("redis://127.0.0.1:9/0"))
    world.restore(backup)
    open_restore_detector(world.store, away.high_water_mark, world.settings).check()
    assert world.plane.observe_only.state(world.admin).pause is None
    # ended while Redis is away, it is remembered once that is back
    world.plane.observe_only.begin("by hand", world.admin)
    world.plane.observe_only.end(world.admin)
    open_restore_detector(world.store, away.high_water_mark, world.settings).check()
    assert world.backup()[0]["forgiven"] is True
    assert world.look(3) is None
    assert world.backup()[0]["forgiven"] is False


def test_many_processes_that_check_at_once_suspect_nothing(world: World) -> None:
    def look(_: int) -> None:
        for _ in range(10):
            world.watch().check()
            world.rows["epochs"].update_many({}, {"$unset": {"raisedAt": ""}})

    for _ in range(3):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(look, range(8)))
        assert world.plane.observe_only.state(world.admin).pause is None
        world.plane.observe_only.begin("by hand", world.admin)
        world.plane.observe_only.end(world.admin)


def test_without_a_database_a_check_fails_and_the_next_one_asks_again(
    world: World, make_settings: Callable[..., Settings]
) -> None:
    away = open_repositories(make_settings(mongodb_uri=f"mongodb://127.0.0.1:{free_port()}/"), timeout=0.5)
    watch = open_restore_detector(away, world.dispatcher.high_water_mark, world.settings)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            watch.check()
    away.close()


def test_the_setting_starts_observe_only_mode_once_per_process(
    world: World, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(observe_only_on_start=True)
    watch = open_restore_detector(world.store, world.dispatcher.high_water_mark, settings)
    watch.check()
    pause = world.plane.observe_only.state(world.admin).pause
    assert pause is not None
    assert pause.reason == REQUESTED_ON_START
    world.plane.observe_only.end(world.admin)
    watch.check()
    assert world.plane.observe_only.state(world.admin).pause is None
