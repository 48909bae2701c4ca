"""Invite a group that OCIS learned of after the tenant's space was set up; and the command for the marker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from shared.integrations.ownership_marker import Stamper
from shared.provisioning.starter import Starter
from tests.simulators import fault
from tests.yard import Yard
from worker import ownership_markers
from worker.integrations.ocis.client import connect
from worker.jobs.pending_members import PendingMembersJob

Due = Callable[[], None]


@pytest.fixture
def yard(make_yard: Callable[..., Yard]) -> Yard:
    """Our account may not create groups in OCIS."""
    return make_yard(ocis_username="spaces")


@pytest.fixture
def job(yard: Yard, dispatcher: Any) -> Iterator[PendingMembersJob]:
    starter = Starter(yard.store, dispatcher, yard.settings)
    made = PendingMembersJob(yard.store, starter, connect(yard.settings), yard.settings)
    yield made
    made.close()


def run(yard: Yard, job: PendingMembersJob, *, is_due: bool = True) -> None:
    """Do one check, and run the operation that it may have started."""
    if is_due:
        yard.rows["tenants"].update_many({}, {"$unset": {"membersDueAt": ""}})
    job.push()
    if job._running is not None:
        job._running.result(10)
    for row in yard.rows["operations"].find({"status": "running"}):
        operation = yard.store.operations.find(str(row["_id"]))
        assert operation is not None
        yard.finish(yard.plane.tenants.get(operation.tenant_slug, yard.admin))


def grants(yard: Yard) -> list[str]:
    (space,) = yard.ocis.snapshot()["spaces"]
    return [role for id_, role in space["grants"].items() if id_.startswith("g:")]


def test_the_group_is_invited_once_ocis_knows_it(yard: Yard, job: PendingMembersJob) -> None:
    yard.grown("acme")
    assert (yard.tenant("acme").remote["ocisMembers"], grants(yard)) == ("pending", [])
    operations = yard.rows["operations"].count_documents({})
    run(yard, job)
    assert yard.rows["operations"].count_documents({}) == operations
    yard.ocis.storage.add_group("tenant-acme")
    run(yard, job)
    assert (yard.tenant("acme").remote["ocisMembers"], grants(yard)) == ("invited", ["editor"])
    asked = len(yard.ocis.journal)
    run(yard, job)
    assert len(yard.ocis.journal) == asked


def test_a_tenant_is_checked_once_in_a_while(yard: Yard, job: PendingMembersJob) -> None:
    yard.grown("acme")
    run(yard, job)
    asked = len(yard.ocis.journal)
    run(yard, job, is_due=False)
    assert len(yard.ocis.journal) == asked


@pytest.mark.parametrize("rule", [{"kind": "graph_down"}, {"kind": "hang"}, {"kind": "wrong_body"}, {"kind": "reset"}])
def test_an_ocis_that_fails_is_asked_again_later(yard: Yard, job: PendingMembersJob, rule: dict[str, Any]) -> None:
    yard.grown("acme")
    yard.ocis.storage.add_group("tenant-acme")
    fault(yard.ocis, **rule)
    run(yard, job)
    assert grants(yard) == []
    yard.ocis.faults.clear()
    run(yard, job)
    assert grants(yard) == ["editor"]


def test_nothing_is_asked_for_a_suspended_tenant_or_while_ocis_is_paused(yard: Yard, job: PendingMembersJob) -> None:
    yard.grown("acme")
    yard.ocis.storage.add_group("tenant-acme")
    yard.plane.switches.pause("ocis", "maintenance", yard.admin)
    run(yard, job)
    assert grants(yard) == []
    yard.plane.switches.resume("ocis", yard.admin)
    yard.finish(yard.plane.life.suspend("acme", "unpaid", yard.admin))
    run(yard, job)
    assert grants(yard) == []


# -- the command


@pytest.fixture
def command(yard: Yard) -> Callable[..., tuple[int, str]]:
    def call(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(ownership_markers.main, arguments, obj=yard.settings)
        return result.exit_code, result.output

    return call


def test_the_marker_is_printed_and_repaired(yard: Yard, command: Callable[..., tuple[int, str]]) -> None:
    tenant = yard.grown("acme")
    marker = Stamper("ocis", yard.settings.stamp_key_texts).text(tenant.id)
    assert command("show", "acme") == (0, f"{marker}\n")
    (space,) = yard.ocis.storage.spaces.values()
    space.description = "Our own"
    assert command("repair", "acme")[0] == 0
    assert space.description == f"Our own {marker}"
    assert "already" in command("repair", "acme")[1]


def test_what_cannot_be_repaired_is_told(yard: Yard, command: Callable[..., tuple[int, str]]) -> None:
    assert command("repair", "nobody") == (1, "Error: There is no tenant nobody.\n")
    tenant = yard.grown("acme")
    (space,) = yard.ocis.storage.spaces.values()
    foreign = Stamper("ocis", yard.settings.stamp_key_texts).text("f" * 24)
    space.description = foreign
    code, output = command("repair", "acme")
    assert (code, "another tenant's marker" in output, space.description) == (1, True, foreign)
    fault(yard.ocis, kind="storage_down")
    assert command("repair", "acme")[0] == 1
    yard.ocis.faults.clear()
    del yard.ocis.storage.spaces[tenant.remote["ocisSpaceId"]]
    assert "not there any more" in command("repair", "acme")[1]
