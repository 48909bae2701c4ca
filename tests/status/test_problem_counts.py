"""Problems are counted from an index, by sets, within the caller's scope."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from pymongo.database import Database

from shared.application.services import Services
from shared.application.store import Repositories, open_repositories
from shared.config.settings import Settings
from shared.operations.dispatcher import Dispatcher
from shared.operations.problems import COUNTED
from shared.rights.policy import Actor
from shared.status.problem_counts import FEW_SETS, count_problems
from shared.tenants.views import TenantView
from tests.status.test_problems import REFUSED, begun, end
from worker.composition import open_collector

REASONS = ("timeout", "unreachable", "throttled")
OPERATIONS = 600


@pytest.fixture
def database(store: Repositories, settings: Settings) -> Database[dict[str, Any]]:
    return store.connection.client[settings.mongodb_database]


def fill(database: Database[dict[str, Any]], sets: int) -> Counter[tuple[str, str]]:
    """Record operations with so many different sets of problems; return the number of each problem."""
    expected: Counter[tuple[str, str]] = Counter()
    rows = []
    for number in range(OPERATIONS):
        one = number % sets
        problems = {"stalwart": f"retrying/{REASONS[one % 3]}", "ocis": f"failed/reason{one}", "any": "failed/"}
        rows.append({"tenantId": f"tenant{number % 4}", "tenantSlug": "x", "status": "failed", "problems": problems})
        expected.update(problems.items())
    database["operations"].insert_many(rows)
    return expected


@pytest.mark.parametrize("sets", [1, 6, FEW_SETS, FEW_SETS + 1, OPERATIONS])
def test_few_and_many_different_sets_of_problems_are_counted_alike(
    database: Database[dict[str, Any]], sets: int
) -> None:
    expected = fill(database, sets)
    counts = count_problems(database["operations"], {})
    for integration in ("stalwart", "ocis", "billing"):
        assert counts.of(integration) == {
            value: count for (name, value), count in expected.items() if name == integration
        }
    assert counts.tenants() == {"failed": OPERATIONS}


def test_each_scope_is_counted_separately(database: Database[dict[str, Any]]) -> None:
    fill(database, 1)
    counts = count_problems(database["operations"], {"tenantId": {"$in": ["tenant0", "tenant1"]}})
    assert counts.tenants() == {"failed": OPERATIONS // 2}
    assert count_problems(database["operations"], {"tenantId": {"$in": []}}).tenants() == {}


@pytest.mark.parametrize("sets", [1, FEW_SETS + 1])
def test_each_operation_is_counted_by_one_index_key_and_none_is_read(
    services: Services, admin: Actor, database: Database[dict[str, Any]], sets: int
) -> None:
    fill(database, sets)
    database.command("profile", 2)
    services.status.status(admin)
    database.command("profile", 0)
    counting = {"$or": [{"command.aggregate": "operations"}, {"command.distinct": "operations"}]}
    rows = list(database["system.profile"].find(counting))
    database["system.profile"].drop()
    assert rows
    assert all(row["docsExamined"] == 0 for row in rows), rows
    groups, examples = sets + len(REASONS), 5
    assert sum(row["keysExamined"] for row in rows) <= OPERATIONS + sets + 1 + groups * (examples + 2)


def test_metrics_are_served_while_an_index_of_a_newer_release_is_missing(
    store: Repositories, dispatcher: Dispatcher, create: Callable[..., TenantView]
) -> None:
    end(store, begun(create), ocis=REFUSED)
    registry = CollectorRegistry()
    registry.register(open_collector(store, dispatcher))
    store.connection.database["operations"].drop_index(COUNTED)
    try:
        assert b"dezky_broker_up 1.0" in generate_latest(registry)
    finally:
        store.make_indexes()


def test_metrics_are_served_in_time_while_database_and_broker_are_silent(
    make_settings: Callable[..., Settings],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        settings = make_settings(mongodb_uri=f"mongodb://{address}", redis_url=f"redis://{address}/0")
        store, dispatcher = open_repositories(settings), Dispatcher(settings.broker)
        registry = CollectorRegistry()
        registry.register(open_collector(store, dispatcher))
        began = time.monotonic()
        assert b"dezky_broker_up 0.0" in generate_latest(registry)
        assert time.monotonic() - began < 2
        store.close()
        dispatcher.close()
