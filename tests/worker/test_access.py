"""The access step: removed members lose access, and stay on record until they are added again."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sandbox.simulators.authentik.server import AuthentikSimulator
from shared.integrations.outcomes import NotFound, PermanentError, Result, TemporaryError
from shared.tenants.model import Status
from tests.simulators import API_TOKEN, MakeStep, Saved, fault
from worker.http.deadline import within
from worker.http.json_client import BearerToken, JsonClient
from worker.integrations.authentik.client import AuthentikClient
from worker.integrations.authentik.group import ensure_group
from worker.integrations.authentik.membership import close_access, ensure_access

#: all permissions that the step needs, without the one to see people
BLIND = ("view_group", "change_group", "add_user_to_group", "remove_user_from_group")


@pytest.fixture
def identity(authentik: AuthentikSimulator) -> Iterator[AuthentikClient]:
    api = JsonClient(authentik.url, authorize=BearerToken(API_TOKEN), call_seconds=1.0)
    yield AuthentikClient(api)
    api.close()


@pytest.fixture
def ann(authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep) -> int:
    """A member of the tenant's group; her number."""
    ensure_group(make_step("authentik"), identity)
    return authentik.ensure_person("ann", "password", "Ann", "ann@acme.test", ["tenant-acme"])


def members(identity: AuthentikClient, saved: Saved) -> set[int]:
    return set(identity.get_group(saved["authentikGroupId"]).member_ids)


def test_members_are_removed_from_the_group_and_added_again(
    identity: AuthentikClient, make_step: MakeStep, saved: Saved, ann: int
) -> None:
    assert close_access(make_step("authentik"), identity).result is Result.OK
    assert members(identity, saved) == set()
    assert ensure_access(make_step("authentik"), identity).result is Result.OK
    assert members(identity, saved) == {ann}


def test_members_that_our_account_may_not_see_are_not_reported_as_removed(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, saved: Saved, ann: int
) -> None:
    # Authentik answers as if a person whom our account may not see did not exist
    authentik.limit_token(BLIND)
    with pytest.raises(PermanentError, match="missing_permission"):
        close_access(make_step("authentik"), identity)
    assert members(identity, saved) == {ann}


def test_members_that_our_account_may_not_see_stay_recorded_while_removed(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, saved: Saved, ann: int
) -> None:
    close_access(make_step("authentik"), identity)
    authentik.limit_token(BLIND)
    with pytest.raises(PermanentError, match="missing_permission"):
        ensure_access(make_step("authentik"), identity)
    authentik.limit_token([*BLIND, "view_user"])
    assert ensure_access(make_step("authentik"), identity).result is Result.OK
    assert members(identity, saved) == {ann}


def test_an_account_that_was_deleted_while_removed_blocks_no_other_member(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, saved: Saved, ann: int
) -> None:
    bob = authentik.ensure_person("bob", "password", "Bob", "bob@acme.test", ["tenant-acme"])
    close_access(make_step("authentik"), identity)
    authentik.directory.delete_user(authentik.directory.users[ann])
    outcome = ensure_access(make_step("authentik"), identity)
    assert (outcome.result, outcome.notes) == (Result.OK, {"notAddedAgain": f"deleted meanwhile: {ann}"})
    assert members(identity, saved) == {bob}


def test_one_member_that_cannot_be_removed_or_added_blocks_no_other(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, saved: Saved, ann: int
) -> None:
    bob = authentik.ensure_person("bob", "password", "Bob", "bob@acme.test", ["tenant-acme"])
    fault(authentik, kind="status", status=400, contains=f'"pk": {ann}}}')
    with pytest.raises(PermanentError, match="invalid"):
        close_access(make_step("authentik"), identity)
    assert members(identity, saved) == {ann}
    authentik.faults.clear()
    close_access(make_step("authentik"), identity)
    fault(authentik, kind="status", status=400, contains=f'"pk": {ann}}}')
    with pytest.raises(PermanentError, match="invalid"):
        ensure_access(make_step("authentik"), identity)
    assert members(identity, saved) == {bob}
    authentik.faults.clear()
    assert ensure_access(make_step("authentik"), identity).result is Result.OK
    assert members(identity, saved) == {ann, bob}


def test_the_next_attempt_removes_the_members_that_one_attempt_had_no_time_for(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, saved: Saved, ann: int
) -> None:
    people = {
        authentik.ensure_person(f"p{number}", "password", "P", f"p{number}@acme.test", ["tenant-acme"])
        for number in range(30)
    } | {ann}
    fault(authentik, kind="latency", delay=0.1, path="remove_user")
    with within(3.0), pytest.raises(TemporaryError, match="the next attempt continues") as raised:
        close_access(make_step("authentik"), identity)
    # no failure of the product, and no reason to wait
    assert (raised.value.reason, raised.value.wait) == ("not_ready", 0.0)
    left = members(identity, saved)
    assert left
    assert left < people
    authentik.faults.clear()
    close_access(make_step("authentik"), identity)
    assert members(identity, saved) == set()
    ensure_access(make_step("authentik"), identity)
    assert members(identity, saved) == people


def test_our_own_account_in_the_group_stays_there_and_is_not_counted(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, saved: Saved, ann: int
) -> None:
    own = authentik.directory.users_by_name["akadmin"].pk
    authentik.directory.groups[saved["authentikGroupId"]].users.add(own)
    for _ in range(2):
        assert close_access(make_step("authentik"), identity).notes["members"] == "1 removed, recorded for resume"
        assert members(identity, saved) == {own}
    ensure_access(make_step("authentik"), identity)
    assert members(identity, saved) == {own, ann}


