"""Test the step that provisions the tenant's group: one group with our marker under every fault."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sandbox.simulators.authentik.server import AuthentikSimulator
from shared.integrations.outcomes import Outcome, PermanentError, Result, TemporaryError
from tests.simulators import API_TOKEN, OTHER_ID, TENANT_ID, MakeStep, Saved, fault, writes
from worker.http.json_client import BearerToken, JsonClient
from worker.integrations.authentik.client import AuthentikClient
from worker.integrations.authentik.group import ensure_group, remove_group
from worker.integrations.authentik.membership import close_access, ensure_access
from worker.integrations.step_context import StepContext

STAMP = {
    "tenantId": TENANT_ID,
    "slug": "acme",
    "name": "Acme GmbH",
    "plan": "starter",
    "domains": ["acme.test"],
    "managedBy": "dezky-platform-api",
}


@pytest.fixture
def identity(authentik: AuthentikSimulator) -> Iterator[AuthentikClient]:
    api = JsonClient(authentik.url, authorize=BearerToken(API_TOKEN), call_seconds=1.0)
    yield AuthentikClient(api)
    api.close()


def groups(authentik: AuthentikSimulator) -> list[dict[str, Any]]:
    return [group for group in authentik.snapshot()["groups"] if "tenant-" in group["name"]]


def foreign(authentik: AuthentikSimulator, name: str = "tenant-acme", **attributes: Any) -> str:
    return authentik.directory.add_group({"name": name, "attributes": attributes}).pk


def test_the_group_is_created_with_our_marker_and_put_on_record(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, saved: Saved
) -> None:
    assert ensure_group(make_step("authentik"), identity).result is Result.OK
    (group,) = groups(authentik)
    assert group["name"] == "tenant-acme"
    assert group["attributes"]["dezky"] == STAMP
    assert saved == {"authentikGroupId": group["pk"]}


def test_a_second_run_writes_nothing(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep
) -> None:
    ensure_group(make_step("authentik"), identity)
    authentik.journal.clear()
    ensure_group(make_step("authentik"), identity)
    assert writes(authentik) == []


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "lost"},
        {"kind": "applied_then_status", "status": 500},
        {"kind": "applied_then_status", "status": 405, "body": ""},
        {"kind": "wrong_body"},
        {"kind": "empty_body"},
        {"kind": "drip", "delay": 0.2},
        {"kind": "twin_first"},
    ],
    ids=lambda rule: f"{rule['kind']}-{rule.get('status', '')}",
)
def test_a_group_whose_response_was_lost_is_found_again_and_not_created_twice(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, rule: dict[str, Any]
) -> None:
    fault(authentik, method="POST", count=1, **rule)
    assert ensure_group(make_step("authentik"), identity).result is Result.OK
    assert len(groups(authentik)) == 1


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "reset"},
        {"kind": "status", "status": 500},
        {"kind": "hang"},
        {"kind": "starting"},
        {"kind": "database_down"},
    ],
    ids=lambda rule: str(rule["kind"]),
)
def test_a_group_that_was_not_created_is_retried(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, rule: dict[str, Any]
) -> None:
    fault(authentik, method="POST", count=1, **rule)
    with pytest.raises(TemporaryError):
        ensure_group(make_step("authentik"), identity)
    ensure_group(make_step("authentik"), identity)
    assert len(groups(authentik)) == 1


@pytest.mark.parametrize("attributes", [{}, {"dezky": {"tenantId": OTHER_ID}}])
def test_the_first_attempt_for_a_tenant_does_not_read_and_adopts_no_group(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, attributes: dict[str, Any]
) -> None:
    ensure_group(make_step("authentik", is_first=True, slug="beta"), identity)
    assert [entry["method"] for entry in authentik.journal] == ["POST"]
    foreign(authentik, **attributes)
    with pytest.raises(PermanentError, match="taken"):
        ensure_group(make_step("authentik", is_first=True), identity)


@pytest.mark.parametrize("attributes", [{}, {"dezky": {"tenantId": OTHER_ID}}, {"dezky": "tenant"}])
def test_a_group_of_our_name_without_our_marker_is_never_adopted(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, attributes: dict[str, Any]
) -> None:
    foreign(authentik, **attributes)
    authentik.journal.clear()
    with pytest.raises(PermanentError, match="taken"):
        ensure_group(make_step("authentik"), identity)
    assert writes(authentik) == []


def test_a_foreign_group_that_is_created_at_the_same_moment_is_not_adopted(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep
) -> None:
    fault(authentik, kind="race_lost", count=1)
    with pytest.raises(PermanentError, match="taken"):
        ensure_group(make_step("authentik"), identity)


def test_names_that_differ_in_case_or_by_a_suffix_are_other_groups(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep
) -> None:
    foreign(authentik, "Tenant-Acme")
    foreign(authentik, "tenant-acme-2")
    ensure_group(make_step("authentik"), identity)
    assert len(groups(authentik)) == 2
    assert len(authentik.snapshot()["groups"]) == 5


def test_a_deleted_group_is_created_again(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_group(make_step("authentik"), identity)
    first = saved["authentikGroupId"]
    authentik.directory.delete_group(authentik.directory.groups[first])
    ensure_group(make_step("authentik"), identity)
    assert saved["authentikGroupId"] != first
    assert len(groups(authentik)) == 1


def test_a_renamed_group_gets_its_name_back_and_foreign_attributes_and_members_stay(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_group(make_step("authentik"), identity)
    user = authentik.directory.add_user({"username": "member"})
    group = authentik.directory.groups[saved["authentikGroupId"]]
    group.users.add(user.pk)
    changed = {"name": "renamed", "attributes": {"theirs": 1, "dezky": {"tenantId": TENANT_ID}}}
    authentik.directory.change_group(group, changed, whole=False)
    ensure_group(make_step("authentik"), identity)
    (seen,) = groups(authentik)
    assert seen["name"] == "tenant-acme"
    assert seen["attributes"] == {"theirs": 1, "dezky": STAMP}
    assert seen["members"] == ["member"]


def test_an_id_that_another_tenants_record_names_too_is_not_used(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, saved: Saved
) -> None:
    other = saved["authentikGroupId"] = foreign(authentik, "tenant-beta", dezky={"tenantId": OTHER_ID})
    ensure_group(make_step("authentik", elsewhere=[other]), identity)
    assert saved["authentikGroupId"] == authentik.directory.groups_by_name["tenant-acme"].pk
    assert authentik.directory.groups_by_name["tenant-beta"].attributes == {"dezky": {"tenantId": OTHER_ID}}


@pytest.mark.parametrize("step", [ensure_group, close_access, remove_group])
def test_a_group_on_record_with_another_tenants_marker_is_left_to_people(
    authentik: AuthentikSimulator,
    identity: AuthentikClient,
    make_step: MakeStep,
    saved: Saved,
    step: Callable[[StepContext, AuthentikClient], Outcome],
) -> None:
    ensure_group(make_step("authentik"), identity)
    identity.update_group(saved["authentikGroupId"], attributes={"dezky": {"tenantId": OTHER_ID}})
    authentik.journal.clear()
    with pytest.raises(PermanentError, match="marker_replaced"):
        step(make_step("authentik"), identity)
    assert writes(authentik) == []


@pytest.mark.parametrize("name", ["tenant-acme", "acme people"])
@pytest.mark.parametrize("attributes", [{}, {"theirs": 1, "dezky": "tenant"}])
def test_a_marker_that_was_deleted_from_the_group_on_record_is_written_back(
    authentik: AuthentikSimulator,
    identity: AuthentikClient,
    make_step: MakeStep,
    saved: Saved,
    name: str,
    attributes: dict[str, Any],
) -> None:
    ensure_group(make_step("authentik"), identity)
    group = authentik.directory.groups[saved["authentikGroupId"]]
    group.users.add(authentik.directory.add_user({"username": "member"}).pk)
    authentik.directory.change_group(group, {"name": name, "attributes": attributes}, whole=False)
    context = make_step("authentik")
    assert ensure_group(context, identity).result is Result.OK
    assert any("ownership marker back" in one for one in context.changes)
    (seen,) = groups(authentik)
    assert (seen["pk"], seen["members"]) == (group.pk, ["member"])
    assert seen["attributes"] == {**attributes, "dezky": STAMP}


def test_a_renamed_group_that_is_not_on_record_is_found_by_its_marker(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_group(make_step("authentik"), identity)
    known = saved.pop("authentikGroupId")
    authentik.directory.change_group(authentik.directory.groups[known], {"name": "acme people"}, whole=False)
    assert close_access(make_step("authentik"), identity).result is Result.OK
    ensure_group(make_step("authentik"), identity)
    assert saved["authentikGroupId"] == known
    assert [one["name"] for one in groups(authentik)] == ["tenant-acme"]
    saved.pop("authentikGroupId")
    authentik.directory.change_group(authentik.directory.groups[known], {"name": "one"}, whole=False)
    foreign(authentik, "two", dezky={"tenantId": TENANT_ID})
    with pytest.raises(PermanentError, match="ambiguous"):
        ensure_group(make_step("authentik"), identity)


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_foreign_group_of_the_name_takes_ours_off_the_record(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, saved: Saved, is_deleted: bool
) -> None:
    ensure_group(make_step("authentik"), identity)
    directory, known = authentik.directory, saved["authentikGroupId"]
    if is_deleted:
        directory.delete_group(directory.groups[known])
    else:
        directory.change_group(directory.groups[known], {"name": "acme people"}, whole=False)
    other = directory.groups[foreign(authentik)]
    for _ in range(2):
        with pytest.raises(PermanentError, match="taken") as refusal:
            ensure_group(make_step("authentik"), identity)
        assert ("acme people" in refusal.value.detail) is not is_deleted
        assert saved["authentikGroupId"] is None
    directory.delete_group(other)
    ensure_group(make_step("authentik"), identity)
    assert (saved["authentikGroupId"] == known) is not is_deleted


def test_a_404_for_a_group_that_is_listed_is_not_believed(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_group(make_step("authentik"), identity)
    known = saved["authentikGroupId"]
    authentik.directory.groups[known].attributes = {}
    body = '{"detail": "No Group matches the given query."}'
    fault(authentik, kind="status", status=404, body=body, content_type="application/json", path=f"{known}/", count=1)
    with pytest.raises(TemporaryError, match="unexpected_answer"):
        ensure_group(make_step("authentik"), identity)
    assert saved["authentikGroupId"] == known


def test_two_runs_at_once_create_one_group(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep
) -> None:
    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(lambda _: ensure_group(make_step("authentik"), identity), range(6)))
    assert {outcome.result for outcome in outcomes} == {Result.OK}
    assert len(groups(authentik)) == 1


def test_a_bad_token_and_a_missing_permission_have_different_reasons(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep
) -> None:
    authentik.limit_token(["view_group"])
    with pytest.raises(PermanentError) as refusal:
        ensure_group(make_step("authentik"), identity)
    assert refusal.value.reason == "missing_permission"
    authentik.revoke_token()
    with pytest.raises(PermanentError) as refusal:
        ensure_group(make_step("authentik"), identity)
    assert refusal.value.reason == "bad_credentials"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_of_one_tenants_request_is_that_tenants_fault_and_not_our_accounts(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, status: int
) -> None:
    fault(authentik, kind="status", status=status, path="tenant-acme")
    with pytest.raises(PermanentError) as refusal:
        ensure_group(make_step("authentik"), identity)
    assert refusal.value.reason == "missing_permission"


def test_a_url_that_is_not_authentiks_is_reported(authentik: AuthentikSimulator, make_step: MakeStep) -> None:
    wrong = AuthentikClient(JsonClient(f"{authentik.url}/api/elsewhere", authorize=BearerToken(API_TOKEN)))
    with pytest.raises(PermanentError, match="URL"):
        ensure_group(make_step("authentik"), wrong)


def test_no_secret_is_logged(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fault(authentik, kind="status", status=500, method="POST")
    with pytest.raises(TemporaryError):
        ensure_group(make_step("authentik"), identity)
    assert API_TOKEN not in caplog.text


def test_a_foreign_group_of_the_tenants_name_does_not_stop_its_suspension_or_removal(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep
) -> None:
    foreign(authentik)
    with pytest.raises(PermanentError, match="taken"):
        ensure_group(make_step("authentik"), identity)
    assert close_access(make_step("authentik"), identity).reason == "nothing_there"
    assert remove_group(make_step("authentik"), identity).result is Result.OK
    assert len(groups(authentik)) == 1


@pytest.mark.parametrize("name", ["tenant-acme", "tenant-renamed"])
def test_a_group_on_record_whose_marker_was_deleted_is_closed_and_not_removed(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, saved: Saved, name: str
) -> None:
    ensure_group(make_step("authentik"), identity)
    group = authentik.directory.groups[saved["authentikGroupId"]]
    group.users.add(authentik.directory.add_user({"username": "member"}).pk)
    identity.update_group(group.pk, name=name, attributes={"theirs": True})
    assert close_access(make_step("authentik"), identity).result is Result.OK
    assert group.users == set()
    with pytest.raises(PermanentError, match="marker_missing"):
        remove_group(make_step("authentik"), identity)
    assert len(groups(authentik)) == 1
    ensure_group(make_step("authentik"), identity)
    ensure_access(make_step("authentik"), identity)
    assert len(group.users) == 1
