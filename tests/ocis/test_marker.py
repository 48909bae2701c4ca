"""The ownership marker in a space's description, which people see as the subtitle and edit."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sandbox.simulators.ocis.server import OcisSimulator
from shared.integrations.outcomes import Outcome, PermanentError, Result
from shared.integrations.ownership_marker import MarkerSigner
from tests.ocis.spaces import only, our_permission, spaces
from tests.simulators import STAMP_KEYS, TENANT_ID, MakeStep, Saved, fault, tenant
from worker.integrations.ocis.client import OcisClient
from worker.integrations.ocis.marker import repair_marker
from worker.integrations.ocis.space import close_files, ensure_files, remove_files
from worker.integrations.step_context import StepContext

STAMPER = MarkerSigner("ocis", STAMP_KEYS)
WRITE_BACK = "write the ownership marker back into the description of the space Acme GmbH"
FORGED = STAMPER.text(TENANT_ID)[:-9] + "f" * 8 + "]"
Step = Callable[[StepContext, OcisClient], Outcome]


@pytest.mark.parametrize("text", ["{} Our own files", "Our {} files", "Ours\n{}\n", "{0} and {0}"])
def test_text_that_people_add_around_the_marker_stays_and_is_no_drift(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved, text: str
) -> None:
    ensure_files(make_step("ocis"), files)
    only(ocis).description = written = text.format(STAMPER.text(TENANT_ID))
    again = make_step("ocis")
    ensure_files(again, files)
    assert (again.changes, only(ocis).description) == ([], written)
    saved.clear()
    ensure_files(make_step("ocis"), files)
    assert saved["ocisSpaceId"] == only(ocis).id


@pytest.mark.parametrize("text", ["", "Our own files", "[dezky-tenant 6b058a72", FORGED])
@pytest.mark.parametrize("is_disabled", [False, True])
def test_a_removed_marker_is_restored_in_the_space_on_record_and_reported(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, text: str, is_disabled: bool
) -> None:
    ensure_files(make_step("ocis"), files)
    only(ocis).description, only(ocis).disabled = text, is_disabled
    planned, run = make_step("ocis", is_dry_run=True), make_step("ocis")
    ensure_files(planned, files)
    assert only(ocis).description == text
    ensure_files(run, files)
    assert WRITE_BACK in planned.changes
    assert WRITE_BACK in run.changes
    assert only(ocis).description.startswith(text.replace(FORGED, ""))
    assert STAMPER.tenant_id(only(ocis).description) == TENANT_ID


def test_a_marker_is_not_written_into_a_space_that_we_do_not_manage(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    ensure_files(make_step("ocis"), files)
    only(ocis).description = "Ours"
    only(ocis).grants |= {our_permission(ocis): "editor", "u:somebody": "manager"}
    for is_dry_run in (True, False):
        with pytest.raises(PermanentError, match="marker_removed"):
            ensure_files(make_step("ocis", is_dry_run=is_dry_run), files)
    assert only(ocis).description == "Ours"


@pytest.mark.parametrize(("step", "disabled"), [(close_files, [True]), (remove_files, [])])
def test_suspend_delete_and_purge_act_by_the_id_on_record(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, step: Step, disabled: list[bool]
) -> None:
    ensure_files(make_step("ocis"), files)
    only(ocis).description = "Ours"
    foreign = ocis.add_space("Beta", "Ours", "project/tenant-acme")
    step(make_step("ocis"), files)
    assert ocis.storage.spaces.pop(foreign).disabled is False
    assert [space.disabled for space in spaces(ocis)] == disabled


def test_a_marker_of_an_older_key_is_signed_again_and_the_text_around_it_stays(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    ensure_files(make_step("ocis"), files)
    only(ocis).description = f"Ours {STAMPER.text(TENANT_ID)} since 2020"
    new = MarkerSigner("ocis", ("a newer key", *STAMP_KEYS))
    given = make_step("ocis")
    rotated = StepContext(tenant(remote=given.tenant.remote), given.plan, new, given.save, found=given.found)
    ensure_files(rotated, files)
    assert only(ocis).description == f"Ours {new.text(TENANT_ID)} since 2020"


@pytest.mark.parametrize(("step", "left"), [(ensure_files, [False]), (close_files, [True]), (remove_files, [])])
def test_a_space_on_record_without_its_marker_is_found_though_one_read_of_it_is_a_404(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, step: Step, left: list[bool]
) -> None:
    """Seen: with the storage down GET is 404, and people clear the description."""
    ensure_files(make_step("ocis"), files)
    own = only(ocis)
    own.description = ""
    fault(ocis, kind="storage_down", path="drives/", count=1)
    assert step(make_step("ocis"), files).result is Result.OK
    assert [(one.id, one.disabled) for one in spaces(ocis)] == [(own.id, is_disabled) for is_disabled in left]


def test_a_manager_without_the_role_repairs_the_marker(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    ensure_files(make_step("ocis"), files)
    only(ocis).description = "Ours"
    fault(ocis, kind="role_lost")
    repair_marker(make_step("ocis").tenant, files, STAMPER)
    assert STAMPER.tenant_id(only(ocis).description) == TENANT_ID
    only(ocis).grants = {"u:somebody": "manager"}
    with pytest.raises(PermanentError, match="missing_permission"):
        repair_marker(make_step("ocis").tenant, files, STAMPER)
