"""Upgrade a database of version 0.1.0 with operations in every state, and continue its work.

The data were written by that version's API and worker: tenants that are active, suspended and deleted, one in the
middle of a reconcile whose worker was stopped, one that has not started, and a paused integration.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import json_util
from bson.codec_options import CodecOptions

from shared.operations.model import Mode, OperationStatus
from shared.tenants.model import Status
from tests.end_to_end.conftest import Platform

DATA = Path(__file__).parent / "data/version_0_1_0.json"
OPTIONS = json_util.JSONOptions(tz_aware=True, document_class=dict)


def moved(value: Any, by: timedelta) -> Any:
    """The same with every time later, so that the data are as old as when they were written."""
    if isinstance(value, datetime):
        return value + by
    if isinstance(value, dict):
        return {key: moved(one, by) for key, one in value.items()}
    if isinstance(value, list):
        return [moved(one, by) for one in value]
    return value


@pytest.fixture
def upgraded(platform: Platform) -> Platform:
    """The platform of this build on the data of the other."""
    found = json_util.loads(DATA.read_text(), json_options=OPTIONS)
    written_at = max(row["updatedAt"] for row in found["tenants"])
    found = moved(found, datetime.now(UTC) - written_at)
    database = platform.store.connection.database
    database = database.with_options(CodecOptions(tz_aware=True))
    for name, rows in found.items():
        database[name].delete_many({})
        database[name].insert_many(rows)
    platform.services.readiness.prepare()
    return platform


def test_an_upgrade_keeps_every_tenants_status(upgraded: Platform) -> None:
    seen = {slug: upgraded.tenant(slug).tenant for slug in ("acme", "globex", "initech", "umbrella", "hooli")}
    assert {slug: tenant.status for slug, tenant in seen.items()} == {
        "acme": Status.ACTIVE,
        "globex": Status.SUSPENDED,
        "initech": Status.DELETED,
        "umbrella": Status.ACTIVE,
        "hooli": Status.PENDING,
    }
    assert seen["acme"].remote["authentikGroupId"]
    assert upgraded.store.migrator.applied() == [1, 2, 3]
    assert all(user.get("roles") is not None for user in upgraded.store.connection.database["users"].find())


def test_open_operations_are_ended_by_the_new_worker(upgraded: Platform) -> None:
    (paused,) = [one for one in upgraded.services.switches.page(upgraded.admin) if one.pause is not None]
    upgraded.services.switches.resume(paused.name, upgraded.admin)
    upgraded.start_worker()
    upgraded.start_scheduler()
    for slug in ("hooli", "umbrella"):
        view = upgraded.settled(slug)
        assert view.operation is not None
        assert (slug, view.operation.status) == (slug, OperationStatus.SUCCEEDED)
        assert view.tenant.status is Status.ACTIVE


def test_upgraded_tenants_are_reconciled_resumed_and_restored(upgraded: Platform) -> None:
    upgraded.services.switches.resume("stalwart", upgraded.admin)
    upgraded.start_worker()
    upgraded.services.tenants.reconcile("acme", upgraded.admin, Mode.APPLY)
    assert upgraded.settled("acme").tenant.status is Status.ACTIVE
    upgraded.services.lifecycle.resume("globex", upgraded.admin)
    assert upgraded.settled("globex").tenant.status is Status.ACTIVE
    upgraded.services.lifecycle.restore("initech", upgraded.admin)
    assert upgraded.settled("initech").tenant.status is Status.ACTIVE