def test_members_of_a_child_group_lose_and_regain_access_with_it(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, saved: Saved, ann: int
) -> None:
    directory, group = authentik.directory, saved["authentikGroupId"]
    bob = directory.add_user({"username": "bob"})
    parent = directory.add_group({"name": "their-parent"})
    child = directory.add_group({"name": "their-team", "parents": [parent.pk, group], "users": [bob.pk]})
    assert "tenant-acme" in {one.name for one in directory.all_groups_of(bob).values()}
    assert close_access(make_step("authentik"), identity).notes["childGroups"] == "1 removed, recorded for resume"
    assert "tenant-acme" not in {one.name for one in directory.all_groups_of(bob).values()}
    assert (child.parents, child.users) == ([parent.pk], {bob.pk})
    close_access(make_step("authentik"), identity)
    ensure_group(make_step("authentik"), identity)
    ensure_access(make_step("authentik"), identity)
    assert set(child.parents) == {parent.pk, group}
    assert members(identity, saved) == {ann}
    assert directory.groups[group].attributes["dezky"].keys() & {"heldMembers", "heldChildren"} == set()


def test_a_child_group_that_was_deleted_while_removed_blocks_no_resume(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, saved: Saved, ann: int
) -> None:
    child = authentik.directory.add_group({"name": "their-team", "parents": [saved["authentikGroupId"]]})
    close_access(make_step("authentik"), identity)
    authentik.directory.delete_group(child)
    assert child.pk in ensure_access(make_step("authentik"), identity).notes["notAddedAgain"]
    assert members(identity, saved) == {ann}


def test_a_child_group_that_cannot_be_removed_fails_the_step_after_all_members_are_removed(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, saved: Saved, ann: int
) -> None:
    child = authentik.directory.add_group({"name": "their-team", "parents": [saved["authentikGroupId"]]})
    fault(authentik, kind="status", status=400, method="PATCH", path=child.pk)
    with pytest.raises(PermanentError, match="invalid"):
        close_access(make_step("authentik"), identity)
    assert members(identity, saved) == set()
    authentik.faults.clear()
    close_access(make_step("authentik"), identity)
    assert child.parents == []


def test_a_child_group_that_our_account_may_not_see_is_not_reported_as_removed(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, saved: Saved, ann: int
) -> None:
    group = saved["authentikGroupId"]
    child = authentik.directory.add_group({"name": "their-team", "parents": [group]})
    authentik.limit_token([*BLIND[1:], "view_user"], visible=[group])
    with pytest.raises(TemporaryError, match="unexpected_answer"):
        close_access(make_step("authentik"), identity)
    assert child.parents == [group]


@pytest.mark.parametrize(
    ("field", "value"),
    [("users", ["x"])]
    + [(field, value) for field in ("users", "children", "parents") for value in (None, "absent", "x", [[1]])],
)
def test_a_group_without_its_lists_is_not_reported_as_closed(
    authentik: AuthentikSimulator,
    identity: AuthentikClient,
    make_step: MakeStep,
    saved: Saved,
    ann: int,
    field: str,
    value: object,
) -> None:
    group = identity._api.call("GET", f"/api/v3/core/groups/{saved['authentikGroupId']}/").json() | {field: value}
    if value == "absent":
        del group[field]
    body = json.dumps(group)
    fault(authentik, kind="status", status=200, body=body, content_type="application/json", path="core/groups/[0-9a-f]")
    with pytest.raises(TemporaryError, match="unexpected_answer"):
        close_access(make_step("authentik"), identity)
    assert authentik.directory.groups[saved["authentikGroupId"]].users == {ann}


def test_members_are_added_again_though_a_tool_restored_the_attributes_meanwhile(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, saved: Saved, ann: int
) -> None:
    directory, group = authentik.directory, authentik.directory.groups[saved["authentikGroupId"]]
    child = directory.add_group({"name": "their-team", "parents": [group.pk]})
    before = dict(group.attributes)
    close_access(make_step("authentik", status=Status.SUSPENDED), identity)
    group.attributes = dict(before)
    close_access(make_step("authentik", status=Status.SUSPENDED), identity)
    group.attributes = dict(before)
    ensure_group(make_step("authentik", status=Status.SUSPENDED), identity)
    ensure_access(make_step("authentik", status=Status.SUSPENDED), identity)
    assert (group.users, child.parents) == ({ann}, [group.pk])
    group.users.clear()
    ensure_access(make_step("authentik"), identity)
    assert (group.users, group.attributes) == (set(), before)


def test_the_record_of_removed_members_adds_nobody_to_the_group_of_an_active_tenant(
    identity: AuthentikClient, make_step: MakeStep, saved: Saved, ann: int
) -> None:
    # an older worker ran the resume and did not know the record; then an administrator removed the member
    identity.remove_member(saved["authentikGroupId"], ann)
    saved["removedMembers"] = {"heldMembers": [ann]}
    ensure_access(make_step("authentik", status=Status.ACTIVE), identity)
    assert (members(identity, saved), saved["removedMembers"]) == (set(), None)


def test_members_may_be_added_and_removed_twice(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_group(make_step("authentik"), identity)
    group_id = saved["authentikGroupId"]
    user = authentik.directory.add_user({"username": "member"}).pk
    for _ in range(2):
        identity.add_member(group_id, user)
    assert identity.get_group(group_id).member_ids == {user}
    for _ in range(2):
        identity.remove_member(group_id, user)
    assert identity.get_group(group_id).member_ids == frozenset()
    with pytest.raises(NotFound):
        identity.add_member(group_id, 999)


def test_deleting_a_group_twice_raises_not_found(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_group(make_step("authentik"), identity)
    identity.delete_group(saved["authentikGroupId"])
    with pytest.raises(NotFound):
        identity.delete_group(saved["authentikGroupId"])
