"""Migrations: applied once and in order, by one process at a time, and again after one died."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from pymongo.database import Database

from shared.application.store import Repositories
from shared.db.documents import Document
from shared.db.migrations import KeepLock, Migration, Migrator


def counting(number: int) -> Migration:
    def apply(database: Database[Document], _: KeepLock) -> None:
        database["counted"].update_one({"_id": number}, {"$inc": {"times": 1}}, upsert=True)

    return Migration(number, f"count {number}", apply)


@pytest.fixture
def database(store: Repositories) -> Database[Document]:
    found: Database[Document] = store.connection.database
    return found


def times(database: Database[Document]) -> dict[int, int]:
    return {row["_id"]: row["times"] for row in database["counted"].find()}


def test_missing_migrations_are_applied_in_order_and_once(database: Database[Document]) -> None:
    migrations = [counting(1001), counting(1002)]
    assert Migrator(database, migrations[:1]).run() == [1001]
    assert Migrator(database, migrations).run() == [1002]
    assert Migrator(database, migrations).run() == []
    assert times(database) == {1001: 1, 1002: 1}


def test_processes_that_start_at_once_apply_each_migration_once(database: Database[Document]) -> None:
    migrations = [counting(1001), counting(1002)]
    with ThreadPoolExecutor(8) as pool:
        done = [
            number
            for numbers in pool.map(lambda _: Migrator(database, migrations).run(), range(8))
            for number in numbers
        ]
    assert sorted(done) == [1001, 1002]
    assert times(database) == {1001: 1, 1002: 1}


def test_a_migration_that_failed_is_tried_again_at_the_next_start(database: Database[Document]) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    broken = Migration(1001, "broken", fail)
    with pytest.raises(ZeroDivisionError):
        Migrator(database, [broken]).run()
    assert Migrator(database, [counting(1001)]).run() == [1001]


def test_the_lock_of_a_process_that_died_ends_and_its_late_work_is_not_counted(database: Database[Document]) -> None:
    rows = database["migrations"]

    def dies(database: Database[Document], keep_lock: KeepLock) -> None:
        # as if this process had hung so long that its lock ended and another took it
        rows.update_one({"_id": "lock"}, {"$set": {"token": "another"}})
        keep_lock()

    assert Migrator(database, [Migration(1001, "hangs", dies)]).run() == []
    assert Migrator(database, [counting(1001)]).run() == []
    rows.update_one({"_id": "lock"}, [{"$set": {"until": "$$NOW"}}])
    assert Migrator(database, [counting(1001)]).run() == [1001]


def test_migrations_of_a_newer_build_are_ignored(database: Database[Document]) -> None:
    Migrator(database, [counting(1001), counting(1002)]).run()
    older = Migrator(database, [counting(1001)])
    assert older.run() == []
    assert older.applied() == [1001, 1002]


def test_a_number_that_is_used_twice_stops_the_start(database: Database[Document]) -> None:
    with pytest.raises(ValueError, match="rising"):
        Migrator(database, [counting(1001), counting(1001)])
