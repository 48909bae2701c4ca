"""A run with too many removals stops before the first, lists them, and says how to approve them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.accounts.user import Role
from shared.core.errors import Forbidden, OperationInProgress
from shared.operations.model import Mode, StepRecord
from shared.rights.policy import Actor
from shared.tenants.model import NewTenant, TenantPatch
from tests.platform_fixture import PlatformFixture
from tests.simulators import TENANT_ID, mail_treatment
from worker.integrations.step_context import StepContext

DOMAINS = tuple(f"d{number}.test" for number in range(4))


@pytest.fixture
def platform(make_platform: Callable[..., PlatformFixture]) -> PlatformFixture:
    made = make_platform(removals_per_run=2)
    assert made.finish(made.services.tenants.create(NewTenant("acme", "Acme", "starter", DOMAINS), made.admin)).settled
    return made


def keep(platform: PlatformFixture, count: int) -> StepRecord:
    """Reduce the tenant's domains to so many; return the ended mail step."""
    patch = TenantPatch(domains=DOMAINS[:count])
    return platform.finish(platform.services.tenants.change("acme", patch, platform.admin, None)).step("stalwart")


def delivered(platform: PlatformFixture) -> list[str]:
    return sorted(name for name, treatment in mail_treatment(platform.stalwart).items() if treatment == "delivered")


def test_removals_up_to_the_limit_are_made(platform: PlatformFixture) -> None:
    assert keep(platform, 2).status == "ok"
    assert delivered(platform) == ["d0.test", "d1.test"]


def test_one_removal_over_the_limit_stops_all_and_the_step_lists_them(platform: PlatformFixture) -> None:
    step = keep(platform, 1)
    assert (step.status, step.reason, step.attempts) == ("error", "too_many_removals", 1)
    assert "close the mail domain d1.test, close the mail domain d2.test" in (step.message or "")
    assert "allow_removals" in (step.remedy or "")
    assert delivered(platform) == list(DOMAINS)
    assert [entry["domain"] for entry in platform.tenant("acme").remote["stalwartDomains"]] == list(DOMAINS)


def test_a_reconcile_without_approval_stops_again_and_one_with_approval_succeeds(platform: PlatformFixture) -> None:
    keep(platform, 0)
    again = platform.finish(platform.services.tenants.reconcile("acme", platform.admin, Mode.APPLY))
    assert again.step("stalwart").reason == "too_many_removals"
    allowed = platform.services.tenants.reconcile("acme", platform.admin, Mode.APPLY, allow_removals=True)
    assert platform.finish(allowed).status == "succeeded"
    assert delivered(platform) == []
    reported = platform.events("tenant.reconcile")
    assert [one["after"].get("allowRemovals") for one in reported] == [None, True]


def test_an_approval_is_valid_for_one_reconcile_only(platform: PlatformFixture) -> None:
    assert platform.finish(
        platform.services.tenants.reconcile("acme", platform.admin, Mode.APPLY, allow_removals=True)
    ).settled
    assert keep(platform, 0).reason == "too_many_removals"


def test_a_dry_run_reports_the_stop_and_every_removal(platform: PlatformFixture) -> None:
    keep(platform, 0)
    step = platform.finish(platform.services.tenants.reconcile("acme", platform.admin, Mode.DRY_RUN)).step("stalwart")
    assert step.status != "error"
    assert "stop here without an approval" in step.changes[0]
    closing = [one for one in step.changes if one.startswith("close the")]
    assert closing == [f"close the mail domain {one}" for one in DOMAINS]
    assert platform.tenant("acme").drift is not None
    allowed = platform.services.tenants.reconcile("acme", platform.admin, Mode.DRY_RUN, allow_removals=True)
    reported = platform.finish(allowed).step("stalwart").changes
    assert "close the mail domain d0.test" in reported
    assert not any("stop here" in one for one in reported)
    assert delivered(platform) == list(DOMAINS)


def test_only_a_platform_administrator_can_approve_removals(platform: PlatformFixture) -> None:
    acme = platform.tenant("acme").id
    owner = platform.admin.user.changed({"tenant_ids": (acme,), "role": Role.OWNER, "platform_role": None})
    insider = Actor(owner, frozenset({"portal"}))
    with pytest.raises(Forbidden, match="platform administrator"):
        platform.services.tenants.reconcile("acme", insider, Mode.APPLY, allow_removals=True)
    assert platform.services.tenants.reconcile("acme", insider, Mode.APPLY).operation


def test_a_running_reconcile_without_approval_is_not_returned_for_one_with_approval(platform: PlatformFixture) -> None:
    running = platform.services.tenants.reconcile("acme", platform.admin, Mode.APPLY)
    with pytest.raises(OperationInProgress):
        platform.services.tenants.reconcile("acme", platform.admin, Mode.APPLY, allow_removals=True)
    again = platform.services.tenants.reconcile("acme", platform.admin, Mode.APPLY)
    assert (again.operation and again.operation.id) == (running.operation and running.operation.id)


def test_an_action_that_removes_by_definition_has_no_limit(make_platform: Callable[..., PlatformFixture]) -> None:
    platform = make_platform(removals_per_run=0)
    platform.grown("acme")
    assert platform.finish(platform.services.lifecycle.suspend("acme", "unpaid", platform.admin)).status == "succeeded"
    assert platform.finish(platform.services.lifecycle.resume("acme", platform.admin)).status == "succeeded"
    assert platform.finish(platform.services.lifecycle.delete("acme", platform.admin)).status == "succeeded"
    assert platform.finish(platform.services.lifecycle.purge("acme", platform.admin)).status == "succeeded"
    assert platform.stalwart.snapshot()["Domain"] == []


def test_a_tenant_suspended_while_removals_waited_for_approval_can_be_resumed(
    make_platform: Callable[..., PlatformFixture],
) -> None:
    platform = make_platform(removals_per_run=2, suspended_mail="receive")
    new = NewTenant("acme", "Acme", "starter", DOMAINS)
    assert platform.finish(platform.services.tenants.create(new, platform.admin)).status == "succeeded"
    assert keep(platform, 1).reason == "too_many_removals"
    assert platform.finish(platform.services.lifecycle.suspend("acme", "unpaid", platform.admin)).status == "succeeded"
    assert delivered(platform) == ["d0.test"]
    # no removal can be approved while the tenant is suspended
    assert platform.finish(platform.services.lifecycle.resume("acme", platform.admin)).status == "succeeded"
    assert delivered(platform) == ["d0.test"]


def test_a_removal_that_was_not_announced_is_a_bug(make_step: Callable[..., Any]) -> None:
    step: StepContext = make_step("ocis", id=TENANT_ID)
    with pytest.raises(LookupError):
        step.remove("remove the moon", lambda: pytest.fail("it was removed"))
    step.announce_removals(["remove the moon"])
    step.remove("remove the moon", lambda: None)
    assert step.changes == ["remove the moon"]
