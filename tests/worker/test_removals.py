"""One run takes away no more than its bound: it stops before the first, says what it would do, and how to allow it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.accounts.user import Role
from shared.core.errors import Forbidden, OperationInProgress
from shared.operations.model import Mode, StepRecord
from shared.provisioning.policy import Actor
from shared.tenants.model import NewTenant, TenantPatch
from tests.simulators import TENANT_ID, fates
from tests.yard import Yard
from worker.integrations.step_context import Work

DOMAINS = tuple(f"d{number}.test" for number in range(4))


@pytest.fixture
def yard(make_yard: Callable[..., Yard]) -> Yard:
    made = make_yard(removals_per_run=2)
    assert made.finish(made.plane.tenants.create(NewTenant("acme", "Acme", "starter", DOMAINS), made.admin)).settled
    return made


def keep(yard: Yard, count: int) -> StepRecord:
    """Leave the tenant so many of its domains; the mail step as it ended."""
    patch = TenantPatch(domains=DOMAINS[:count])
    return yard.finish(yard.plane.tenants.change("acme", patch, yard.admin, None)).step("stalwart")


def delivered(yard: Yard) -> list[str]:
    return sorted(name for name, fate in fates(yard.stalwart).items() if fate == "delivered")


def test_as_many_as_the_bound_go(yard: Yard) -> None:
    assert keep(yard, 2).status == "ok"
    assert delivered(yard) == ["d0.test", "d1.test"]


def test_one_more_and_none_goes_and_the_step_says_what_it_would_do(yard: Yard) -> None:
    step = keep(yard, 1)
    assert (step.status, step.reason, step.attempts) == ("error", "too_many_removals", 1)
    assert "close the mail domain d1.test, close the mail domain d2.test" in (step.message or "")
    assert "allow_removals" in (step.remedy or "")
    assert delivered(yard) == list(DOMAINS)
    assert [entry["domain"] for entry in yard.tenant("acme").remote["stalwartDomains"]] == list(DOMAINS)


def test_a_reconcile_without_leave_stops_again_and_one_with_leave_goes_through(yard: Yard) -> None:
    keep(yard, 0)
    again = yard.finish(yard.plane.tenants.reconcile("acme", yard.admin, Mode.APPLY))
    assert again.step("stalwart").reason == "too_many_removals"
    allowed = yard.plane.tenants.reconcile("acme", yard.admin, Mode.APPLY, allow_removals=True)
    assert yard.finish(allowed).status == "succeeded"
    assert delivered(yard) == []
    told = yard.events("tenant.reconcile")
    assert [one["after"].get("allowRemovals") for one in told] == [None, True]


def test_leave_is_for_one_reconcile_only(yard: Yard) -> None:
    assert yard.finish(yard.plane.tenants.reconcile("acme", yard.admin, Mode.APPLY, allow_removals=True)).settled
    assert keep(yard, 0).reason == "too_many_removals"


def test_a_plan_says_that_it_would_stop_and_all_that_it_would_remove(yard: Yard) -> None:
    keep(yard, 0)
    step = yard.finish(yard.plane.tenants.reconcile("acme", yard.admin, Mode.PLAN)).step("stalwart")
    assert step.status != "error"
    assert "stop here without leave" in step.changes[0]
    closing = [one for one in step.changes if one.startswith("close the")]
    assert closing == [f"close the mail domain {one}" for one in DOMAINS]
    assert yard.tenant("acme").drift is not None
    allowed = yard.plane.tenants.reconcile("acme", yard.admin, Mode.PLAN, allow_removals=True)
    told = yard.finish(allowed).step("stalwart").changes
    assert "close the mail domain d0.test" in told
    assert not any("stop here" in one for one in told)
    assert delivered(yard) == list(DOMAINS)


def test_leave_takes_a_platform_administrator(yard: Yard) -> None:
    acme = yard.tenant("acme").id
    owner = yard.admin.user.changed({"tenant_ids": (acme,), "role": Role.OWNER, "platform_role": None})
    insider = Actor(owner, frozenset({"portal"}))
    with pytest.raises(Forbidden, match="platform administrator"):
        yard.plane.tenants.reconcile("acme", insider, Mode.APPLY, allow_removals=True)
    assert yard.plane.tenants.reconcile("acme", insider, Mode.APPLY).operation


def test_a_reconcile_that_runs_without_leave_is_no_answer_to_one_with_it(yard: Yard) -> None:
    running = yard.plane.tenants.reconcile("acme", yard.admin, Mode.APPLY)
    with pytest.raises(OperationInProgress):
        yard.plane.tenants.reconcile("acme", yard.admin, Mode.APPLY, allow_removals=True)
    again = yard.plane.tenants.reconcile("acme", yard.admin, Mode.APPLY)
    assert (again.operation and again.operation.id) == (running.operation and running.operation.id)


def test_what_is_asked_for_by_name_has_no_bound(make_yard: Callable[..., Yard]) -> None:
    yard = make_yard(removals_per_run=0)
    yard.grown("acme")
    assert yard.finish(yard.plane.life.suspend("acme", "unpaid", yard.admin)).status == "succeeded"
    assert yard.finish(yard.plane.life.resume("acme", yard.admin)).status == "succeeded"
    assert yard.finish(yard.plane.life.delete("acme", yard.admin)).status == "succeeded"
    assert yard.finish(yard.plane.life.purge("acme", yard.admin)).status == "succeeded"
    assert yard.stalwart.snapshot()["Domain"] == []


def test_a_tenant_that_was_suspended_while_removals_waited_for_leave_can_be_resumed(
    make_yard: Callable[..., Yard],
) -> None:
    yard = make_yard(removals_per_run=2, suspended_mail="receive")
    new = NewTenant("acme", "Acme", "starter", DOMAINS)
    assert yard.finish(yard.plane.tenants.create(new, yard.admin)).status == "succeeded"
    assert keep(yard, 1).reason == "too_many_removals"
    assert yard.finish(yard.plane.life.suspend("acme", "unpaid", yard.admin)).status == "succeeded"
    assert delivered(yard) == ["d0.test"]
    # nobody can give leave while it is suspended
    assert yard.finish(yard.plane.life.resume("acme", yard.admin)).status == "succeeded"
    assert delivered(yard) == ["d0.test"]


def test_a_removal_that_was_not_announced_is_a_bug(work: Callable[..., Any]) -> None:
    errand: Work = work("ocis", id=TENANT_ID)
    with pytest.raises(LookupError):
        errand.remove("remove the moon", lambda: pytest.fail("it was removed"))
    errand.announce_removals(["remove the moon"])
    errand.remove("remove the moon", lambda: None)
    assert errand.changes == ["remove the moon"]
