"""Invite a group that OCIS learned of after the tenant's space was set up; and the command for the marker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner

from shared.application.parts import open_starter
from shared.integrations.ownership_marker import MarkerSigner
from shared.operations.model import Mode, StepRecord
from shared.tenants.model import NewTenant
from shared.tenants.views import TenantView
from tests.platform_fixture import PlatformFixture
from tests.simulators import fault
from worker import ownership_markers
from worker.composition import open_pending_members_job
from worker.execution.step_contexts import GROUP_ATTEMPTS
from worker.integrations.ocis.client import connect
from worker.jobs.pending_members import PendingMembersJob

Due = Callable[[], None]

# the job differs in nothing that OpenCloud does otherwise, and its tests wait for seconds
pytestmark = pytest.mark.parametrize("ocis", ["ocis"], indirect=True)


@pytest.fixture
def platform(make_platform: Callable[..., PlatformFixture]) -> PlatformFixture:
    """Our account may not create groups in OCIS."""
    return make_platform(ocis_username="spaces")


@contextmanager
def opened_job(platform: PlatformFixture, dispatcher: Any) -> Iterator[PendingMembersJob]:
    starter = open_starter(platform.store, dispatcher, platform.settings)
    made = open_pending_members_job(platform.store, starter, connect(platform.settings), platform.settings)
    yield made
    made.close()


@pytest.fixture
def job(platform: PlatformFixture, dispatcher: Any) -> Iterator[PendingMembersJob]:
    with opened_job(platform, dispatcher) as made:
        yield made


def run(platform: PlatformFixture, job: PendingMembersJob, *, is_due: bool = True) -> None:
    """Do one check, and run the operation that it may have started."""
    if is_due:
        platform.rows["tenants"].update_many({}, {"$unset": {"membersDueAt": ""}})
    job.run_once()
    job._pool.wait(10)
    for row in platform.rows["operations"].find({"status": "running"}):
        operation = platform.store.operations.find(str(row["_id"]))
        assert operation is not None
        platform.finish(platform.services.tenants.get(operation.tenant_slug, platform.admin))


def grants(platform: PlatformFixture) -> list[str]:
    (space,) = platform.ocis.snapshot()["spaces"]
    return [role for id_, role in space["grants"].items() if id_.startswith("g:")]


def test_the_group_is_invited_once_ocis_knows_it(platform: PlatformFixture, job: PendingMembersJob) -> None:
    platform.grown("acme")
    assert (platform.tenant("acme").remote["ocisMembers"], grants(platform)) == ("pending", [])
    operations = platform.rows["operations"].count_documents({})
    run(platform, job)
    assert platform.rows["operations"].count_documents({}) == operations
    platform.ocis.storage.add_group("tenant-acme")
    run(platform, job)
    assert (platform.tenant("acme").remote["ocisMembers"], grants(platform)) == ("invited", ["editor"])
    row = platform.rows["tenants"].find_one({"slug": "acme"}) or {}
    assert row.keys().isdisjoint({"membersDueAt", "membersWait"})
    asked = len(platform.ocis.journal)
    run(platform, job)
    assert len(platform.ocis.journal) == asked


def test_a_tenant_is_checked_once_per_interval(platform: PlatformFixture, job: PendingMembersJob) -> None:
    platform.grown("acme")
    run(platform, job)
    asked = len(platform.ocis.journal)
    run(platform, job, is_due=False)
    assert len(platform.ocis.journal) == asked


@pytest.mark.parametrize("rule", [{"kind": "graph_down"}, {"kind": "hang"}, {"kind": "wrong_body"}, {"kind": "reset"}])
def test_a_check_of_a_failing_ocis_is_repeated_later(
    platform: PlatformFixture, job: PendingMembersJob, rule: dict[str, Any]
) -> None:
    platform.grown("acme")
    platform.ocis.storage.add_group("tenant-acme")
    fault(platform.ocis, **rule)
    run(platform, job)
    assert grants(platform) == []
    platform.ocis.faults.clear()
    run(platform, job)
    assert grants(platform) == ["editor"]


def test_suspended_tenants_and_a_paused_ocis_are_not_checked(platform: PlatformFixture, job: PendingMembersJob) -> None:
    platform.grown("acme")
    platform.ocis.storage.add_group("tenant-acme")
    platform.services.switches.pause("ocis", "maintenance", platform.admin)
    run(platform, job)
    assert grants(platform) == []
    platform.services.switches.resume("ocis", platform.admin)
    platform.finish(platform.services.lifecycle.suspend("acme", "unpaid", platform.admin))
    run(platform, job)
    assert grants(platform) == []


# -- Authentik's step does not end


def create_while_authentik_is_paused(platform: PlatformFixture) -> tuple[TenantView, StepRecord]:
    """Create a tenant, and run its files step until that ends; Authentik stays paused. Return both."""
    platform.services.switches.pause("authentik", "maintenance", platform.admin)
    view = platform.services.tenants.create(NewTenant("acme", "Acme GmbH", "starter", ("acme.test",)), platform.admin)
    assert view.operation is not None
    until = time.monotonic() + 30
    while (current := platform.store.operations.find(view.operation.id)) and current.step("ocis").is_open:
        assert time.monotonic() < until
        platform.runner.run(current.id, "ocis", current.dispatch)
        time.sleep(0.02)
    assert current is not None
    return view, current.step("ocis")


@pytest.mark.parametrize("max_attempts", [3, 40])
def test_a_pause_of_authentik_does_not_use_up_the_attempts_of_the_files_step(
    make_platform: Callable[..., PlatformFixture], dispatcher: Any, max_attempts: int
) -> None:
    platform = make_platform(
        ocis_username="spaces", step_max_attempts=max_attempts, retry_base_seconds=0.01, retry_cap_seconds=0.02
    )
    view, files = create_while_authentik_is_paused(platform)
    assert (files.status, dict(files.notes)) == ("ok", {"members": "pending"})
    assert files.attempts == min(max_attempts, GROUP_ATTEMPTS)
    platform.services.switches.resume("authentik", platform.admin)
    platform.store.deferrals.release([], 10)
    assert platform.finish(view).status == "succeeded"
    assert (platform.tenant("acme").status, platform.tenant("acme").remote["ocisMembers"]) == ("active", "pending")
    platform.ocis.storage.add_group("tenant-acme")
    with opened_job(platform, dispatcher) as job:
        run(platform, job)
    assert grants(platform) == ["editor"]


def test_a_group_that_our_account_may_create_is_created_once_it_is_on_record(
    make_platform: Callable[..., PlatformFixture], dispatcher: Any
) -> None:
    """Authentik was paused for all attempts of the files step that wait for it."""
    platform = make_platform(step_max_attempts=3, retry_base_seconds=0.01, retry_cap_seconds=0.02)
    view, _ = create_while_authentik_is_paused(platform)
    platform.services.switches.resume("authentik", platform.admin)
    platform.store.deferrals.release([], 10)
    assert platform.finish(view).status == "succeeded"
    assert (platform.tenant("acme").remote["ocisMembers"], grants(platform)) == ("pending", [])
    with opened_job(platform, dispatcher) as job:
        run(platform, job)
    assert (platform.tenant("acme").remote["ocisMembers"], grants(platform)) == ("invited", ["editor"])


@pytest.mark.parametrize("is_foreign", [True, False])
def test_a_dry_run_shows_the_invitation_only_if_the_run_makes_it(
    make_platform: Callable[..., PlatformFixture], is_foreign: bool
) -> None:
    """Somebody else's group in Authentik has the tenant's name."""
    platform = make_platform()
    tenant = platform.grown("acme")
    platform.rows["tenants"].update_one({"slug": "acme"}, {"$unset": {"authentikGroupId": ""}})
    directory = platform.authentik.directory
    group = directory.groups[tenant.remote["authentikGroupId"]]
    group.attributes = {} if is_foreign else group.attributes
    (space,) = platform.ocis.storage.spaces.values()
    space.grants = {id_: role for id_, role in space.grants.items() if id_.startswith("u:")}
    changes = []
    for mode in (Mode.DRY_RUN, Mode.APPLY):
        operation = platform.finish(platform.services.tenants.reconcile("acme", platform.admin, mode))
        changes.append(operation.step("ocis").changes)
    assert changes[0] == changes[1] == (() if is_foreign else ("invite the group tenant-acme as editor",))


def test_an_open_breaker_stops_the_checks_until_a_probe(platform: PlatformFixture, job: PendingMembersJob) -> None:
    platform.grown("acme")
    password = platform.ocis._basic_users["spaces"]
    platform.ocis._basic_users["spaces"] = ("other", "Space Admin")
    run(platform, job)
    assert platform.store.switches.all()["ocis"].is_open
    asked = len(platform.ocis.journal)
    for _ in range(3):
        run(platform, job)
    assert len(platform.ocis.journal) == asked
    platform.ocis._basic_users["spaces"] = password
    platform.rows["switches"].update_one({"_id": "ocis"}, {"$set": {"openUntil": datetime.now(UTC)}})
    platform.ocis.storage.add_group("tenant-acme")
    run(platform, job)
    assert not platform.store.switches.all()["ocis"].is_open
    assert grants(platform) == ["editor"]


def test_a_reconcile_that_does_not_help_is_repeated_ever_later(
    platform: PlatformFixture, job: PendingMembersJob
) -> None:
    # a foreign group has the name in Authentik, so that a reconcile never invites it
    platform.authentik.directory.add_group({"name": "tenant-acme"})
    new = NewTenant("acme", "Acme GmbH", "starter", ("acme.test",))
    assert platform.finish(platform.services.tenants.create(new, platform.admin)).status == "failed"
    platform.ocis.storage.add_group("tenant-acme")
    waits = []
    for _ in range(10):
        run(platform, job)
        due = platform.rows["tenants"].find_one({"slug": "acme"}, {"membersDueAt": 1}) or {}
        waits.append(round((due["membersDueAt"].replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds(), -2))
    assert waits == [min(300 * 2**count, 86400) for count in range(1, 11)]


# -- the command


@pytest.fixture
def command(platform: PlatformFixture) -> Callable[..., tuple[int, str]]:
    def call(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(ownership_markers.main, arguments, obj=platform.settings)
        return result.exit_code, result.output

    return call


def test_the_marker_is_printed_and_repaired(platform: PlatformFixture, command: Callable[..., tuple[int, str]]) -> None:
    tenant = platform.grown("acme")
    marker = MarkerSigner("ocis", platform.settings.stamp_key_texts).text(tenant.id)
    assert command("show", "acme") == (0, f"{marker}\n")
    (space,) = platform.ocis.storage.spaces.values()
    space.description = "Our own"
    assert command("repair", "acme")[0] == 0
    assert space.description == f"Our own {marker}"
    assert "already" in command("repair", "acme")[1]


def test_a_fault_that_cannot_be_repaired_is_reported(
    platform: PlatformFixture, command: Callable[..., tuple[int, str]]
) -> None:
    assert command("repair", "nobody") == (1, "Error: There is no tenant nobody.\n")
    tenant = platform.grown("acme")
    (space,) = platform.ocis.storage.spaces.values()
    foreign = MarkerSigner("ocis", platform.settings.stamp_key_texts).text("f" * 24)
    space.description = foreign
    code, output = command("repair", "acme")
    assert (code, "another tenant's marker" in output, space.description) == (1, True, foreign)
    fault(platform.ocis, kind="storage_down")
    code, output = command("repair", "acme")
    assert (code, "not there any more" in output) == (1, False)
    platform.ocis.faults.clear()
    del platform.ocis.storage.spaces[tenant.remote["ocisSpaceId"]]
    assert "not there any more" in command("repair", "acme")[1]
