"""Ensure the tenant's space: one space, in a product where nothing is unique and absence may be untrue."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from sandbox.simulators.ocis.server import OcisSimulator
from shared.config.integrations import Plan
from shared.integrations.outcomes import PermanentError, Result, TemporaryError
from shared.integrations.ownership_marker import MarkerSigner
from tests.ocis.spaces import add_twin, client, group_permission, only, our_permission, spaces
from tests.simulators import OTHER_ID, STAMP_KEYS, TENANT_ID, MakeStep, Saved, fault, writes
from worker.http.deadline import within
from worker.integrations.ocis.client import OcisClient
from worker.integrations.ocis.creation import space_name
from worker.integrations.ocis.finding import EMPTY_READS
from worker.integrations.ocis.space import ensure_files


def test_the_space_is_created_with_marker_quota_and_the_group_as_editor(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved
) -> None:
    outcome = ensure_files(make_step("ocis"), files)
    assert (outcome.result, outcome.notes) == (Result.OK, {"members": "invited"})
    space = only(ocis)
    assert (space.name, space.alias, space.quota) == ("Acme GmbH", "project/tenant-acme", 5 * 10**9)
    assert MarkerSigner("ocis", STAMP_KEYS).tenant_id(space.description) == TENANT_ID
    group = next(id_ for id_, name in ocis.storage.groups.items() if name == "tenant-acme")
    assert space.grants == {our_permission(ocis): "manager", f"g:{group}": "editor"}
    assert saved == {
        "ocisSpaceId": space.id,
        "ocisNewSpaceId": None,
        "ocisGroupId": group,
        "ocisMembers": "invited",
    }


def test_the_first_attempt_for_a_tenant_needs_three_requests_and_no_read(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    ensure_files(make_step("ocis", is_first=True), files)
    assert [(entry["method"], entry["path"].partition("?")[0].rpartition("/")[2]) for entry in ocis.journal] == [
        ("POST", "drives"),
        ("POST", "groups"),
        ("POST", "invite"),
    ]


def test_a_first_attempt_that_runs_late_creates_no_second_space(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    """A worker that was frozen and continues: its time ends before its lease, so before another attempt may start."""
    ensure_files(make_step("ocis"), files)
    made = only(ocis)
    with within(0), pytest.raises(TemporaryError, match="timeout"):
        ensure_files(make_step("ocis", is_first=True), files)
    assert only(ocis) == made


@pytest.mark.parametrize("rule", [{"kind": "lost"}, {"kind": "applied_then_status", "status": 500}])
def test_a_first_attempt_whose_response_was_lost_searches_before_it_continues(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, rule: dict[str, Any]
) -> None:
    fault(ocis, method="POST", path="drives$", count=1, **rule)
    assert ensure_files(make_step("ocis", is_first=True), files).result is Result.OK
    assert len(spaces(ocis)) == 1


def test_a_second_run_writes_nothing(ocis: OcisSimulator, files: OcisClient, make_step: MakeStep) -> None:
    ensure_files(make_step("ocis"), files)
    ocis.journal.clear()
    ensure_files(make_step("ocis"), files)
    assert writes(ocis) == []


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "lost"},
        {"kind": "applied_then_status", "status": 502},
        {"kind": "wrong_body"},
        {"kind": "wrong_body", "body": "[" * 100_000},
        {"kind": "wrong_body", "body": '{"id": "\\ud800", "name": "x"}'},
        {"kind": "empty_body"},
        {"kind": "drip", "delay": 0.3},
    ],
    ids=lambda rule: rule["kind"],
)
def test_a_space_whose_response_was_lost_is_found_and_not_created_twice(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, rule: dict[str, Any]
) -> None:
    fault(ocis, method="POST", path="drives$", count=1, **rule)
    assert ensure_files(make_step("ocis"), files).result is Result.OK
    assert len(spaces(ocis)) == 1


def test_a_worker_that_died_before_saving_the_id_finds_the_space_by_its_marker(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_files(make_step("ocis"), files)
    saved.clear()
    ensure_files(make_step("ocis"), files)
    assert len(spaces(ocis)) == 1


def test_a_space_that_a_server_crash_unlisted_is_found_by_id_and_membership(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved
) -> None:
    """The index by type loses entries when the server is killed while it writes."""
    ensure_files(make_step("ocis"), files)
    ocis.storage.unlisted.add(only(ocis).id)
    ensure_files(make_step("ocis"), files)
    saved.clear()
    ensure_files(make_step("ocis"), files)
    assert saved["ocisSpaceId"] == only(ocis).id


@pytest.mark.parametrize("known", [True, False], ids=["id-on-record", "no-id"])
def test_with_the_storage_down_nothing_is_created_and_absence_is_not_believed(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved, known: bool
) -> None:
    ensure_files(make_step("ocis"), files)
    if not known:
        saved.clear()
    fault(ocis, kind="storage_down")
    with pytest.raises(TemporaryError, match="storage_down"):
        ensure_files(make_step("ocis"), files)
    assert len(spaces(ocis)) == 1


def test_a_storage_outage_between_two_reads_is_detected(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    fault(ocis, kind="storage_down", path="drives\\?", count=2)
    fault(ocis, kind="storage_down", path="me/drive$", after=1, count=1)
    with pytest.raises(TemporaryError, match="storage_down"):
        ensure_files(make_step("ocis"), files)
    assert spaces(ocis) == []


def test_a_storage_that_hides_the_space_throughout_the_search_leaves_one_space(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_files(make_step("ocis"), files)
    first = only(ocis).id
    fault(ocis, kind="storage_down", method="GET", path="v1.0/(me/)?drives(/|\\?)", count=1 + 2 * EMPTY_READS)
    outcome = ensure_files(make_step("ocis"), files)
    assert (only(ocis).id, only(ocis).disabled, saved["ocisSpaceId"]) == (first, False, first)
    assert outcome.notes == {"members": "invited"}


def test_a_404_of_a_front_proxy_does_not_mean_that_the_space_is_absent(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    ensure_files(make_step("ocis"), files)
    for body, kind in (("404 page not found", "text/plain"), ("<html>404</html>", "text/html")):
        fault(ocis, kind="status", status=404, body=body, content_type=kind)
        with pytest.raises(TemporaryError):
            ensure_files(make_step("ocis"), files)
        ocis.faults.clear()
    fault(ocis, kind="proxy_page")
    with pytest.raises(TemporaryError):
        ensure_files(make_step("ocis", is_first=True), files)
    assert len(spaces(ocis)) == 1


# -- two spaces


def test_a_space_that_appears_during_the_creation_replaces_the_new_one(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved
) -> None:
    """An earlier request that timed out has its effect after our search."""
    fault(ocis, kind="second_creator", count=1)
    ensure_files(make_step("ocis"), files)
    assert saved["ocisSpaceId"] == only(ocis).id


@pytest.mark.parametrize(
    ("method", "path", "after"),
    [
        ("GET", "v1.0/(me/)?drives", 2 * EMPTY_READS),
        ("PROPFIND", "dav/spaces", 0),
        ("DELETE", "v1.0/drives", 0),
        ("DELETE", "v1.0/drives", 1),
        ("GET", "v1.0/(me/)?drives", 2 * EMPTY_READS + 2),
    ],
    ids=["searching", "reading", "disabling", "purging", "searching-again"],
)
def test_the_removal_of_a_second_space_continues_where_it_failed(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved, method: str, path: str, after: int
) -> None:
    fault(ocis, kind="second_creator", count=1)
    fault(ocis, kind="status", status=500, method=method, path=path, after=after, count=1)
    with pytest.raises(TemporaryError):
        ensure_files(make_step("ocis"), files)
    assert "ocisSpaceId" not in saved
    ensure_files(make_step("ocis"), files)
    assert (saved["ocisSpaceId"], saved["ocisNewSpaceId"]) == (only(ocis).id, None)
    assert only(ocis).disabled is False


@pytest.mark.parametrize("content", ["file", "trash", "member", "disabled-trash"])
def test_a_second_space_that_may_hold_files_is_kept_for_an_operator(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved, content: str
) -> None:
    fault(ocis, kind="second_creator", count=1)
    fault(ocis, kind="status", status=500, method="DELETE", count=1)
    with pytest.raises(TemporaryError):
        ensure_files(make_step("ocis"), files)
    second = ocis.storage.spaces[saved["ocisNewSpaceId"]]
    if content == "member":
        second.grants["u:somebody"] = "viewer"
    else:
        ocis.storage.put_file(second, "plan.txt", 17)
        if content.endswith("trash"):
            ocis.storage.delete_file(second, "plan.txt")
    second.disabled = content.startswith("disabled")
    with pytest.raises(PermanentError, match="ambiguous"):
        ensure_files(make_step("ocis"), files)
    assert len(spaces(ocis)) == 2


def test_two_spaces_with_our_marker_are_ambiguous_while_no_id_is_on_record(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_files(make_step("ocis"), files)
    add_twin(ocis)
    saved.clear()
    with pytest.raises(PermanentError, match="ambiguous"):
        ensure_files(make_step("ocis"), files)
    assert [space.disabled for space in spaces(ocis)] == [False, False]


# -- foreign spaces


@pytest.mark.parametrize("kind", ["forged", "other-tenant", "two-tenants"])
def test_a_foreign_space_with_our_name_and_alias_is_not_adopted(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, kind: str
) -> None:
    signer = MarkerSigner("ocis", STAMP_KEYS)
    descriptions = {
        "forged": MarkerSigner("ocis", ("guessed",)).text(TENANT_ID),
        "other-tenant": signer.text(OTHER_ID),
        "two-tenants": f"{signer.text(OTHER_ID)} {signer.text(TENANT_ID)}",
    }
    foreign = ocis.add_space("Acme GmbH", descriptions[kind], "project/tenant-acme")
    ensure_files(make_step("ocis"), files)
    assert len(spaces(ocis)) == 2
    assert ocis.storage.spaces[foreign].description == descriptions[kind]


def test_an_id_on_record_of_a_space_with_another_tenants_marker_and_record_is_not_believed(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved
) -> None:
    saved["ocisSpaceId"] = beta = ocis.add_space("Beta", MarkerSigner("ocis", STAMP_KEYS).text(OTHER_ID))
    ensure_files(make_step("ocis", elsewhere=[beta]), files)
    assert len(spaces(ocis)) == 2
    assert ocis.storage.spaces[saved["ocisSpaceId"]].name == "Acme GmbH"


# -- drift


def test_a_disabled_space_is_restored_and_not_doubled(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    ensure_files(make_step("ocis"), files)
    only(ocis).disabled = True
    ensure_files(make_step("ocis"), files)
    assert only(ocis).disabled is False


def test_a_restore_whose_response_was_lost_is_not_sent_to_an_enabled_space_again(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    """OpenCloud answers 500 to the restore of an enabled space."""
    ensure_files(make_step("ocis"), files)
    only(ocis).disabled = True
    fault(ocis, kind="applied_then_status", status=502, method="PATCH", count=1)
    with pytest.raises(TemporaryError):
        ensure_files(make_step("ocis"), files)
    assert ensure_files(make_step("ocis"), files).result is Result.OK
    assert only(ocis).disabled is False


def test_a_purged_space_is_created_again(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_files(make_step("ocis"), files)
    ocis.storage.spaces.clear()
    ensure_files(make_step("ocis"), files)
    assert saved["ocisSpaceId"] == only(ocis).id


def test_name_quota_and_role_that_drifted_are_corrected(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    ensure_files(make_step("ocis"), files)
    space = only(ocis)
    space.name, space.quota = "Renamed", 1
    space.grants[group_permission(space)] = "viewer"
    ensure_files(make_step("ocis"), files)
    assert (space.name, space.quota, space.grants[group_permission(space)]) == ("Acme GmbH", 5 * 10**9, "editor")


def test_a_plan_below_the_used_storage_is_reported_and_no_file_is_lost(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    ensure_files(make_step("ocis"), files)
    space = only(ocis)
    space.files["large.iso"] = space.used = 6 * 10**9
    outcome = ensure_files(make_step("ocis"), files)
    assert outcome.notes["over_quota"] == "6000000000 bytes are used, the plan allows 5000000000"
    assert (only(ocis).files, only(ocis).quota) == ({"large.iso": 6 * 10**9}, 5 * 10**9)
    space.used = 10**9
    assert "over_quota" not in ensure_files(make_step("ocis"), files).notes


def test_a_plan_that_became_unlimited_is_set_once_though_the_server_has_a_maximum(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    ensure_files(make_step("ocis"), files)
    for changes in (["set quota of the space Acme GmbH"], []):
        step = replace(make_step("ocis"), plan=Plan())
        ensure_files(step, files)
        assert (step.changes, only(ocis).quota) == (changes, 0)


def test_a_quota_above_the_servers_maximum_is_reported_as_a_quota_fault(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    ocis.storage.max_quota = 10**9
    for is_first in (True, False):
        with pytest.raises(PermanentError, match="OCIS_SPACES_MAX_QUOTA") as refusal:
            ensure_files(make_step("ocis", is_first=is_first), files)
        assert refusal.value.reason == "quota"
    ocis.storage.max_quota = 10**13
    ensure_files(make_step("ocis"), files)
    ocis.storage.max_quota, only(ocis).quota = 10**9, 1
    with pytest.raises(PermanentError, match="quota"):
        ensure_files(make_step("ocis"), files)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Acme Inc.", "Acme Inc-"),
        ('a/b\\c.d:e?f*g"h>i<j|k', "a-b-c-d-e-f-g-h-i-j-k"),
        ("  Acme  ", "Acme"),
        ("é" * 200, "é" * 127),
        (" ", "tenant"),
    ],
)
def test_any_tenant_name_becomes_a_name_that_a_space_may_have(name: str, expected: str) -> None:
    assert space_name(name) == expected
    assert len(space_name(name).encode()) <= 255


# -- our role


@pytest.mark.parametrize(
    "pending",
    [
        {"kind": "role_pending", "path": "drives$|me\\?", "count": 2},
        {"kind": "graph_down", "method": "POST", "path": "drives$", "count": 1},
    ],
    ids=["403", "empty-500"],
)
def test_a_role_that_ocis_is_still_assigning_is_waited_for(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, pending: dict[str, Any]
) -> None:
    """The first requests of a new account: 403 for want of a role, or an empty 500, and `me` shows no role."""
    fault(ocis, **pending)
    with pytest.raises(TemporaryError):
        ensure_files(make_step("ocis", is_first=True), files)
    assert ensure_files(make_step("ocis"), files).result is Result.OK
    assert len(spaces(ocis)) == 1


def test_a_role_that_is_never_assigned_is_reported(ocis: OcisSimulator, make_step: MakeStep) -> None:
    ocis._basic_users["person"] = ocis._basic_users["provisioner"][0], "User"  # type: ignore[index]
    with pytest.raises(PermanentError, match="missing_permission"):
        ensure_files(make_step("ocis"), client(ocis, "person"))


def test_steps_that_list_all_spaces_at_the_same_time_share_the_list(ocis: OcisSimulator, files: OcisClient) -> None:
    ocis.add_space("Other")
    fault(ocis, kind="latency", path="^/graph/v1.0/drives", delay=0.3, count=10)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: [one.name for one in files.list_spaces()], range(6)))
    assert found == [["Other"]] * 6
    lists = [entry for entry in ocis.journal if entry["path"].startswith("/graph/v1.0/drives?")]
    assert len(lists) < 6
