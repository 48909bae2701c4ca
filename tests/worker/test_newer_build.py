"""During a deployment older workers and schedulers leave unknown operations to the newer build."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from pymongo.collection import Collection

from shared.application.parts import open_settlement
from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.integrations.outcomes import ok
from shared.operations.dispatcher import Dispatcher
from shared.operations.model import Operation
from shared.switches.model import Deferral
from tests.worker.conftest import STEPS, RunnerFixture, run_all
from worker.composition import open_scheduler_loop


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(dispatch_grace_seconds=0.05)


@pytest.fixture
def rows(store: Repositories, settings: Settings) -> Collection[dict[str, Any]]:
    return store.connection.client[settings.mongodb_database]["operations"]


@pytest.fixture(params=[{"action": "move"}, {"mode": "verify"}], ids=["action", "mode"])
def newer(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return a value that this build does not know."""
    found: dict[str, str] = request.param
    return found


@pytest.fixture
def moved(operation: Operation, rows: Collection[dict[str, Any]], newer: dict[str, str]) -> Operation:
    """Record an operation with an action or mode that this build does not know."""
    rows.update_one({}, {"$set": newer})
    return operation


def test_unknown_steps_are_neither_claimed_nor_deferred(
    runners: RunnerFixture, store: Repositories, rows: Collection[dict[str, Any]], moved: Operation
) -> None:
    before = rows.find_one({})
    run_all(runners.runner(), moved)
    assert (
        store.deferrals.defer(moved.id, STEPS[0], moved.dispatch, Deferral("all", "paused", "It is paused.", 1.0))
        is None
    )
    assert rows.find_one({}) == before


@pytest.mark.parametrize("late", ["dueAt", "deadlineAt"])
def test_an_older_scheduler_skips_an_unknown_operation_and_publishes_the_others(
    store: Repositories,
    dispatcher: Dispatcher,
    rows: Collection[dict[str, Any]],
    moved: Operation,
    create: Callable[..., object],
    newer: dict[str, str],
    late: str,
) -> None:
    create("globex")
    time.sleep(0.1)
    rows.update_many({}, [{"$set": {late: "$createdAt"}}])
    before = rows.find_one(newer)
    assert open_scheduler_loop(store, dispatcher).run_once() == 1
    assert rows.find_one(newer) == before


def test_a_step_with_an_unknown_status_is_left_and_all_other_operations_are_published(
    store: Repositories,
    dispatcher: Dispatcher,
    rows: Collection[dict[str, Any]],
    operation: Operation,
    create: Callable[..., object],
) -> None:
    create("globex")
    rows.update_one({"tenantSlug": "acme"}, {"$set": {"steps.1.status": "held_for_approval"}})
    time.sleep(0.1)
    rows.update_many({}, [{"$set": {"dueAt": "$createdAt"}}])
    assert open_scheduler_loop(store, dispatcher).run_once() == 2
    assert [row["dispatch"] for row in rows.find()] == [2, 2]
    assert store.operations.claim(operation.id, STEPS[1], 2, 60) is None


@pytest.mark.parametrize("unknown", [{"action": "move"}, {"mode": "verify"}, {"status": "succeeded_partly"}])
def test_the_newer_build_records_the_unknown_operations_end(
    runners: RunnerFixture,
    store: Repositories,
    dispatcher: Dispatcher,
    rows: Collection[dict[str, Any]],
    operation: Operation,
    unknown: dict[str, str],
) -> None:
    for step in STEPS:
        claim = store.operations.claim(operation.id, step, operation.dispatch, 60)
        assert claim is not None
        store.operations.record(claim, ok())
    rows.update_one({}, {"$set": unknown})
    time.sleep(0.1)
    before = rows.find_one({})
    assert open_scheduler_loop(store, dispatcher).run_once() == 0
    assert open_settlement(store).settle(operation.id) is None
    assert rows.find_one({}) == before
