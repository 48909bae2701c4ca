"""The files step: one space that is provably the tenant's, in a product where nothing is unique and absence may lie."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, cast

import pytest
from requests.auth import HTTPBasicAuth

from sandbox.simulators.authentik.server import AuthentikStandIn
from sandbox.simulators.ocis.server import OcisStandIn
from sandbox.simulators.ocis.spaces import Space as StoredSpace
from shared.config.settings import read_settings
from shared.integrations.outcomes import Outcome, Refused, Result, Unavailable
from shared.integrations.ownership_marker import Stamper
from tests.stand_ins import API_TOKEN, OTHER_ID, STAMP_KEYS, TENANT_ID, Saved, fault, writes
from worker.http.deadline import within
from worker.http.json_client import JsonApi
from worker.integrations.ocis import client as integration
from worker.integrations.ocis.client import Ocis
from worker.integrations.ocis.space import EMPTY_LOOKS, close_files, ensure_files, remove_files, space_name
from worker.integrations.step_context import Work

Errand = Callable[..., Work]


def client(ocis: OcisStandIn, username: str = "provisioner") -> Ocis:
    return Ocis(JsonApi(ocis.url, authorize=HTTPBasicAuth(username, API_TOKEN), call_seconds=1.0))


@pytest.fixture
def files(ocis: OcisStandIn) -> Ocis:
    return client(ocis)


def spaces(ocis: OcisStandIn) -> list[StoredSpace]:
    return list(ocis.storage.spaces.values())


def only(ocis: OcisStandIn) -> StoredSpace:
    (space,) = spaces(ocis)
    return space


def test_the_space_is_made_with_stamp_quota_and_the_group_as_editor(
    ocis: OcisStandIn, files: Ocis, work: Errand, saved: Saved
) -> None:
    outcome = ensure_files(work("ocis"), files)
    assert (outcome.result, outcome.notes) == (Result.OK, {"members": "invited"})
    space = only(ocis)
    assert (space.name, space.alias, space.quota) == ("Acme GmbH", "project/tenant-acme", 5 * 10**9)
    assert Stamper("ocis", STAMP_KEYS).tenant_id(space.description) == TENANT_ID
    group = next(id_ for id_, name in ocis.storage.groups.items() if name == "tenant-acme")
    assert space.grants[f"g:{group}"] == "editor"
    assert saved == {"ocisSpaceId": space.id, "ocisNewSpaceId": None}


def test_the_first_attempt_for_a_tenant_takes_three_requests_and_no_look(
    ocis: OcisStandIn, files: Ocis, work: Errand
) -> None:
    ensure_files(work("ocis", is_first=True), files)
    assert [(entry["method"], entry["path"].partition("?")[0].rpartition("/")[2]) for entry in ocis.journal] == [
        ("POST", "drives"),
        ("POST", "groups"),
        ("POST", "invite"),
    ]


def test_a_first_attempt_that_comes_late_makes_no_second_space(ocis: OcisStandIn, files: Ocis, work: Errand) -> None:
    """A worker that was frozen and goes on: its time ends before its lease, so before others may begin."""
    ensure_files(work("ocis"), files)
    made = only(ocis)
    with within(0), pytest.raises(Unavailable, match="timeout"):
        ensure_files(work("ocis", is_first=True), files)
    assert only(ocis) == made


@pytest.mark.parametrize("rule", [{"kind": "lost"}, {"kind": "applied_then_status", "status": 500}])
def test_a_first_attempt_whose_answer_was_lost_looks_before_it_goes_on(
    ocis: OcisStandIn, files: Ocis, work: Errand, rule: dict[str, Any]
) -> None:
    fault(ocis, method="POST", path="drives$", count=1, **rule)
    assert ensure_files(work("ocis", is_first=True), files).result is Result.OK
    assert len(spaces(ocis)) == 1


def test_a_second_run_writes_nothing(ocis: OcisStandIn, files: Ocis, work: Errand) -> None:
    ensure_files(work("ocis"), files)
    ocis.journal.clear()
    ensure_files(work("ocis"), files)
    assert writes(ocis) == []


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "lost"},
        {"kind": "applied_then_status", "status": 502},
        {"kind": "wrong_body"},
        {"kind": "empty_body"},
        {"kind": "drip", "delay": 0.3},
    ],
    ids=lambda rule: rule["kind"],
)
def test_a_space_whose_answer_was_lost_is_found_again_and_not_made_twice(
    ocis: OcisStandIn, files: Ocis, work: Errand, rule: dict[str, Any]
) -> None:
    fault(ocis, method="POST", path="drives$", count=1, **rule)
    assert ensure_files(work("ocis"), files).result is Result.OK
    assert len(spaces(ocis)) == 1


def test_a_worker_that_died_before_saving_the_id_finds_the_space_by_its_stamp(
    ocis: OcisStandIn, files: Ocis, work: Errand, saved: Saved
) -> None:
    ensure_files(work("ocis"), files)
    saved.clear()
    ensure_files(work("ocis"), files)
    assert len(spaces(ocis)) == 1


@pytest.mark.parametrize("known", [True, False], ids=["id-on-record", "no-id"])
def test_with_the_storage_down_nothing_is_made_and_absence_is_not_believed(
    ocis: OcisStandIn, files: Ocis, work: Errand, saved: Saved, known: bool
) -> None:
    ensure_files(work("ocis"), files)
    if not known:
        saved.clear()
    fault(ocis, kind="storage_down")
    with pytest.raises(Unavailable, match="storage_down"):
        ensure_files(work("ocis"), files)
    assert len(spaces(ocis)) == 1


def test_a_storage_that_goes_down_between_the_looks_is_noticed(ocis: OcisStandIn, files: Ocis, work: Errand) -> None:
    fault(ocis, kind="storage_down", path="drives\\?", count=1)
    fault(ocis, kind="storage_down", path="me/drive$", after=1, count=1)
    with pytest.raises(Unavailable, match="storage_down"):
        ensure_files(work("ocis"), files)
    assert spaces(ocis) == []


def test_a_storage_that_lies_throughout_the_looks_leaves_no_second_space_and_the_first_on_record(
    ocis: OcisStandIn, files: Ocis, work: Errand, saved: Saved
) -> None:
    ensure_files(work("ocis"), files)
    first = only(ocis).id
    fault(ocis, kind="storage_down", method="GET", path="drives(/|\\?)", count=1 + EMPTY_LOOKS)
    outcome = ensure_files(work("ocis"), files)
    assert (only(ocis).id, only(ocis).disabled, saved["ocisSpaceId"]) == (first, False, first)
    assert outcome.notes == {"members": "invited"}


def test_a_twin_that_turns_up_while_ours_is_made_is_kept_instead_of_it(
    ocis: OcisStandIn, files: Ocis, work: Errand, saved: Saved
) -> None:
    """As when an earlier request, which we had given up, has its effect after we looked."""
    fault(ocis, kind="second_creator", count=1)
    ensure_files(work("ocis"), files)
    assert saved["ocisSpaceId"] == only(ocis).id


@pytest.mark.parametrize(
    ("method", "after"),
    [("GET", EMPTY_LOOKS), ("DELETE", 0), ("DELETE", 1), ("GET", EMPTY_LOOKS + 1)],
    ids=["looking", "disabling", "purging", "looking-again"],
)
def test_taking_a_second_space_away_is_gone_on_with_where_it_failed(
    ocis: OcisStandIn, files: Ocis, work: Errand, saved: Saved, method: str, after: int
) -> None:
    fault(ocis, kind="second_creator", count=1)
    fault(ocis, kind="status", status=500, method=method, path="v1.0/drives", after=after, count=1)
    with pytest.raises(Unavailable):
        ensure_files(work("ocis"), files)
    assert "ocisSpaceId" not in saved
    ensure_files(work("ocis"), files)
    assert saved == {"ocisSpaceId": only(ocis).id, "ocisNewSpaceId": None}
    assert only(ocis).disabled is False


def test_a_second_space_that_somebody_put_files_into_is_left_for_a_person_to_judge(
    ocis: OcisStandIn, files: Ocis, work: Errand, saved: Saved
) -> None:
    fault(ocis, kind="second_creator", count=1)
    fault(ocis, kind="status", status=500, method="DELETE", count=1)
    with pytest.raises(Unavailable):
        ensure_files(work("ocis"), files)
    ocis.storage.spaces[saved["ocisNewSpaceId"]].used = 17
    with pytest.raises(Refused, match="ambiguous"):
        ensure_files(work("ocis"), files)
    assert [space.disabled for space in spaces(ocis)] == [False, False]


def twin(ocis: OcisStandIn, **fields: Any) -> StoredSpace:
    """A second space with the stamp of the only one."""
    space = only(ocis)
    id_ = ocis.add_space("Acme GmbH", space.description, space.alias)
    for name, value in fields.items():
        setattr(ocis.storage.spaces[id_], name, value)
    return ocis.storage.spaces[id_]


def test_two_spaces_with_our_stamp_are_ambiguous_while_no_id_is_on_record(
    ocis: OcisStandIn, files: Ocis, work: Errand, saved: Saved
) -> None:
    ensure_files(work("ocis"), files)
    twin(ocis)
    saved.clear()
    with pytest.raises(Refused, match="ambiguous"):
        ensure_files(work("ocis"), files)
    assert [space.disabled for space in spaces(ocis)] == [False, False]


@pytest.mark.parametrize("known", [True, False], ids=["id-on-record", "no-id"])
def test_closing_closes_every_space_with_our_stamp(
    ocis: OcisStandIn, files: Ocis, work: Errand, saved: Saved, known: bool
) -> None:
    ensure_files(work("ocis"), files)
    twin(ocis)
    if not known:
        saved.clear()
    assert len(close_files(work("ocis"), files).changes) == 0
    assert [space.disabled for space in spaces(ocis)] == [True, True]
    assert close_files(work("ocis"), files).result is Result.OK


def test_a_space_that_our_lost_role_hides_from_us_is_not_said_to_be_closed(
    ocis: OcisStandIn, files: Ocis, work: Errand
) -> None:
    ensure_files(work("ocis"), files)
    only(ocis).grants = {"u:somebody": "manager"}
    fault(ocis, kind="role_lost")
    with pytest.raises(Refused, match="missing_permission"):
        close_files(work("ocis"), files)
    ocis.faults.clear()
    assert close_files(work("ocis"), files).result is Result.OK
    assert only(ocis).disabled is True


def test_the_space_on_record_is_closed_though_no_list_can_be_had(
    ocis: OcisStandIn, files: Ocis, work: Errand, saved: Saved
) -> None:
    ensure_files(work("ocis"), files)
    fault(ocis, kind="status", status=500, path="drives\\?")
    with pytest.raises(Unavailable):
        close_files(work("ocis"), files)
    assert only(ocis).disabled is True


@pytest.mark.parametrize("known", [True, False], ids=["id-on-record", "no-id"])
def test_removing_removes_every_space_with_our_stamp_and_no_other(
    ocis: OcisStandIn, files: Ocis, work: Errand, saved: Saved, known: bool
) -> None:
    ensure_files(work("ocis"), files)
    twin(ocis, disabled=True)
    foreign = ocis.add_space("Beta", Stamper("ocis", STAMP_KEYS).text(OTHER_ID))
    if not known:
        saved.clear()
    assert remove_files(work("ocis"), files).result is Result.OK
    assert only(ocis).id == foreign


@pytest.mark.parametrize("step", [ensure_files, close_files, remove_files])
def test_the_space_on_record_is_not_given_up_when_somebody_has_written_over_its_description(
    ocis: OcisStandIn, files: Ocis, work: Errand, step: Callable[[Work, Ocis], Outcome]
) -> None:
    ensure_files(work("ocis"), files)
    stamped, only(ocis).description = only(ocis).description, "Our own files"
    with pytest.raises(Refused, match="taken"):
        step(work("ocis"), files)
    assert only(ocis).disabled is False
    only(ocis).description = stamped
    assert step(work("ocis"), files).result is Result.OK


@pytest.mark.parametrize("path", ["drives(/|\\?)", "drives\\?"], ids=["all", "list"])
def test_nothing_is_closed_or_removed_in_name_only_while_the_storage_lies(
    ocis: OcisStandIn, files: Ocis, work: Errand, saved: Saved, path: str
) -> None:
    ensure_files(work("ocis"), files)
    saved.clear()
    for close in (close_files, remove_files):
        fault(ocis, kind="storage_down", path=path, count=2)
        fault(ocis, kind="storage_down", path="me/drive$", after=1, count=1)
        with pytest.raises(Unavailable, match="storage_down"):
            close(work("ocis"), files)
        assert only(ocis).disabled is False
        ocis.faults.clear()


@pytest.mark.parametrize("kind", ["forged", "other-tenant", "copied-in-the-middle"])
def test_a_foreign_space_with_our_name_and_alias_is_not_taken_over(
    ocis: OcisStandIn, files: Ocis, work: Errand, kind: str
) -> None:
    descriptions = {
        "forged": Stamper("ocis", ("guessed",)).text(TENANT_ID),
        "other-tenant": Stamper("ocis", STAMP_KEYS).text(OTHER_ID),
        "copied-in-the-middle": Stamper("ocis", STAMP_KEYS).text(TENANT_ID) + " is what they write",
    }
    foreign = ocis.add_space("Acme GmbH", descriptions[kind], "project/tenant-acme")
    ensure_files(work("ocis"), files)
    assert len(spaces(ocis)) == 2
    assert ocis.storage.spaces[foreign].description == descriptions[kind]


def test_an_id_on_record_that_is_somebody_elses_space_is_not_believed(
    ocis: OcisStandIn, files: Ocis, work: Errand, saved: Saved
) -> None:
    saved["ocisSpaceId"] = ocis.add_space("Beta", Stamper("ocis", STAMP_KEYS).text(OTHER_ID))
    ensure_files(work("ocis"), files)
    assert len(spaces(ocis)) == 2
    assert ocis.storage.spaces[saved["ocisSpaceId"]].name == "Acme GmbH"


def test_a_disabled_space_is_restored_not_doubled(ocis: OcisStandIn, files: Ocis, work: Errand) -> None:
    ensure_files(work("ocis"), files)
    only(ocis).disabled = True
    ensure_files(work("ocis"), files)
    assert only(ocis).disabled is False


def test_a_purged_space_is_made_again(ocis: OcisStandIn, files: Ocis, work: Errand, saved: Saved) -> None:
    ensure_files(work("ocis"), files)
    ocis.storage.spaces.clear()
    ensure_files(work("ocis"), files)
    assert saved["ocisSpaceId"] == only(ocis).id


def test_name_quota_and_role_that_drifted_are_put_right(ocis: OcisStandIn, files: Ocis, work: Errand) -> None:
    ensure_files(work("ocis"), files)
    space = only(ocis)
    space.name, space.quota = "Renamed", 1
    group = next(id_ for id_ in space.grants if id_.startswith("g:"))
    space.grants[group] = "viewer"
    ensure_files(work("ocis"), files)
    assert (space.name, space.quota, space.grants[group]) == ("Acme GmbH", 5 * 10**9, "editor")


def test_a_removed_group_is_invited_again(ocis: OcisStandIn, files: Ocis, work: Errand) -> None:
    ensure_files(work("ocis"), files)
    space = only(ocis)
    group = next(id_ for id_ in space.grants if id_.startswith("g:"))
    del space.grants[group]
    ensure_files(work("ocis"), files)
    assert space.grants[group] == "editor"


def test_a_space_that_was_made_without_members_is_replaced(ocis: OcisStandIn, files: Ocis, work: Errand) -> None:
    fault(ocis, kind="create_then_500", count=1)
    with pytest.raises(Unavailable, match="not_ready"):
        ensure_files(work("ocis"), files)
    assert ensure_files(work("ocis"), files).notes == {"members": "invited"}
    assert len(spaces(ocis)) == 1


def test_a_space_that_is_said_to_have_no_members_in_a_storages_bad_moment_stays(
    ocis: OcisStandIn, files: Ocis, work: Errand
) -> None:
    ensure_files(work("ocis"), files)
    first, grants = only(ocis).id, dict(only(ocis).grants)
    fault(ocis, kind="storage_down", path="permissions", count=1)
    with pytest.raises(Unavailable, match="storage_down"):
        ensure_files(work("ocis"), files)
    assert (only(ocis).id, only(ocis).grants, only(ocis).disabled) == (first, grants, False)


def test_a_space_without_files_that_threw_us_out_but_has_others_is_never_removed(
    ocis: OcisStandIn, files: Ocis, work: Errand
) -> None:
    ensure_files(work("ocis"), files)
    only(ocis).grants = {"u:somebody": "manager"}
    with pytest.raises(Refused, match="locked_out"):
        ensure_files(work("ocis"), files)
    assert only(ocis).disabled is False


def test_a_space_with_files_in_it_that_threw_us_out_is_never_removed(
    ocis: OcisStandIn, files: Ocis, work: Errand
) -> None:
    ensure_files(work("ocis"), files)
    only(ocis).grants.clear()
    only(ocis).used = 17
    with pytest.raises(Refused, match="locked_out"):
        ensure_files(work("ocis"), files)
    assert only(ocis).disabled is False


def test_a_group_ocis_does_not_know_yet_leaves_the_step_ok_with_members_pending(
    ocis: OcisStandIn, work: Errand
) -> None:
    spaces_only = client(ocis, "spaces")
    assert ensure_files(work("ocis"), spaces_only).notes == {"members": "pending"}
    ocis.storage.add_group("Tenant-Acme")
    assert ensure_files(work("ocis"), spaces_only).notes == {"members": "invited"}


def test_a_fault_while_the_group_is_made_is_no_directory_that_takes_none(
    ocis: OcisStandIn, files: Ocis, work: Errand
) -> None:
    fault(ocis, kind="status", status=500, method="POST", path="groups$", count=1)
    with pytest.raises(Unavailable):
        ensure_files(work("ocis"), files)
    assert ensure_files(work("ocis"), files).notes == {"members": "invited"}


def test_a_group_that_was_made_though_the_answer_was_a_fault_is_invited(
    ocis: OcisStandIn, files: Ocis, work: Errand
) -> None:
    fault(ocis, kind="applied_then_status", status=500, method="POST", path="groups$", count=1)
    assert ensure_files(work("ocis"), files).notes == {"members": "invited"}


def test_a_role_that_is_lost_for_a_moment_is_no_directory_that_takes_no_groups(
    ocis: OcisStandIn, files: Ocis, work: Errand
) -> None:
    fault(ocis, kind="role_lost", method="POST", path="groups$", count=1)
    with pytest.raises(Unavailable, match="which is Admin"):
        ensure_files(work("ocis", is_first=True), files)
    assert ensure_files(work("ocis"), files).notes == {"members": "invited"}


def test_a_role_that_is_lost_while_the_group_is_made_is_said(ocis: OcisStandIn, files: Ocis, work: Errand) -> None:
    fault(ocis, kind="role_lost", path="groups|me\\?")
    with pytest.raises(Refused, match="neither the role"):
        ensure_files(work("ocis", is_first=True), files)


def test_credentials_that_are_refused_while_the_group_is_made_are_said(
    ocis: OcisStandIn, files: Ocis, work: Errand
) -> None:
    fault(ocis, kind="idp_down", method="POST", path="groups$")
    with pytest.raises(Refused, match="bad_credentials"):
        ensure_files(work("ocis", is_first=True), files)


@pytest.mark.parametrize("status", [405, 501])
def test_a_directory_that_takes_no_groups_leaves_members_pending(
    ocis: OcisStandIn, files: Ocis, work: Errand, status: int
) -> None:
    fault(ocis, kind="status", status=status, method="POST", path="groups$")
    assert ensure_files(work("ocis"), files).notes == {"members": "pending"}


def test_wrong_credentials_a_missing_role_and_a_second_factor_are_told_apart(
    ocis: OcisStandIn, files: Ocis, work: Errand
) -> None:
    with pytest.raises(Refused, match="bad_credentials"):
        ensure_files(work("ocis"), client(ocis, "nobody"))
    ocis.proxy.allow_token("plain", "person", "User")
    ocis._basic_users["person"] = (API_TOKEN, "User")  # type: ignore[index]
    with pytest.raises(Refused, match="missing_permission"):
        ensure_files(work("ocis"), client(ocis, "person"))
    fault(ocis, kind="mfa")
    with pytest.raises(Refused, match="second factor"):
        ensure_files(work("ocis"), files)


@pytest.mark.parametrize("rule", [{"kind": "graph_down"}, {"kind": "status", "status": 502}, {"kind": "reset"}])
def test_an_outage_is_tried_later(ocis: OcisStandIn, files: Ocis, work: Errand, rule: dict[str, Any]) -> None:
    fault(ocis, **rule)
    with pytest.raises(Unavailable):
        ensure_files(work("ocis"), files)


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
def test_any_tenant_name_becomes_a_name_a_space_may_have(name: str, expected: str) -> None:
    assert space_name(name) == expected
    assert len(space_name(name).encode()) <= 255


def test_the_machine_account_signs_in_by_client_credentials_and_renews_a_refused_token(
    authentik: AuthentikStandIn, work: Errand, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    authentik.ensure_person("ocis-provisioner", "app-password-secret", entitlements=["ocisAdmin"])
    issuer = f"{authentik.url}/application/o/ocis/"
    with OcisStandIn(issuer=issuer).running() as server:
        settings = read_settings(
            mongodb_uri="mongodb://unused",
            redis_url="redis://unused",
            stamp_keys="x" * 32,
            ocis_api_url=server.url,
            ocis_token_url=f"{authentik.url}/application/o/token/",
            ocis_client_id="ocis",
            ocis_username="ocis-provisioner",
            ocis_password="app-password-secret",
        )
        files = integration.connect(settings)
        assert files is not None
        assert ensure_files(work("ocis"), files).result is Result.OK
        token_requests = [entry for entry in authentik.journal if entry["path"].endswith("/token/")]
        assert len(token_requests) == 1
        fault(server, kind="idp_down", count=1)
        assert ensure_files(work("ocis"), files).result is Result.OK
        assert len([entry for entry in authentik.journal if entry["path"].endswith("/token/")]) == 2
    assert "app-password-secret" not in caplog.text


@pytest.mark.parametrize("password", ["grün", "grün€"])
def test_a_password_may_hold_any_character(work: Errand, password: str) -> None:
    with OcisStandIn(basic_users={"provisioner": (password, "Admin")}).running() as server:
        settings = read_settings(
            mongodb_uri="mongodb://unused",
            redis_url="redis://unused",
            stamp_keys="x" * 32,
            ocis_api_url=server.url,
            ocis_username="provisioner",
            ocis_password=password,
        )
        assert ensure_files(work("ocis"), cast(Ocis, integration.connect(settings))).result is Result.OK


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"kind": "status", "status": 503}, "upstream_error"),
        ({"kind": "status", "status": 405, "body": ""}, "upstream_error"),
        ({"kind": "wrong_body"}, "unexpected_answer"),
        ({"kind": "status", "status": 200, "body": '{"access_token":"x","expires_in":"soon"}'}, "unexpected_answer"),
        ({"kind": "status", "status": 400, "body": '{"error":"invalid_grant"}'}, "bad_credentials"),
    ],
)
def test_a_token_endpoint_that_fails_is_not_taken_for_wrong_credentials(
    authentik: AuthentikStandIn, ocis: OcisStandIn, work: Errand, rule: dict[str, Any], expected: str
) -> None:
    fault(authentik, path="token", **rule)
    settings = read_settings(
        mongodb_uri="mongodb://unused",
        redis_url="redis://unused",
        stamp_keys="x" * 32,
        ocis_api_url=ocis.url,
        ocis_token_url=f"{authentik.url}/application/o/token/",
        ocis_client_id="ocis",
        ocis_client_secret="ocis-secret",
    )
    files = integration.connect(settings)
    assert files is not None
    with pytest.raises((Unavailable, Refused), match=expected):
        ensure_files(work("ocis"), files)
