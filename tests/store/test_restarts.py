"""The scheduler starts a failed suspend, delete or purge again, ever later, and the receipt stays small."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from bson import ObjectId

from shared.application.parts import open_settlement
from shared.integrations.outcomes import PermanentError, failed, ok
from tests.platform_fixture import PlatformFixture


@pytest.fixture
def platform(make_platform: Callable[..., PlatformFixture]) -> PlatformFixture:
    made = make_platform(delete_grace_days=0)
    made.grown()
    made.finish(made.services.lifecycle.delete("acme", made.admin))
    return made


def end_purge(platform: PlatformFixture, operation_id: str, *, fails: bool) -> None:
    """Let every step of the purge fail or succeed, as workers would."""
    for step in ("stalwart", "ocis", "authentik"):
        operation = platform.store.operations.find(operation_id)
        assert operation is not None
        claim = platform.store.operations.claim(operation_id, step, operation.dispatch, 60)
        if claim is not None:
            platform.store.operations.record(claim, failed(PermanentError("forbidden")) if fails else ok())
    open_settlement(platform.store).settle(operation_id)


def latest(platform: PlatformFixture) -> str:
    return str(platform.rows["operations"].find_one({"action": "purge"}, sort=[("_id", -1)])["_id"])  # type: ignore[index]


def wait(platform: PlatformFixture) -> float | None:
    """Return the seconds until the next start."""
    row = platform.rows["tenants"].find_one({"slug": "acme"})
    assert row is not None
    return (row["retryAt"] - row["updatedAt"]).total_seconds() if "retryAt" in row else None


def start_again(platform: PlatformFixture) -> None:
    platform.rows["tenants"].update_one({"slug": "acme"}, [{"$set": {"retryAt": "$$NOW"}}])
    time.sleep(0.01)
    assert platform.services.lifecycle.start_due(10) == 1


def test_each_failure_doubles_the_wait_to_at_most_an_hour_and_a_request_begins_anew(platform: PlatformFixture) -> None:
    waits = []
    platform.services.lifecycle.purge("acme", platform.admin)
    for _ in range(6):
        end_purge(platform, latest(platform), fails=True)
        waits.append(wait(platform))
        start_again(platform)
    assert waits == [300, 600, 1200, 2400, 3600, 3600]
    end_purge(platform, latest(platform), fails=True)
    platform.services.lifecycle.purge("acme", platform.admin)
    end_purge(platform, latest(platform), fails=True)
    assert wait(platform) == 300
    start_again(platform)
    end_purge(platform, latest(platform), fails=False)
    assert wait(platform) is None


def test_a_receipt_lists_purges_that_removed_something_and_none_that_only_failed(platform: PlatformFixture) -> None:
    platform.services.lifecycle.purge("acme", platform.admin)
    end_purge(platform, latest(platform), fails=True)
    operations = platform.rows["operations"]
    failed_purge = operations.find_one({"_id": ObjectId(latest(platform))})
    assert failed_purge is not None
    removed = {**failed_purge["steps"][0], "changes": ["remove the group tenant-acme"]}
    former = [{**failed_purge, "_id": ObjectId()} for _ in range(300)]
    former[0]["steps"] = [removed, *failed_purge["steps"][1:]]
    operations.insert_many(former)
    start_again(platform)
    last = latest(platform)
    end_purge(platform, last, fails=False)
    receipt = platform.services.lifecycle.receipt("acme", platform.admin)
    assert {one.operation for one in receipt.removals} == {str(former[0]["_id"]), last}
