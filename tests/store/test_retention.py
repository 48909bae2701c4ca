"""Retention deletes by age as configured; tombstones and latest operations stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.application.parts import open_settlement
from shared.application.services import Services, open_services
from shared.application.store import Repositories, open_repositories
from shared.config.settings import Settings
from shared.events.repository import number_events
from shared.integrations.outcomes import PermanentError, failed, ok
from shared.operations.dispatcher import Dispatcher
from shared.operations.model import Mode
from shared.rights.policy import Actor
from shared.tenants.views import TenantView
from tests.status.test_problems import attempt, begun, end
from worker.composition import open_retention

Create = Callable[..., TenantView]
YEAR = {"$subtract": ["$$NOW", 366 * 86_400_000]}


@pytest.fixture
def aged(store: Repositories, services: Services, admin: Actor, create: Create) -> list[str]:
    """Create two operations of a tenant and events, all a year old; return the operations' ids."""
    first = begun(create)
    end(store, first)
    second = services.tenants.reconcile("acme", admin, Mode.APPLY).operation
    assert second is not None
    end(store, second)
    number_events(store.connection, store.events)
    store.connection.database["operations"].update_many({}, [{"$set": {"finishedAt": YEAR}}])
    store.connection.database["events"].update_many({}, [{"$set": {"time": YEAR}}])
    return [first.id, second.id]


def test_old_events_and_operations_are_deleted_except_a_tenants_latest_operation(
    store: Repositories, aged: list[str], make_settings: Callable[..., Settings], create: Create
) -> None:
    create("beta")
    number_events(store.connection, store.events)
    open_retention(store, make_settings(event_keep_days=30, operation_keep_days=30)).run_once()
    assert store.operations.find(aged[0]) is None
    assert store.operations.find(aged[1]) is not None
    assert {row["tenant"] for row in store.connection.database["events"].find()} <= {"beta", None}


def test_without_the_settings_nothing_is_deleted(
    store: Repositories, aged: list[str], make_settings: Callable[..., Settings]
) -> None:
    before = store.connection.database["events"].count_documents({})
    open_retention(store, make_settings()).run_once()
    assert store.operations.find(aged[0]) is not None
    assert store.connection.database["events"].count_documents({}) == before


def test_two_concurrent_schedulers_remove_each_record_once(
    store: Repositories, aged: list[str], make_settings: Callable[..., Settings]
) -> None:
    assert store.retention.drop_operations(30 * 86400, 10) == 1
    assert store.retention.drop_operations(30 * 86400, 10) == 0
    # an operation that must stay does not hide the ones after it
    assert store.retention.drop_operations(30 * 86400, 1) == 0


def test_a_failed_purge_is_kept_until_the_receipt_is_written(
    store: Repositories, services: Services, admin: Actor, create: Create
) -> None:
    services.operations.cancel(begun(create).id, admin)
    deletion = services.lifecycle.delete("acme", admin).operation
    assert deletion is not None
    services.operations.cancel(deletion.id, admin)
    removed = replace(ok(), changes=("remove the space Acme",))
    purges = []
    for outcome in (failed(PermanentError("in_use")), ok()):
        purge = services.lifecycle.purge("acme", admin).operation
        assert purge is not None
        attempt(store, purge, "ocis", removed if not purges else ok())
        attempt(store, purge, "stalwart", outcome)
        if outcome.result == "ok":
            # nothing is deleted while the second purge runs
            store.retention.drop_operations(30 * 86400, 10)
            attempt(store, purge, "authentik", ok())
        open_settlement(store).settle(purge.id)
        store.connection.database["operations"].update_many(
            {"finishedAt": {"$type": "date"}}, [{"$set": {"finishedAt": YEAR}}]
        )
        purges.append(purge.id)
    receipt = services.lifecycle.receipt("acme", admin)
    assert ("remove the space Acme",) in [tuple(one.removed) for one in receipt.removals]
    store.retention.drop_operations(30 * 86400, 10)
    assert [store.operations.find(one) is None for one in purges] == [True, False]


@pytest.mark.parametrize("days", [30.0, 2.0])
def test_a_dry_run_expires_as_the_setting_says(
    store: Repositories,
    admin: Actor,
    create: Create,
    dispatcher: Dispatcher,
    make_settings: Callable[..., Settings],
    days: float,
) -> None:
    end(store, begun(create))
    settings = make_settings(dry_run_keep_days=days)
    shorter = open_repositories(settings)
    services = open_services(shorter, dispatcher, settings)
    operation = services.tenants.reconcile("acme", admin, Mode.DRY_RUN).operation
    shorter.close()
    assert operation is not None
    (row,) = store.connection.database["operations"].find({"mode": Mode.DRY_RUN})
    assert row["expiresAt"] - row["createdAt"] == timedelta(days=days)
