"""The tenant's group in OCIS: created or found, invited into the space, and removed with the tenant."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sandbox.simulators.ocis.server import OcisSimulator
from shared.integrations.outcomes import PermanentError, Result, TemporaryError
from tests.ocis.spaces import client, group_permission, only, our_permission
from tests.simulators import MakeStep, Saved, fault
from worker.integrations.ocis.client import OcisClient
from worker.integrations.ocis.space import ensure_files, remove_files
from worker.integrations.step_context import GroupState, StepContext

CREATE, INVITE = "create the group tenant-acme in OCIS", "invite the group tenant-acme as editor"


def test_a_removed_group_is_invited_again(ocis: OcisSimulator, files: OcisClient, make_step: MakeStep) -> None:
    ensure_files(make_step("ocis"), files)
    group = group_permission(only(ocis))
    del only(ocis).grants[group]
    again = make_step("ocis")
    ensure_files(again, files)
    assert (only(ocis).grants[group], again.changes) == ("editor", [INVITE])


def test_a_group_that_ocis_does_not_know_yet_leaves_the_step_ok_with_members_pending(
    ocis: OcisSimulator, make_step: MakeStep, saved: Saved
) -> None:
    spaces_only = client(ocis, "spaces")
    assert ensure_files(make_step("ocis"), spaces_only).notes == {"members": "pending"}
    assert saved["ocisMembers"] == "pending"
    ocis.storage.add_group("tenant-acme")
    assert ensure_files(make_step("ocis"), spaces_only).notes == {"members": "invited"}
    assert saved["ocisMembers"] == "invited"


@pytest.mark.parametrize("username", ["provisioner", "spaces"])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_group_whose_name_differs_in_case_is_not_invited(
    ocis: OcisSimulator, make_step: MakeStep, username: str, is_first: bool
) -> None:
    """Authentik keeps `tenant-acme` and `tenant-Acme` apart. A member of the second one signs in to OCIS first."""
    ocis.people.read_groups(ocis.people.person("eve", "User"), ["tenant-Acme"])
    files = client(ocis, username)
    with pytest.raises(PermanentError, match="in case only") as refused:
        ensure_files(make_step("ocis", is_first=is_first), files)
    assert refused.value.reason == "taken"
    assert list(only(ocis).grants) == [our_permission(ocis, username)]
    ocis.people.remove_group(next(iter(ocis.storage.groups)))
    ocis.storage.add_group("tenant-acme")
    assert ensure_files(make_step("ocis"), files).notes == {"members": "invited"}


def with_group(given: StepContext, *states: GroupState) -> StepContext:
    """Return a step context whose group has these states one after the other and keeps the last."""
    left = list(states)
    return replace(given, group_state=lambda: left.pop(0) if len(left) > 1 else left[0])


def test_a_foreign_group_of_the_tenants_name_is_not_invited(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    ocis.storage.add_group("tenant-acme")
    outcome = ensure_files(with_group(make_step("ocis"), GroupState.ABSENT), files)
    assert (outcome.result, outcome.notes) == (Result.OK, {"members": "pending"})
    assert [one for one in only(ocis).grants if one.startswith("g:")] == []
    assert ensure_files(with_group(make_step("ocis"), GroupState.RECORDED), files).notes == {"members": "invited"}


def test_the_group_is_awaited_while_the_identity_providers_step_runs(files: OcisClient, make_step: MakeStep) -> None:
    states = (GroupState.AWAITED, GroupState.AWAITED, GroupState.RECORDED)
    assert ensure_files(with_group(make_step("ocis"), *states), files).notes == {"members": "invited"}


def test_a_slow_identity_provider_makes_the_step_retry(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    with pytest.raises(TemporaryError, match="not_ready"):
        ensure_files(with_group(make_step("ocis"), GroupState.AWAITED), files)
    assert ensure_files(with_group(make_step("ocis"), GroupState.RECORDED), files).notes == {"members": "invited"}
    assert len(ocis.storage.spaces) == 1


def test_a_dry_run_shows_the_space_the_group_and_the_invitation_that_a_run_would_make(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    planned, run = make_step("ocis", is_dry_run=True), make_step("ocis")
    ensure_files(planned, files)
    assert (len(ocis.storage.spaces), len(ocis.storage.groups)) == (0, 0)
    ensure_files(run, files)
    assert planned.changes == run.changes == ["create the space Acme GmbH", CREATE, INVITE]


def test_a_dry_run_shows_group_and_invitation_for_a_disabled_space(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    ensure_files(make_step("ocis"), files)
    del only(ocis).grants[group_permission(only(ocis))]
    ocis.people.remove_group(next(iter(ocis.storage.groups)))
    only(ocis).disabled = True
    planned, run = make_step("ocis", is_dry_run=True), make_step("ocis")
    ensure_files(planned, files)
    ensure_files(run, files)
    assert planned.changes == run.changes == ["enable the space Acme GmbH", CREATE, INVITE]


def test_a_dry_run_shows_no_group_that_our_role_may_not_create(ocis: OcisSimulator, make_step: MakeStep) -> None:
    planned = make_step("ocis", is_dry_run=True)
    assert ensure_files(planned, client(ocis, "spaces")).notes == {"members": "pending"}
    assert planned.changes == ["create the space Acme GmbH"]


def test_a_fault_while_the_group_is_created_does_not_mean_a_read_only_directory(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    fault(ocis, kind="status", status=500, method="POST", path="groups$", count=1)
    with pytest.raises(TemporaryError):
        ensure_files(make_step("ocis"), files)
    assert ensure_files(make_step("ocis"), files).notes == {"members": "invited"}


def test_a_group_that_was_created_although_the_response_was_a_fault_is_invited(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    fault(ocis, kind="applied_then_status", status=500, method="POST", path="groups$", count=1)
    assert ensure_files(make_step("ocis"), files).notes == {"members": "invited"}


def test_a_short_loss_of_the_role_does_not_skip_the_group(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    fault(ocis, kind="role_lost", method="POST", path="groups$", count=1)
    with pytest.raises(TemporaryError, match="which is Admin"):
        ensure_files(make_step("ocis", is_first=True), files)
    assert ensure_files(make_step("ocis"), files).notes == {"members": "invited"}


def test_a_role_that_is_lost_while_the_group_is_created_is_reported(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    fault(ocis, kind="role_lost", path="groups|me\\?")
    with pytest.raises(PermanentError, match="neither the role"):
        ensure_files(make_step("ocis", is_first=True), files)


def test_credentials_that_are_refused_while_the_group_is_created_are_reported(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    fault(ocis, kind="status", status=401, path="groups$|/me$")
    with pytest.raises(PermanentError, match="bad_credentials"):
        ensure_files(make_step("ocis", is_first=True), files)


@pytest.mark.parametrize("status", [405, 501])
def test_a_read_only_directory_leaves_members_pending(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, status: int
) -> None:
    fault(ocis, kind="status", status=status, method="POST", path="groups$")
    assert ensure_files(make_step("ocis"), files).notes == {"members": "pending"}


# -- purge


def test_a_purge_removes_the_group_that_we_created(ocis: OcisSimulator, files: OcisClient, make_step: MakeStep) -> None:
    ensure_files(make_step("ocis"), files)
    ocis.storage.add_group("tenant-beta")
    run = make_step("ocis")
    assert remove_files(run, files).result is Result.OK
    assert list(ocis.storage.groups.values()) == ["tenant-beta"]
    assert "remove the group tenant-acme from OCIS" in run.changes
    assert remove_files(make_step("ocis"), files).result is Result.OK


def test_a_purge_keeps_a_group_that_came_with_a_sign_in(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    ocis.storage.add_group("tenant-acme")
    ensure_files(make_step("ocis"), files)
    remove_files(make_step("ocis"), files)
    assert list(ocis.storage.groups.values()) == ["tenant-acme"]


UNCLEAR: list[dict[str, Any]] = [
    {"kind": "status", "status": 502},
    {"kind": "status", "status": 500, "body": ""},
    {"kind": "lost"},
    {"kind": "wrong_body"},
]


@pytest.mark.parametrize("rule", UNCLEAR, ids=str)
def test_a_purge_keeps_a_group_that_was_there_before_a_request_with_an_unclear_response(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved, rule: dict[str, Any]
) -> None:
    """The first attempt reads nothing before it creates the group."""
    group = ocis.storage.add_group("tenant-acme")
    fault(ocis, method="POST", path="groups$", count=1, **rule)
    assert ensure_files(make_step("ocis", is_first=True), files).notes == {"members": "invited"}
    assert only(ocis).grants[f"g:{group}"] == "editor"
    assert "ocisGroupId" not in saved
    remove_files(make_step("ocis"), files)
    assert list(ocis.storage.groups) == [group]


@pytest.mark.parametrize("rule", [{"kind": "lost"}, {"kind": "applied_then_status", "status": 500}])
def test_a_removal_of_the_group_whose_response_was_lost_succeeds(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, rule: dict[str, object]
) -> None:
    ensure_files(make_step("ocis"), files)
    fault(ocis, method="DELETE", path="groups", count=1, **rule)
    try:
        remove_files(make_step("ocis"), files)
    except TemporaryError:
        assert remove_files(make_step("ocis"), files).result is Result.OK
    assert ocis.storage.groups == {}


def test_a_group_that_our_role_may_not_remove_any_more_is_named(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    ensure_files(make_step("ocis"), files)
    with pytest.raises(PermanentError, match="tenant-acme needs the role Admin"):
        remove_files(make_step("ocis"), client(ocis, "spaces"))
    assert remove_files(make_step("ocis"), files).result is Result.OK


@pytest.mark.parametrize("rule", [{"kind": "role_pending"}, {"kind": "role_lost"}], ids=lambda rule: rule["kind"])
def test_a_removal_of_the_group_that_is_refused_while_the_role_is_assigned_is_tried_again(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, rule: dict[str, Any]
) -> None:
    ensure_files(make_step("ocis"), files)
    fault(ocis, method="DELETE", path="groups", count=1, **rule)
    with pytest.raises(TemporaryError, match="which is Admin"):
        remove_files(make_step("ocis"), files)
    assert remove_files(make_step("ocis"), files).result is Result.OK
    assert ocis.storage.groups == {}


@pytest.mark.parametrize("status", [405, 501])
def test_a_purge_names_the_group_that_a_read_only_directory_keeps(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved, status: int
) -> None:
    ensure_files(make_step("ocis"), files)
    fault(ocis, kind="status", status=status, body="", method="DELETE", path="groups")
    run = make_step("ocis")
    outcome = remove_files(run, files)
    assert outcome.result is Result.OK
    assert outcome.notes["verified"].endswith(
        "; the group tenant-acme stays, because the directory of OCIS is read-only now"
    )
    assert run.changes[-1] == "remove the space Acme GmbH with its data"
    assert saved["ocisGroupId"] in ocis.storage.groups


def test_a_purge_leaves_our_own_account_in_place(ocis: OcisSimulator, files: OcisClient, make_step: MakeStep) -> None:
    ensure_files(make_step("ocis"), files)
    remove_files(make_step("ocis"), files)
    assert ocis.people.people["provisioner"].role == "Admin"
    assert ensure_files(make_step("ocis"), files).result is Result.OK
