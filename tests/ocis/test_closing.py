"""Close and remove the tenant's spaces: all of them, no others, and never in name only."""

from __future__ import annotations

import pytest

from sandbox.simulators.ocis.server import OcisSimulator
from shared.integrations.outcomes import PermanentError, Result, TemporaryError
from shared.integrations.ownership_marker import MarkerSigner
from tests.ocis.spaces import MakeWork, add_twin, only, spaces
from tests.simulators import OTHER_ID, STAMP_KEYS, Saved, fault
from worker.integrations.ocis.client import OcisClient
from worker.integrations.ocis.space import close_files, ensure_files, remove_files


@pytest.mark.parametrize("known", [True, False], ids=["id-on-record", "no-id"])
def test_closing_disables_every_space_with_our_marker(
    ocis: OcisSimulator, files: OcisClient, work: MakeWork, saved: Saved, known: bool
) -> None:
    ensure_files(work("ocis"), files)
    add_twin(ocis)
    if not known:
        saved.clear()
    assert len(close_files(work("ocis"), files).changes) == 0
    assert [space.disabled for space in spaces(ocis)] == [True, True]
    assert close_files(work("ocis"), files).result is Result.OK


def test_a_space_that_our_lost_role_hides_is_not_reported_as_closed(
    ocis: OcisSimulator, files: OcisClient, work: MakeWork
) -> None:
    ensure_files(work("ocis"), files)
    only(ocis).grants = {"u:somebody": "manager"}
    fault(ocis, kind="role_lost")
    with pytest.raises(PermanentError, match="missing_permission"):
        close_files(work("ocis"), files)
    ocis.faults.clear()
    assert close_files(work("ocis"), files).result is Result.OK
    assert only(ocis).disabled is True


def test_the_space_on_record_is_closed_although_the_list_fails(
    ocis: OcisSimulator, files: OcisClient, work: MakeWork, saved: Saved
) -> None:
    ensure_files(work("ocis"), files)
    fault(ocis, kind="status", status=500, path="drives\\?")
    with pytest.raises(TemporaryError):
        close_files(work("ocis"), files)
    assert only(ocis).disabled is True


@pytest.mark.parametrize("known", [True, False], ids=["id-on-record", "no-id"])
def test_a_purge_removes_every_space_with_our_marker_and_no_other(
    ocis: OcisSimulator, files: OcisClient, work: MakeWork, saved: Saved, known: bool
) -> None:
    ensure_files(work("ocis"), files)
    add_twin(ocis).disabled = True
    foreign = ocis.add_space("Beta", MarkerSigner("ocis", STAMP_KEYS).text(OTHER_ID))
    if not known:
        saved.clear()
    assert remove_files(work("ocis"), files).result is Result.OK
    assert only(ocis).id == foreign


def test_a_purge_spares_a_duplicate_that_a_person_made_of_the_space_and_says_what_to_do(
    ocis: OcisSimulator, files: OcisClient, work: MakeWork
) -> None:
    ensure_files(work("ocis"), files)
    own = only(ocis).id
    ocis.people.person("anna", "User")
    duplicate = add_twin(ocis, manager="anna")
    with pytest.raises(PermanentError, match=duplicate.id.replace("$", r"\$")) as refused:
        remove_files(work("ocis"), files)
    assert refused.value.reason == "ambiguous"
    assert {one.id for one in spaces(ocis)} == {own, duplicate.id}
    duplicate.description = "Mine"
    assert remove_files(work("ocis"), files).result is Result.OK
    assert only(ocis).id == duplicate.id


@pytest.mark.parametrize("path", ["drives(/|\\?)", "drives\\?"], ids=["all", "list"])
def test_nothing_is_reported_as_closed_or_removed_while_the_storage_hides_it(
    ocis: OcisSimulator, files: OcisClient, work: MakeWork, saved: Saved, path: str
) -> None:
    ensure_files(work("ocis"), files)
    saved.clear()
    for close in (close_files, remove_files):
        fault(ocis, kind="storage_down", path=path, count=4)
        fault(ocis, kind="storage_down", path="me/drive$", after=1, count=1)
        with pytest.raises(TemporaryError, match="storage_down"):
            close(work("ocis"), files)
        assert only(ocis).disabled is False
        ocis.faults.clear()
