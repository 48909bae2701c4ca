"""A space that our account is no member of: it is never changed if it may ever have had files."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sandbox.simulators.ocis.server import OcisSimulator
from sandbox.simulators.ocis.spaces import Space
from shared.integrations.outcomes import PermanentError, Result, TemporaryError
from tests.ocis.spaces import only, our_permission, spaces
from tests.simulators import MakeStep, Saved, fault
from worker.integrations.ocis.client import OcisClient
from worker.integrations.ocis.finding import ABANDONED_TEXT
from worker.integrations.ocis.space import ensure_files, remove_files

Change = Callable[[OcisSimulator, Space], None]


def trash(ocis: OcisSimulator, space: Space) -> None:
    """Delete the only file: `used` is 0 then, and the file lies in the trash bin."""
    ocis.storage.put_file(space, "plan.txt", 5_000_000)
    ocis.storage.delete_file(space, "plan.txt")


def keep_file(ocis: OcisSimulator, space: Space) -> None:
    ocis.storage.put_file(space, "plan.txt", 5_000_000)


def keep_nothing(ocis: OcisSimulator, space: Space) -> None:
    """Put no file into the space."""


@pytest.mark.parametrize("is_disabled", [False, True], ids=["reconcile", "restore"])
@pytest.mark.parametrize("fill", [trash, keep_file, keep_nothing])
@pytest.mark.parametrize("others", [True, False], ids=["other-manager", "nobody"])
def test_a_space_on_record_that_we_were_removed_from_is_never_removed(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, fill: Change, others: bool, is_disabled: bool
) -> None:
    ensure_files(make_step("ocis"), files)
    space = only(ocis)
    fill(ocis, space)
    space.grants = {"u:somebody": "manager"} if others else {}
    space.disabled = is_disabled
    for _ in range(3):
        with pytest.raises(PermanentError, match="locked_out"):
            ensure_files(make_step("ocis"), files)
    assert only(ocis) is space
    assert (space.disabled, len(space.trash), len(space.files)) == (False, fill is trash, fill is keep_file)


def test_our_account_works_again_after_it_is_invited_back(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    ensure_files(make_step("ocis"), files)
    grants = dict(only(ocis).grants)
    only(ocis).grants = {"u:somebody": "manager"}
    with pytest.raises(PermanentError, match="locked_out"):
        ensure_files(make_step("ocis"), files)
    only(ocis).grants = grants
    assert ensure_files(make_step("ocis"), files).result is Result.OK


@pytest.mark.parametrize("is_disabled", [False, True])
def test_a_dry_run_reports_the_same_as_the_run(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, is_disabled: bool
) -> None:
    ensure_files(make_step("ocis"), files)
    only(ocis).grants = {"u:somebody": "manager"}
    only(ocis).disabled = is_disabled
    with pytest.raises(PermanentError, match="locked_out"):
        ensure_files(make_step("ocis", is_dry_run=True), files)
    assert only(ocis).disabled is is_disabled


def test_a_space_without_record_that_has_other_members_is_not_touched(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved
) -> None:
    """The record was lost and a manager removed our account: OpenCloud shows members only on request."""
    ensure_files(make_step("ocis"), files)
    trash(ocis, only(ocis))
    only(ocis).grants = {"u:somebody": "manager"}
    saved.clear()
    with pytest.raises(PermanentError, match="locked_out"):
        ensure_files(make_step("ocis"), files)
    assert (only(ocis).disabled, len(only(ocis).trash)) == (False, 1)


def test_a_space_whose_members_the_server_hides_is_not_touched(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved
) -> None:
    """The record was lost, a manager removed our account, and the only file lies in the trash bin."""
    ensure_files(make_step("ocis"), files)
    space, text = only(ocis), only(ocis).description
    trash(ocis, space)
    del space.grants[our_permission(ocis)]
    saved.clear()
    fault(ocis, kind="members_hidden")
    for _ in range(2):
        with pytest.raises(PermanentError, match="locked_out"):
            ensure_files(make_step("ocis"), files)
    assert (only(ocis).description, space.disabled, len(space.trash)) == (text, False, 1)


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_a_lost_role_is_reported_although_our_account_is_still_a_member(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, role: str
) -> None:
    """A manager made our account a mere member: without the role, OCIS answers 404 to the change of the name."""
    ensure_files(make_step("ocis"), files)
    space = only(ocis)
    space.grants |= {our_permission(ocis): role, "u:somebody": "manager"}
    space.name = "Renamed"
    fault(ocis, kind="role_lost")
    with pytest.raises(PermanentError, match="missing_permission"):
        ensure_files(make_step("ocis"), files)
    ocis.faults.clear()
    assert space.disabled is False


def other_space(ocis: OcisSimulator) -> str:
    """Create a space with a member, by which the server is seen to show members."""
    ocis.people.person("anna", "User")
    return ocis.add_space("Other", manager="anna")


def fail_halfway(ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, *, is_first: bool = False) -> None:
    """Have the creation of the tenant's space fail half-way, which leaves a space without members."""
    fault(ocis, kind="create_then_500", count=1)
    with pytest.raises(TemporaryError, match="not_ready"):
        ensure_files(make_step("ocis", is_first=is_first), files)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_space_without_members_is_given_up_at_once_even_if_it_is_the_only_space(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, is_first: bool
) -> None:
    fail_halfway(ocis, files, make_step, is_first=is_first)
    assert only(ocis).description.startswith(ABANDONED_TEXT)


def test_a_space_that_was_created_without_members_is_disabled_and_kept_and_another_is_created(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved
) -> None:
    fail_halfway(ocis, files, make_step, is_first=True)
    half = only(ocis)
    assert ensure_files(make_step("ocis"), files).notes == {"members": "invited"}
    assert (half.disabled, half.description.startswith(ABANDONED_TEXT)) == (True, True)
    used = ocis.storage.spaces[saved["ocisSpaceId"]]
    assert (len(spaces(ocis)), used.disabled, used is half) == (2, False, False)
    assert ensure_files(make_step("ocis"), files).changes == ()


def test_a_dry_run_without_our_membership_changes_nothing(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    other_space(ocis)
    fault(ocis, kind="create_then_500", count=1)
    fault(ocis, kind="status", status=500, method="GET", path="drives\\?", count=1)
    with pytest.raises(TemporaryError):
        ensure_files(make_step("ocis", is_first=True), files)
    planned = make_step("ocis", is_dry_run=True)
    ensure_files(planned, files)
    assert "disable the space Acme GmbH, which was created without members, and create another" in planned.changes
    assert [one.disabled for one in spaces(ocis)] == [False, False]


def test_a_purge_removes_the_given_up_space_and_its_replacement(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    other = other_space(ocis)
    fail_halfway(ocis, files, make_step)
    ensure_files(make_step("ocis"), files)
    assert remove_files(make_step("ocis"), files).result is Result.OK
    assert only(ocis).id == other


def test_a_space_that_shows_no_members_for_a_moment_is_kept(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    ensure_files(make_step("ocis"), files)
    first, grants = only(ocis).id, dict(only(ocis).grants)
    fault(ocis, kind="storage_down", path="root/permissions", count=1)
    with pytest.raises(TemporaryError, match="storage_down"):
        ensure_files(make_step("ocis"), files)
    assert (only(ocis).id, only(ocis).grants, only(ocis).disabled) == (first, grants, False)
    assert our_permission(ocis) in only(ocis).grants
