"""Behaviour of OCIS 7.1 and OpenCloud 3.3 that was seen on real servers and that surprises. Each test quotes it.

The variables for a real server are those of `test_ocis.py`; OCIS_TEST_MAX_QUOTA and OPENCLOUD_TEST_MAX_QUOTA name the
server's OCIS_SPACES_MAX_QUOTA, OCIS_READ_ONLY_TEST_URL (with credentials of an admin) one with a read-only directory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from sandbox.simulators.ocis.server import OcisSimulator
from tests.contracts.conftest import MAX_QUOTA
from tests.contracts.ocis_objects import BETA, DAV, EXPAND, TRASH, V1, Spaces
from tests.contracts.real_or_simulator import Server, real_server, unique

PROJECTS = {"$filter": "driveType eq 'project'"}


# -- lists


def test_both_lists_and_the_space_itself_show_what_our_account_created(spaces: Spaces) -> None:
    """Seen: "`/me/drives` (by-user index) still shows them: whoever must see all reads both lists and joins by id." """
    space = spaces.create()
    for path in (f"{V1}/drives", f"{V1}/me/drives"):
        listed = spaces("GET", path, params={**PROJECTS, **EXPAND}).json()["value"]
        assert space in {one["id"] for one in listed}
    assert spaces.get(space).status_code == 200


def test_one_form_of_request_shows_the_members_on_both_products(spaces: Spaces, ocis_product: str) -> None:
    """Seen: "`?$expand=root($expand=permissions)` on the list and on one drive is 200 on OCIS 7.1 and shows members on
    OpenCloud, which hides them otherwise (its v1beta1 list too)."
    """
    space = spaces.create()
    us = spaces.own_id()
    for path in (f"{V1}/drives", f"{V1}/me/drives", f"{V1}/drives/{space}"):
        answer = spaces("GET", path, params=EXPAND)
        assert answer.status_code == 200
        body = answer.json()
        (shown,) = [one for one in body.get("value", [body]) if one["id"] == space]
        assert us in str(shown["root"]["permissions"])
    for path in (f"{V1}/drives", f"{BETA}/drives", f"{V1}/drives/{space}"):
        body = spaces("GET", path).json()
        (shown,) = [one for one in body.get("value", [body]) if one["id"] == space]
        assert ("permissions" in shown["root"]) is (ocis_product == "OCIS")


def test_an_unfiltered_list_contains_more_than_project_spaces(spaces: Spaces) -> None:
    """Seen: "The *unfiltered* list is not empty then (`virtual/shares`)": it proves nothing about the storage."""
    spaces.create()
    kinds = {one["driveType"] for one in spaces("GET", f"{V1}/me/drives").json()["value"]}
    assert {"project", "virtual"} <= kinds
    filtered = spaces("GET", f"{V1}/me/drives", params=PROJECTS).json()["value"]
    assert {one["driveType"] for one in filtered} == {"project"}


# -- files and the trash bin


def test_the_size_of_a_space_excludes_its_trash_bin(spaces: Spaces) -> None:
    """Seen: "`quota.used` does **not** count the trash bin: a 5 MB file deleted gives used 0." """
    space = spaces.create()
    assert (spaces.entries(space), spaces.entries(space, TRASH)) == (0, 0)
    assert spaces.put(space, "plan.bin", bytes(5_000_000)).status_code in (201, 204)
    assert (spaces.get(space).json()["quota"]["used"] >= 5_000_000, spaces.entries(space)) == (True, 1)
    assert spaces("DELETE", f"{DAV}/{space}/plan.bin").status_code == 204
    assert spaces.get(space).json()["quota"]["used"] == 0
    assert (spaces.entries(space), spaces.entries(space, TRASH)) == (0, 1)


def test_another_machine_account_is_locked_out_of_every_space(spaces: Spaces, admin: Spaces) -> None:
    """Seen: "Another machine account is locked out of every space the old one made." """
    space = spaces.create()
    assert admin.get(space).status_code == 200
    assert admin.members(space).status_code == 404
    assert admin.invite(space, admin.own_id(), "manager").status_code == 404
    assert (admin.entries(space), admin.entries(space, TRASH)) == (-1, -1)


# -- people who change a space


def test_a_manager_removes_our_account_and_enables_a_suspended_space(spaces: Spaces, plain_user: Spaces) -> None:
    """Seen: "A member with role `manager` can throw our account out (204) and enable a suspended space again (PATCH,
    `Restore: T`, 200)."
    """
    space = spaces.create()
    assert spaces.invite(space, plain_user.own_id(), "manager").status_code == 200
    ours = f"{BETA}/drives/{space}/root/permissions/u:{spaces.own_id()}"
    assert plain_user("DELETE", ours).status_code == 204
    assert spaces.disable(space).status_code == 204
    assert plain_user.restore(space).status_code == 200


def test_people_append_to_the_description_and_clear_it(spaces: Spaces, plain_user: Spaces) -> None:
    """Seen: "description is the web UI's "subtitle": people append to it and clear it." """
    space = spaces.create(description="ours [marker]")
    assert spaces.invite(space, plain_user.own_id(), "manager").status_code == 200
    assert plain_user.change(space, {"description": "ours [marker] and theirs"}).status_code == 200
    assert spaces.get(space).json()["description"] == "ours [marker] and theirs"
    assert plain_user.change(space, {"description": ""}).status_code == 200
    assert "description" not in spaces.get(space).json()


def test_the_restore_of_an_enabled_space_differs(spaces: Spaces, ocis_product: str) -> None:
    """Seen: "OpenCloud: Restore of an *enabled* space is 500 generalException "grpc error" (OCIS 200)." """
    answer = spaces.restore(spaces.create())
    if ocis_product == "OCIS":
        assert answer.status_code == 200
    else:
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "generalException")


# -- refusals


def test_a_quota_above_the_maximum_is_a_400_that_names_the_quota(spaces: Spaces, ocis_product: str) -> None:
    """Seen: "A plan above `OCIS_SPACES_MAX_QUOTA`: 400 invalidRequest "requested quota is higher than allowed"." """
    known = MAX_QUOTA if real_server(ocis_product) is None else os.environ.get(f"{ocis_product}_TEST_MAX_QUOTA")
    if known is None:
        pytest.skip("the server's largest quota is not known")
    quota = {"quota": {"total": int(known) + 1}}
    refused = spaces("POST", f"{V1}/drives", json={"name": unique("contract"), "driveType": "project", **quota})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalidRequest")
    assert "quota" in refused.json()["error"]["message"]
    changed = spaces.change(spaces.create(), quota)
    assert (changed.status_code, changed.json()["error"]["code"]) == (400, "notAllowed")


def test_a_change_to_0_sets_the_maximum_and_to_a_negative_quota_none(spaces: Spaces, ocis_product: str) -> None:
    """Seen: "with a max set, POST 0 stays unlimited but PATCH 0 becomes the max", and a negative PATCH is unlimited."""
    if real_server(ocis_product) is not None and f"{ocis_product}_TEST_MAX_QUOTA" not in os.environ:
        pytest.skip("the server's largest quota is not known")
    space = spaces.create(quota={"total": 0})
    assert spaces.get(space).json()["quota"]["total"] == 0
    for total, shown in ((0, int(os.environ.get(f"{ocis_product}_TEST_MAX_QUOTA", MAX_QUOTA))), (-1, 0)):
        assert spaces.change(space, {"quota": {"total": total}}).status_code == 200
        assert max(0, spaces.get(space).json()["quota"]["total"]) == shown


def test_an_account_without_the_role_gets_the_same_error_as_a_new_account(plain_user: Spaces) -> None:
    """Seen: "**403 notAllowed** "insufficient permissions to create a space." for some, all within the first second or
    two; then all 201": the words do not tell a lasting refusal from a passing one, `me` does."""
    refused = plain_user("POST", f"{V1}/drives", json={"name": unique("contract"), "driveType": "project"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "notAllowed")
    assert "insufficient permissions to create a space" in refused.json()["error"]["message"]
    me = plain_user("GET", f"{V1}/me", params={"$expand": "appRoleAssignments"}).json()
    assert [one["appRoleId"] for one in me["appRoleAssignments"]] == ["d7beeea8-8ff4-406b-8fb6-ab2dd81e6b11"]


def test_an_unknown_page_has_the_text_that_a_front_proxy_gives(spaces: Spaces) -> None:
    """Seen: "A front proxy (Traefik) answers `404 page not found`, text/plain, while the container behind it
    restarts": it cannot be told from the product's own, so it never means that an object is absent."""
    answer = spaces("GET", f"{V1}/nothing/here")
    assert (answer.status_code, answer.text.strip()) == (404, "404 page not found")
    assert answer.headers["Content-Type"].startswith("text/plain")
    absent = spaces.get("nothing$at-all")
    assert (absent.status_code, absent.headers["Content-Type"].partition(";")[0]) == (404, "application/json")


@pytest.fixture
def read_only() -> Iterator[Server]:
    if real_server("OCIS") is None:
        users = {"admin": ("contract", "Admin")}
        with OcisSimulator(basic_users=users, read_only_directory=True).running() as simulator:
            yield Server(simulator.url, basic=("admin", "contract"))
        return
    found = real_server("OCIS_READ_ONLY")
    if found is None:
        pytest.skip("no server with a read-only directory is named")
    yield found


def test_a_read_only_directory_refuses_new_groups_with_405(read_only: Server) -> None:
    """Seen: "POST /groups with a read-only directory (`OCIS_LDAP_SERVER_WRITE_ENABLED=false`): 405." """
    assert read_only("POST", f"{V1}/groups", json={"displayName": unique("tenant")}).status_code == 405
