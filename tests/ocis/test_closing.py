"""Close and remove the tenant's spaces: all of them, no others, and with verification."""

from __future__ import annotations

import pytest

from sandbox.simulators.ocis.server import OcisSimulator
from shared.integrations.outcomes import PermanentError, Result, TemporaryError
from shared.integrations.ownership_marker import MarkerSigner
from tests.ocis.spaces import add_twin, only, spaces
from tests.simulators import OTHER_ID, STAMP_KEYS, MakeStep, Saved, fault
from worker.integrations.ocis.client import OcisClient
from worker.integrations.ocis.space import close_files, ensure_files, remove_files


@pytest.mark.parametrize("known", [True, False], ids=["id-on-record", "no-id"])
def test_closing_disables_every_space_with_our_marker_and_our_account(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved, known: bool
) -> None:
    ensure_files(make_step("ocis"), files)
    add_twin(ocis, manager="provisioner")
    if not known:
        saved.clear()
    assert len(close_files(make_step("ocis"), files).changes) == 0
    assert [space.disabled for space in spaces(ocis)] == [True, True]
    assert close_files(make_step("ocis"), files).result is Result.OK


def test_a_space_that_our_lost_role_hides_is_not_reported_as_closed(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    ensure_files(make_step("ocis"), files)
    only(ocis).grants = {"u:somebody": "manager"}
    fault(ocis, kind="role_lost")
    with pytest.raises(PermanentError, match="missing_permission"):
        close_files(make_step("ocis"), files)
    ocis.faults.clear()
    assert close_files(make_step("ocis"), files).result is Result.OK
    assert only(ocis).disabled is True


def test_the_space_on_record_is_closed_although_the_list_fails(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_files(make_step("ocis"), files)
    fault(ocis, kind="status", status=500, path="drives\\?")
    with pytest.raises(TemporaryError):
        close_files(make_step("ocis"), files)
    assert only(ocis).disabled is True


@pytest.mark.parametrize("known", [True, False], ids=["id-on-record", "no-id"])
def test_a_purge_removes_every_space_with_our_marker_and_no_other(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved, known: bool
) -> None:
    ensure_files(make_step("ocis"), files)
    add_twin(ocis, manager="provisioner").disabled = True
    foreign = ocis.add_space("Beta", MarkerSigner("ocis", STAMP_KEYS).text(OTHER_ID))
    if not known:
        saved.clear()
    assert remove_files(make_step("ocis"), files).result is Result.OK
    assert only(ocis).id == foreign


def test_a_purge_keeps_a_duplicate_that_a_person_made_and_names_the_remedy(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    ensure_files(make_step("ocis"), files)
    own = only(ocis).id
    ocis.people.person("anna", "User")
    duplicate = add_twin(ocis, manager="anna")
    with pytest.raises(PermanentError, match=duplicate.id.replace("$", r"\$")) as refused:
        remove_files(make_step("ocis"), files)
    assert refused.value.reason == "ambiguous"
    assert {one.id for one in spaces(ocis)} == {own, duplicate.id}
    duplicate.description = "Mine"
    assert remove_files(make_step("ocis"), files).result is Result.OK
    assert only(ocis).id == duplicate.id


@pytest.mark.parametrize("members", [{"u:anna": "manager"}, {}], ids=["a-person", "not-shown"])
@pytest.mark.parametrize("is_disabled", [False, True])
def test_a_space_with_a_copied_marker_is_neither_closed_nor_removed(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, members: dict[str, str], is_disabled: bool
) -> None:
    """The space's files are in the trash bin, so its size is zero."""
    ensure_files(make_step("ocis"), files)
    own, copy = only(ocis), add_twin(ocis)
    copy.grants, copy.disabled = dict(members), is_disabled
    ocis.storage.put_file(copy, "plan.txt", 5_000_000)
    ocis.storage.delete_file(copy, "plan.txt")
    assert copy.id in close_files(make_step("ocis"), files).notes["left_open"]
    assert (own.disabled, copy.disabled) == (True, is_disabled)
    with pytest.raises(PermanentError, match="ambiguous"):
        remove_files(make_step("ocis"), files)
    assert {one.id for one in spaces(ocis)} == {own.id, copy.id}


def test_a_copy_alone_does_not_count_as_a_closed_space(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_files(make_step("ocis"), files)
    only(ocis).grants = {"u:anna": "manager"}
    saved.clear()
    with pytest.raises(PermanentError, match="ambiguous"):
        close_files(make_step("ocis"), files)
    assert only(ocis).disabled is False


def test_a_space_that_another_tenants_record_names_is_never_ours_whatever_its_marker(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved
) -> None:
    """A person of that tenant pasted our marker over its own; the platform's account manages both spaces."""
    ensure_files(make_step("ocis"), files)
    own, others = only(ocis).id, add_twin(ocis, manager="provisioner")
    assert close_files(make_step("ocis", elsewhere=[others.id]), files).notes == {}
    assert others.disabled is False
    assert remove_files(make_step("ocis", elsewhere=[others.id]), files).result is Result.OK
    assert only(ocis) is others
    saved.clear()
    ensure_files(make_step("ocis", elsewhere=[others.id]), files)
    assert saved["ocisSpaceId"] not in (own, others.id)


def test_a_space_on_record_under_another_tenants_marker_is_closed_and_never_removed_or_replaced(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    ensure_files(make_step("ocis"), files)
    only(ocis).description = MarkerSigner("ocis", STAMP_KEYS).text(OTHER_ID)
    with pytest.raises(PermanentError, match="taken"):
        ensure_files(make_step("ocis"), files)
    assert close_files(make_step("ocis"), files).result is Result.OK
    assert only(ocis).disabled is True
    with pytest.raises(PermanentError, match="taken"):
        remove_files(make_step("ocis"), files)
    assert len(spaces(ocis)) == 1


@pytest.mark.parametrize("path", ["drives(/|\\?)", "drives\\?"], ids=["all", "list"])
def test_nothing_is_reported_as_closed_or_removed_while_the_storage_hides_it(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved, path: str
) -> None:
    ensure_files(make_step("ocis"), files)
    saved.clear()
    for close in (close_files, remove_files):
        fault(ocis, kind="storage_down", path=path, count=4)
        fault(ocis, kind="storage_down", path="me/drive$", after=1, count=1)
        with pytest.raises(TemporaryError, match="storage_down"):
            close(make_step("ocis"), files)
        assert only(ocis).disabled is False
        ocis.faults.clear()
