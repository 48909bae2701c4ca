"""Disable, restore and purge a space in OCIS and OpenCloud: permissions and visibility.

Against a real server: set OCIS_TEST_URL and OCIS_TEST_TOKEN (a bearer), or OCIS_TEST_USERNAME and OCIS_TEST_PASSWORD
(an app token), of an account with the role Space Admin; the same with OCIS_ADMIN_TEST_ (role Admin) and
OCIS_PLAIN_TEST_ (role User), else the tests that need those are skipped. OPENCLOUD_ in place of OCIS_ for OpenCloud.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.ocis_objects import PURGE, V1, Spaces


def member(spaces: Spaces, plain_user: Spaces, role: str) -> str:
    """A space in which the plain user has this role."""
    space = spaces.create(description="ours", quota={"total": 5000})
    assert spaces.invite(space, plain_user.own_id(), role).status_code == 200
    return space


def test_a_restored_space_is_as_it_was_with_its_members(spaces: Spaces, plain_user: Spaces) -> None:
    space = member(spaces, plain_user, "editor")
    before = spaces.get(space).json()
    assert spaces.disable(space).status_code == 204
    assert spaces.restore(space).status_code == 200
    after = spaces.get(space).json()
    for name in ("id", "name", "driveAlias", "description"):
        assert after[name] == before[name]
    assert (after["quota"]["total"], "deleted" in after["root"]) == (5000, False)
    assert plain_user.lists(space)


def test_a_disabled_space_is_shown_to_administrators_but_not_to_its_editors(
    spaces: Spaces, admin: Spaces, plain_user: Spaces
) -> None:
    space = member(spaces, plain_user, "editor")
    assert (plain_user.lists(space), plain_user.get(space).status_code) == (True, 200)
    spaces.disable(space)
    assert (spaces.lists(space), admin.lists(space), plain_user.lists(space)) == (True, True, False)
    assert [one.get(space).status_code for one in (spaces, admin)] == [200, 200]


def test_a_disabled_space_is_shown_to_its_managers(spaces: Spaces, plain_user: Spaces) -> None:
    space = member(spaces, plain_user, "manager")
    spaces.disable(space)
    assert plain_user.lists(space)
    assert plain_user.lists(space, f"{V1}/me/drives")


def test_an_administrators_own_list_has_only_where_they_are_a_member(spaces: Spaces, admin: Spaces) -> None:
    space = spaces.create()
    assert admin.lists(space)
    assert not admin.lists(space, f"{V1}/me/drives")
    assert spaces.lists(space, f"{V1}/me/drives")


def test_a_disabled_space_may_be_changed_but_not_shared(spaces: Spaces) -> None:
    space = spaces.create(quota={"total": 5000})
    spaces.disable(space)
    changed = spaces.change(space, {"description": "gone on Friday", "quota": {"total": 1000}})
    assert changed.status_code == 200
    body = changed.json()
    assert (body["description"], body["quota"], body["root"]["deleted"]["state"]) == (
        "gone on Friday",
        {"total": 1000},
        "trashed",
    )
    assert spaces.members(space).status_code == 404
    assert spaces.invite(space, "nobody", "editor").status_code == 404


def test_a_restore_may_bring_changes_along(spaces: Spaces) -> None:
    space = spaces.create()
    spaces.disable(space)
    restored = spaces.change(space, {"description": "back"}, headers={"Restore": "true"})
    assert (restored.json()["description"], "deleted" in restored.json()["root"]) == ("back", False)


@pytest.mark.parametrize("value", ["yes", "Y", "on", ""])
def test_a_header_that_is_no_boolean_of_go_is_ignored(spaces: Spaces, value: str) -> None:
    space = spaces.create()
    spaces.disable(space)
    assert spaces("DELETE", f"{V1}/drives/{space}", headers={"Purge": value}).status_code == 204
    assert spaces.get(space).json()["root"]["deleted"]["state"] == "trashed"
    ignored = spaces.change(space, {"description": "x"}, headers={"Restore": value})
    assert (ignored.status_code, ignored.json()["root"]["deleted"]["state"]) == (200, "trashed")


@pytest.mark.parametrize("value", ["1", "t", "T", "TRUE", "true", "True"])
def test_every_true_boolean_of_go_purges(spaces: Spaces, value: str) -> None:
    space = spaces.create()
    spaces.disable(space)
    assert spaces("DELETE", f"{V1}/drives/{space}", headers={"Purge": value}).status_code == 204
    assert (spaces.get(space).status_code, spaces.lists(space)) == (404, False)


def test_a_purged_space_cannot_be_disabled_restored_or_changed(spaces: Spaces) -> None:
    space = spaces.create()
    assert [spaces.disable(space).status_code, spaces.purge(space).status_code] == [204, 204]
    answers = [spaces.disable(space), spaces.purge(space), spaces.restore(space), spaces.change(space, {"name": "x"})]
    assert [(one.status_code, one.json()["error"]["code"]) for one in answers] == [(404, "itemNotFound")] * 4


def test_an_administrator_of_spaces_ends_and_revives_a_space_of_others(spaces: Spaces, admin: Spaces) -> None:
    space = spaces.create()
    assert admin.change(space, {}).status_code == 404
    assert admin.change(space, {"description": "seen", "quota": {"total": 1000}}).status_code == 200
    assert admin.disable(space).status_code == 204
    assert admin.restore(space).status_code == 200
    assert admin.members(space).status_code == 404
    assert admin.disable(space).status_code == 204
    assert admin.purge(space).status_code == 204
    assert spaces.get(space).status_code == 404


def test_without_our_role_a_foreign_space_is_not_found(spaces: Spaces, plain_user: Spaces) -> None:
    """Our own drive is shown all the same: it proves nothing about our role."""
    space = spaces.create()
    assert not plain_user.lists(space)
    answers = [
        plain_user.get(space),
        plain_user.change(space, {"description": "x"}),
        plain_user.disable(space),
        plain_user.purge(space),
        plain_user.restore(space),
    ]
    assert {(one.status_code, one.json()["error"]["code"]) for one in answers} == {(404, "itemNotFound")}
    assert plain_user("GET", f"{V1}/me/drive").status_code == 200
    refused = plain_user("POST", f"{V1}/drives", json={"name": "x", "driveType": "project"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "notAllowed")
    assert spaces.get(space).status_code == 200


def test_our_own_assignments_show_our_role(spaces: Spaces, plain_user: Spaces) -> None:
    def role(account: Spaces) -> Any:
        (held,) = account("GET", f"{V1}/me", params={"$expand": "appRoleAssignments"}).json()["appRoleAssignments"]
        return held["appRoleId"]

    assert role(spaces) == "2aadd357-682c-406b-8874-293091995fdd"
    assert role(plain_user) == "d7beeea8-8ff4-406b-8fb6-ab2dd81e6b11"


def test_a_manager_ends_their_own_space_without_any_role(spaces: Spaces, plain_user: Spaces) -> None:
    space = member(spaces, plain_user, "manager")
    assert plain_user.purge(space).status_code == 400
    assert [plain_user.disable(space).status_code, plain_user.restore(space).status_code] == [204, 200]
    assert [plain_user.disable(space).status_code, plain_user.purge(space).status_code] == [204, 204]


def test_a_manager_changes_all_but_the_quota_and_an_editor_only_the_alias(spaces: Spaces, plain_user: Spaces) -> None:
    texts = {"name": "renamed", "description": "forged"}
    managed = member(spaces, plain_user, "manager")
    assert plain_user.change(managed, {**texts, "driveAlias": "project/x"}).status_code == 200
    assert plain_user.change(managed, {"quota": {"total": 0}}).status_code == 403
    edited = member(spaces, plain_user, "editor")
    assert plain_user.change(edited, {"driveAlias": "project/tenant-other"}).json()["driveAlias"] == (
        "project/tenant-other"
    )
    for name, value in texts.items():
        assert plain_user.change(edited, {name: value}).status_code == 404
    assert plain_user.disable(edited).status_code == 404
    assert spaces.get(edited).json()["description"] == "ours"


def test_refusals_of_a_change_differ_from_those_of_a_create(spaces: Spaces) -> None:
    space = spaces.create()
    bad_name = spaces.change(space, {"name": "a/b"})
    assert (bad_name.status_code, bad_name.json()["error"]["code"]) == (400, "generalException")
    cleared = spaces.change(space, {"description": "", "driveAlias": ""}).json()
    assert ("description" in cleared, cleared["driveAlias"] != "") == (False, True)
    assert spaces.change(space, {"quota": {"total": -1}}).json()["quota"]["total"] == 0


def test_every_answer_of_graph_repeats_the_requests_name(spaces: Spaces) -> None:
    answer = spaces("GET", f"{V1}/drives/nothing$at-all", headers={"X-Request-Id": "ours-1"})
    assert (answer.headers["X-Request-Id"], answer.json()["error"]["innererror"]["request-id"]) == ("ours-1",) * 2
    assert answer.headers["X-Graph-Version"]
    wrong = spaces("PUT", f"{V1}/drives/nothing$at-all", json={}, headers=PURGE)
    assert (wrong.status_code, wrong.content) == (405, b"")
