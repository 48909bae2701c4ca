"""What was read before something newer was accepted is not acted upon: between look and act anything can happen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.application.services import open_control_plane
from shared.core.errors import ActionNotPossible
from shared.operations.dispatcher import Dispatcher
from shared.operations.model import Action, Mode
from shared.provisioning.lifecycle import LifeCases
from shared.provisioning.settlement import settle
from shared.provisioning.starter import Starter
from shared.tenants.model import NewTenant, Status
from tests.yard import Yard


class Meanwhile(Dispatcher):
    """A sweep's dispatcher: as the first operation is sent, something happens elsewhere."""

    def __init__(self, yard: Yard, happens: Callable[[], Any]) -> None:
        super().__init__(yard.settings.broker)
        self._happens: list[Callable[[], Any]] = [happens]

    def send(self, operation: object) -> bool:
        if self._happens:
            self._happens.pop()()
        return False


@pytest.fixture
def yard(make_yard: Callable[..., Yard]) -> Yard:
    """Two tenants that are active."""
    made = make_yard(delete_grace_days=0)
    for slug in ("first", "second"):
        made.finish(made.plane.tenants.create(NewTenant(slug, slug.title(), "starter"), made.admin))
    return made


def sweeping(yard: Yard, happens: Callable[[], Any]) -> LifeCases:
    """The sweep's part, on which something happens between its first tenant and its second."""
    return open_control_plane(yard.store, Meanwhile(yard, happens), yard.settings).life


def suspend_both(yard: Yard) -> None:
    """Both are due to be closed again, the first first."""
    for slug in ("first", "second"):
        yard.finish(yard.plane.life.suspend(slug, "unpaid", yard.admin))
        yard.rows["tenants"].update_one({"slug": slug}, [{"$set": {"retryAt": "$$NOW"}}])


def delete_both(yard: Yard) -> None:
    for slug in ("first", "second"):
        yard.finish(yard.plane.life.delete(slug, yard.admin))


def test_a_closing_is_not_begun_again_over_a_resumption(yard: Yard) -> None:
    suspend_both(yard)
    sweep = sweeping(yard, lambda: yard.finish(yard.plane.life.resume("second", yard.admin)))
    assert sweep.take_up(200) == 1
    assert yard.tenant("second").status is Status.ACTIVE


def test_a_removal_that_somebody_stopped_is_not_begun_again(yard: Yard) -> None:
    delete_both(yard)

    def begun_and_stopped() -> None:
        operation = yard.plane.life.purge("second", yard.admin).operation
        assert operation is not None
        yard.plane.operations.cancel(operation.id, yard.admin)

    assert sweeping(yard, begun_and_stopped).take_up(200) == 1
    purges = yard.rows["operations"].find({"action": "purge", "tenantSlug": "second"})
    assert [row["status"] for row in purges] == ["cancelled"]


def test_a_removal_that_another_sweep_began_takes_no_second_turn(yard: Yard) -> None:
    delete_both(yard)
    assert sweeping(yard, lambda: yard.plane.life.take_up(200)).take_up(200) == 1
    assert yard.plane.purges.pace(yard.admin).begun == 2


def test_a_removal_that_has_ended_is_not_due_whatever_an_older_build_left_on_its_tenant(yard: Yard) -> None:
    delete_both(yard)
    yard.finish(yard.plane.life.purge("first", yard.admin))
    yard.rows["tenants"].update_one({"slug": "first"}, [{"$set": {"retryAt": "$$NOW"}}])
    assert [due.tenant.slug for due in yard.store.tenants.due(200)] == ["second"]


def test_a_reconcile_that_was_asked_for_before_a_suspension_ended_is_refused_after_it(yard: Yard) -> None:
    before = yard.tenant("first")
    yard.finish(yard.plane.life.suspend("first", "unpaid", yard.admin))
    starter = Starter(yard.store, Meanwhile(yard, lambda: None), yard.settings)
    with pytest.raises(ActionNotPossible):
        starter.start(Action.RECONCILE, Mode.APPLY, before, yard.admin.author)
    assert yard.rows["operations"].count_documents({"action": "reconcile"}) == 0


def test_what_was_removed_for_good_is_not_restored_before_its_end_is_shown(yard: Yard) -> None:
    delete_both(yard)
    purge = yard.end_unsettled(yard.plane.life.purge("first", yard.admin))
    with pytest.raises(ActionNotPossible):
        yard.plane.life.restore("first", yard.admin)
    settle(yard.store, purge.id)
    assert yard.tenant("first").purged_at is not None
    assert yard.plane.life.receipt("first", yard.admin).slug == "first"
