"""Required indexes: complete, replaced where others are in the way, and never dropped where they may be a rule."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
from pymongo import IndexModel
from pymongo.database import Database

import shared
from shared.application.indexes import REQUIRED_INDEXES
from shared.application.readiness import ReadinessService
from shared.application.services import Services
from shared.application.store import Repositories
from shared.db.documents import Document
from shared.db.indexes import IndexConflict, make_indexes

PLAN = IndexModel([("plan", 1), ("_id", -1)], name="plan")
SLUG = IndexModel([("slug", 1)], name="slug", unique=True)


@pytest.fixture
def database(store: Repositories) -> Database[Document]:
    return store.connection.database


def test_every_index_that_a_repository_declares_is_required() -> None:
    required = {id(index) for indexes in REQUIRED_INDEXES.values() for index in indexes}
    for module in pkgutil.walk_packages(shared.__path__, "shared."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if name.endswith("INDEXES") and isinstance(value, list):
                assert {id(index) for index in value} <= required, f"{module.name}.{name}"


@pytest.mark.parametrize(
    "existing",
    [
        {"keys": [("plan", 1), ("_id", -1)]},
        {"keys": [("plan", 1)], "name": "plan"},
        {"keys": [("plan", 1), ("_id", -1)], "name": "plan", "sparse": True},
    ],
    ids=["another name", "other keys", "other options"],
)
def test_an_index_in_the_way_that_only_serves_queries_is_replaced(
    database: Database[Document], existing: Document
) -> None:
    rows = database["tenants"]
    rows.drop_index("plan")
    rows.create_index(**existing)
    make_indexes(rows, [SLUG, PLAN])
    made = {name: one for name, one in rows.index_information().items() if one["key"][0][0] == "plan"}
    assert made == {"plan": {"v": 2, "key": [("plan", 1), ("_id", -1)]}}


def test_a_unique_index_in_the_way_stays_and_the_error_says_how_to_drop_it(database: Database[Document]) -> None:
    rows = database["tenants"]
    rows.drop_index("slug")
    rows.create_index("slug", name="theirs", unique=True)
    with pytest.raises(IndexConflict, match=r'db\.tenants\.dropIndex\("theirs"\)'):
        make_indexes(rows, [PLAN, SLUG])
    rows.drop_index("theirs")
    make_indexes(rows, [PLAN, SLUG])
    assert rows.index_information()["slug"]["unique"]


def test_a_copy_of_one_of_two_required_indexes_with_the_same_keys_leaves_the_other_alone(
    database: Database[Document],
) -> None:
    rows = database["operations"]
    before = rows.index_information()
    copy = {name: before["leased"][name] for name in ("partialFilterExpression",) if name in before["leased"]}
    rows.drop_index("leased")
    rows.create_index(before["leased"]["key"], name="copy_of_leased", **copy)
    make_indexes(rows, REQUIRED_INDEXES["operations"])
    assert rows.index_information() == before


def test_an_operators_own_partial_index_with_the_same_keys_stays(database: Database[Document]) -> None:
    rows = database["tenants"]
    rows.create_index([("plan", 1), ("_id", -1)], name="theirs", partialFilterExpression={"plan": "starter"})
    rows.drop_index("search")
    rows.create_index([("search", 1)], name="search")
    make_indexes(rows, REQUIRED_INDEXES["tenants"])
    assert {"theirs", "plan"} <= set(rows.index_information())
    rows.drop_index("theirs")


def test_the_start_waits_for_migrations_whose_process_died(services: Services, database: Database[Document]) -> None:
    readiness: ReadinessService = services.readiness
    assert readiness.prepare()
    migrations = database["migrations"]
    migrations.delete_many({})
    lock = [{"$set": {"token": "of a process that was killed", "until": {"$add": ["$$NOW", 60_000]}}}]
    migrations.update_one({"_id": "lock"}, lock, upsert=True)
    assert not readiness.prepare()
    migrations.update_one({"_id": "lock"}, [{"$set": {"until": "$$NOW"}}])
    assert readiness.prepare()
