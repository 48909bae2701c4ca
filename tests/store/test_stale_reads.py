"""A decision on a stale read has no effect once something newer was accepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.application.parts import open_settlement, open_starter
from shared.application.services import open_services
from shared.core.errors import ActionNotPossible
from shared.operations.dispatcher import Dispatcher
from shared.operations.model import Mode
from shared.provisioning.lifecycle import LifecycleService
from shared.tenants.model import NewTenant, Status
from shared.workflows.model import Action
from tests.platform_fixture import PlatformFixture


class Meanwhile(Dispatcher):
    """A scheduler's dispatcher that runs a function before it publishes the first operation."""

    def __init__(self, platform: PlatformFixture, happens: Callable[[], Any]) -> None:
        super().__init__(platform.settings.broker)
        self._happens: list[Callable[[], Any]] = [happens]

    def publish(self, operation: object) -> bool:
        if self._happens:
            self._happens.pop()()
        return False


@pytest.fixture
def platform(make_platform: Callable[..., PlatformFixture]) -> PlatformFixture:
    """Create two active tenants."""
    made = make_platform(delete_grace_days=0)
    for slug in ("first", "second"):
        made.finish(made.services.tenants.create(NewTenant(slug, slug.title(), "starter"), made.admin))
    return made


def lifecycle_with(platform: PlatformFixture, happens: Callable[[], Any]) -> LifecycleService:
    """Return a lifecycle service that runs a function between its first tenant and its second."""
    return open_services(platform.store, Meanwhile(platform, happens), platform.settings).lifecycle


def suspend_both(platform: PlatformFixture) -> None:
    """Make the close of both due again, the first one first."""
    for slug in ("first", "second"):
        platform.finish(platform.services.lifecycle.suspend(slug, "unpaid", platform.admin))
        platform.rows["tenants"].update_one({"slug": slug}, [{"$set": {"retryAt": "$$NOW"}}])


def delete_both(platform: PlatformFixture) -> None:
    for slug in ("first", "second"):
        platform.finish(platform.services.lifecycle.delete(slug, platform.admin))


def test_a_close_is_not_started_again_after_a_resume(platform: PlatformFixture) -> None:
    suspend_both(platform)
    lifecycle = lifecycle_with(
        platform, lambda: platform.finish(platform.services.lifecycle.resume("second", platform.admin))
    )
    assert lifecycle.start_due(200) == 1
    assert platform.tenant("second").status is Status.ACTIVE


def test_a_cancelled_removal_is_not_started_again(platform: PlatformFixture) -> None:
    delete_both(platform)

    def start_and_cancel() -> None:
        operation = platform.services.lifecycle.purge("second", platform.admin).operation
        assert operation is not None
        platform.services.operations.cancel(operation.id, platform.admin)

    assert lifecycle_with(platform, start_and_cancel).start_due(200) == 1
    purges = platform.rows["operations"].find({"action": "purge", "tenantSlug": "second"})
    assert [row["status"] for row in purges] == ["cancelled"]


def test_a_removal_that_another_scheduler_started_is_not_started_twice(platform: PlatformFixture) -> None:
    delete_both(platform)
    assert lifecycle_with(platform, lambda: platform.services.lifecycle.start_due(200)).start_due(200) == 1
    assert platform.services.purge_quota.state(platform.admin).used == 2


def test_a_removal_that_has_ended_is_not_due_whatever_an_older_build_left_on_its_tenant(
    platform: PlatformFixture,
) -> None:
    delete_both(platform)
    platform.finish(platform.services.lifecycle.purge("first", platform.admin))
    platform.rows["tenants"].update_one({"slug": "first"}, [{"$set": {"retryAt": "$$NOW"}}])
    assert [due.tenant.slug for due in platform.store.tenants.due(200)] == ["second"]


def test_a_reconcile_requested_before_a_suspension_ended_is_refused_after_it(
    platform: PlatformFixture,
) -> None:
    before = platform.tenant("first")
    platform.finish(platform.services.lifecycle.suspend("first", "unpaid", platform.admin))
    starter = open_starter(platform.store, Meanwhile(platform, lambda: None), platform.settings)
    with pytest.raises(ActionNotPossible):
        starter.start(Action.RECONCILE, Mode.APPLY, before, platform.admin.author)
    assert platform.rows["operations"].count_documents({"action": "reconcile"}) == 0


def test_a_purged_tenant_is_not_restored_before_its_status_is_recorded(platform: PlatformFixture) -> None:
    delete_both(platform)
    purge = platform.end_unsettled(platform.services.lifecycle.purge("first", platform.admin))
    with pytest.raises(ActionNotPossible):
        platform.services.lifecycle.restore("first", platform.admin)
    open_settlement(platform.store).settle(purge.id)
    assert platform.tenant("first").purged_at is not None
    assert platform.services.lifecycle.receipt("first", platform.admin).slug == "first"
