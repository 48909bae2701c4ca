"""Absence of the tenant's space is believed only when the storage, our role and several reads agree."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from sandbox.simulators.ocis.server import OcisSimulator
from sandbox.simulators.ocis.spaces import Space
from shared.integrations.outcomes import Outcome, PermanentError, Result, TemporaryError
from tests.ocis.spaces import client, only, spaces
from tests.simulators import MakeStep, Saved, fault
from worker.integrations.ocis.client import OcisClient
from worker.integrations.ocis.space import close_files, ensure_files, remove_files

BY_ID = "v1.0/drives/"


@pytest.fixture
def hidden(ocis: OcisSimulator, files: OcisClient, make_step: MakeStep) -> Space:
    """Return the tenant's space, which only a read by its id shows; lists show another space.

    A crash lost its entry in the index by type, and a manager removed our account.
    """
    ensure_files(make_step("ocis"), files)
    space = only(ocis)
    ocis.storage.unlisted.add(space.id)
    space.grants = {"u:somebody": "manager"}
    ocis.add_space("Other")
    return space


def test_a_suspension_closes_a_space_whose_first_read_the_storage_missed(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, hidden: Space
) -> None:
    fault(ocis, kind="storage_down", path=BY_ID, count=1)
    assert close_files(make_step("ocis"), files).result is Result.OK
    assert hidden.disabled is True


@pytest.mark.parametrize("misses", [1, 2, 3])
def test_a_purge_never_verifies_the_absence_of_a_space_that_is_there(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, hidden: Space, misses: int
) -> None:
    fault(ocis, kind="storage_down", method="GET", path=BY_ID, count=misses)
    try:
        assert remove_files(make_step("ocis"), files).result is Result.OK
    except TemporaryError as fault_:
        assert fault_.reason == "not_ready"
        assert remove_files(make_step("ocis"), files).result is Result.OK
    assert hidden not in spaces(ocis)


@pytest.mark.parametrize("misses", [1, 2, 3])
def test_a_reconcile_neither_replaces_a_space_that_is_there_nor_its_id_on_record(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved, hidden: Space, misses: int
) -> None:
    fault(ocis, kind="storage_down", method="GET", path=BY_ID, count=misses)
    with pytest.raises(PermanentError, match="locked_out"):
        ensure_files(make_step("ocis"), files)
    assert (saved["ocisSpaceId"], len(spaces(ocis))) == (hidden.id, 2)


@pytest.mark.parametrize("step", [close_files, remove_files, ensure_files])
@pytest.mark.parametrize("after", [0, 1])
def test_a_space_on_record_is_not_absent_while_the_storage_is_down_between_the_reads(
    ocis: OcisSimulator,
    files: OcisClient,
    make_step: MakeStep,
    hidden: Space,
    step: Callable[..., Outcome],
    after: int,
) -> None:
    fault(ocis, kind="storage_down", method="GET", path=BY_ID)
    fault(ocis, kind="storage_down", path="me/drive$", after=after)
    with pytest.raises(TemporaryError, match="storage_down"):
        step(make_step("ocis"), files)
    assert (hidden.disabled, len(spaces(ocis))) == (False, 2)


def test_a_suspension_closes_a_space_that_an_unfinished_attempt_created(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved
) -> None:
    """The worker died between the invitation and the record; people rewrote the description since."""
    ensure_files(make_step("ocis"), files)
    saved |= {"ocisNewSpaceId": saved.pop("ocisSpaceId")}
    only(ocis).description = "Ours"
    assert close_files(make_step("ocis"), files).result is Result.OK
    assert only(ocis).disabled is True


@pytest.fixture
def newcomer(ocis: OcisSimulator, files: OcisClient, make_step: MakeStep) -> OcisClient:
    """Return the client of another machine account, whose role OCIS assigns shortly after its first request."""
    ensure_files(make_step("ocis"), files)
    account = ocis.people.person("spaces", "Space Admin")
    account.role_at = ocis._clock.now() + timedelta(seconds=0.3)
    return client(ocis, "spaces", role_pause=0.5)


def test_a_suspension_by_an_account_whose_role_comes_late_closes_the_space(
    ocis: OcisSimulator, make_step: MakeStep, newcomer: OcisClient
) -> None:
    assert close_files(make_step("ocis"), newcomer).result is Result.OK
    assert only(ocis).disabled is True


def test_a_purge_by_an_account_whose_role_comes_late_removes_the_space(
    ocis: OcisSimulator, make_step: MakeStep, newcomer: OcisClient, saved: Saved
) -> None:
    saved["ocisGroupId"] = None
    assert remove_files(make_step("ocis"), newcomer).result is Result.OK
    assert spaces(ocis) == []


def test_a_space_that_is_gone_is_skipped_by_a_suspension(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    ensure_files(make_step("ocis"), files)
    ocis.storage.spaces.clear()
    ocis.add_space("Other")
    outcome = close_files(make_step("ocis"), files)
    assert (outcome.result, outcome.reason) == (Result.SKIPPED, "nothing_there")


def test_a_dry_run_without_our_role_fails_as_the_run_does(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, hidden: Space
) -> None:
    fault(ocis, kind="role_lost")
    for is_dry_run in (True, False):
        with pytest.raises(PermanentError, match="missing_permission"):
            ensure_files(make_step("ocis", is_dry_run=is_dry_run), files)
    assert len(spaces(ocis)) == 2


@pytest.mark.parametrize(("field", "requests"), [("ocisSpaceId", 8), ("ocisNewSpaceId", 8), ("both", 13)])
def test_a_suspension_finds_a_space_absent_with_few_requests(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved, field: str, requests: int
) -> None:
    fields = ["ocisSpaceId", "ocisNewSpaceId"] if field == "both" else [field]
    saved |= {name: f"gone-{name}" for name in fields}
    ocis.add_space("Other")
    ocis.journal.clear()
    assert close_files(make_step("ocis"), files).result is Result.SKIPPED
    assert len(ocis.journal) <= requests


@pytest.mark.parametrize("step", [close_files, remove_files])
def test_a_dry_run_names_each_change_of_an_unfinished_space_once(
    files: OcisClient, make_step: MakeStep, saved: Saved, step: Callable[..., Outcome]
) -> None:
    ensure_files(make_step("ocis"), files)
    saved |= {"ocisNewSpaceId": saved.pop("ocisSpaceId")}
    planned = make_step("ocis", is_dry_run=True)
    step(planned, files)
    assert len(planned.changes) == len(set(planned.changes)) > 0
