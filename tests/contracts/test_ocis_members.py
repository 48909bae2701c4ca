"""Members of a space, groups, and roles of accounts in OCIS and OpenCloud.

Against a real server: set OCIS_TEST_URL and OCIS_TEST_TOKEN (a bearer), or OCIS_TEST_USERNAME and OCIS_TEST_PASSWORD
(an app token), of an account with the role Space Admin; the same with OCIS_ADMIN_TEST_ (role Admin) and
OCIS_PLAIN_TEST_ (role User), else the tests that need those are skipped. OPENCLOUD_ in place of OCIS_ for OpenCloud.
"""

from __future__ import annotations

from tests.contracts.ocis_objects import BETA, EDITOR, EXPAND, MANAGER, ROLE_IDS, V1, VIEWER, Spaces
from tests.contracts.real_or_simulator import unique


def test_members_are_listed_with_the_roles_that_may_be_granted(spaces: Spaces) -> None:
    body = spaces.members(spaces.create()).json()
    allowed = {one["id"] for one in body["@libre.graph.permissions.roles.allowedValues"]}
    assert allowed >= set(ROLE_IDS.values())
    assert [(one["id"], one["roles"]) for one in body["value"]] == [(f"u:{spaces.own_id()}", [MANAGER])]
    listed = spaces("GET", f"{BETA}/roleManagement/permissions/roleDefinitions").json()
    assert {one["id"] for one in listed} >= set(ROLE_IDS.values())


def test_only_members_are_answered_about_members(spaces: Spaces, admin: Spaces, plain_user: Spaces) -> None:
    space = spaces.create()
    for outsider in (admin, plain_user):
        answers = [outsider.members(space), outsider.invite(space, spaces.own_id(), "viewer")]
        assert [one.status_code for one in answers] == [404, 404]
    assert spaces.invite(space, plain_user.own_id(), "viewer").status_code == 200
    assert plain_user.members(space).status_code == 200


def test_a_member_is_changed_and_removed_by_the_permission(spaces: Spaces, plain_user: Spaces) -> None:
    space, permission = spaces.create(), f"u:{plain_user.own_id()}"
    path = f"{BETA}/drives/{space}/root/permissions/{permission}"
    assert spaces("PATCH", path, json={"roles": [VIEWER]}).status_code == 404
    assert spaces.invite(space, plain_user.own_id(), "editor").json()["value"][0]["roles"] == [EDITOR]
    assert spaces("PATCH", path, json={"roles": [VIEWER]}).json()["roles"] == [VIEWER]
    assert [spaces("DELETE", path).status_code for _ in range(2)] == [204, 500]
    assert spaces("DELETE", f"{BETA}/drives/{space}/root/permissions/odd").status_code == 400
    assert not plain_user.lists(space)


def test_a_manager_may_remove_us_from_the_space_that_we_created(spaces: Spaces, plain_user: Spaces) -> None:
    space = spaces.create()
    spaces.invite(space, plain_user.own_id(), "manager")
    ours = f"{BETA}/drives/{space}/root/permissions/u:{spaces.own_id()}"
    assert plain_user("DELETE", ours).status_code == 204
    assert spaces.members(space).status_code == 404
    assert spaces.get(space).status_code == 200
    theirs = f"{BETA}/drives/{space}/root/permissions/u:{plain_user.own_id()}"
    refused = plain_user("DELETE", theirs)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "accessDenied")


def test_a_group_counts_as_the_last_manager(spaces: Spaces, admin: Spaces) -> None:
    group = admin("POST", f"{V1}/groups", json={"displayName": unique("tenant-contract")}).json()["id"]
    space = spaces.create()
    assert spaces.invite(space, group, "manager", kind="group").status_code == 200
    root = f"{BETA}/drives/{space}/root/permissions"
    assert spaces("DELETE", f"{root}/u:{spaces.own_id()}").status_code == 204
    assert spaces.members(space).status_code == 404


def test_the_newer_list_has_role_ids_and_permission_ids_and_can_only_be_read(spaces: Spaces) -> None:
    space = spaces.create()
    listed = spaces("GET", f"{BETA}/drives", params=EXPAND).json()["value"]
    (shown,) = [one for one in listed if one["id"] == space]
    assert [(one["id"], one["roles"]) for one in shown["root"]["permissions"]] == [(f"u:{spaces.own_id()}", [MANAGER])]
    older = spaces("GET", f"{V1}/drives/{space}", params=EXPAND).json()
    assert [one["roles"] for one in older["root"]["permissions"]] == [["manager"]]
    assert spaces("POST", f"{BETA}/drives", json={"name": "x"}).status_code == 405


def test_only_an_admin_creates_groups_and_users_and_every_user_can_find_them(
    spaces: Spaces, admin: Spaces, plain_user: Spaces
) -> None:
    name = unique("tenant-contract")
    for powerless in (spaces, plain_user):
        refused = powerless("POST", f"{V1}/groups", json={"displayName": name})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "accessDenied")
    assert admin("POST", f"{V1}/groups", json={"displayName": name, "id": "x"}).status_code == 400
    group = admin("POST", f"{V1}/groups", json={"displayName": name}).json()["id"]
    for anybody in (spaces, admin, plain_user):
        assert anybody("GET", f"{V1}/groups/{name}").json()["id"] == group
        assert anybody("GET", f"{V1}/groups/{group}").json()["displayName"] == name


def test_a_search_for_groups_quotes_its_dashes_and_a_filter_is_ignored(
    spaces: Spaces, admin: Spaces, plain_user: Spaces
) -> None:
    names = [unique("tenant-contract") for _ in range(2)]
    for name in names:
        admin("POST", f"{V1}/groups", json={"displayName": name})
    found = spaces("GET", f"{V1}/groups", params={"$search": f'"{names[0]}"'}).json()["value"]
    assert [one["displayName"] for one in found] == [names[0]]
    assert spaces("GET", f"{V1}/groups", params={"$search": names[0]}).status_code == 400
    everything = admin("GET", f"{V1}/groups", params={"$filter": f"displayName eq '{names[0]}'"}).json()["value"]
    assert {one["displayName"] for one in everything} >= set(names)
    assert plain_user("GET", f"{V1}/groups", params={"$search": "te"}).status_code == 403


def test_a_user_created_before_the_first_sign_in_exists_once(spaces: Spaces, admin: Spaces, plain_user: Spaces) -> None:
    """Users are left: they belong to the directory behind OCIS."""
    body = {"onPremisesSamAccountName": unique("owner"), "displayName": "Owner", "mail": "owner@acme.test"}
    made = admin("POST", f"{V1}/users", json=body)
    assert made.status_code == 201, made.text
    again = admin("POST", f"{V1}/users", json=body)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "nameAlreadyExists")
    assert plain_user("POST", f"{V1}/users", json=body).status_code == 403
    assert spaces.invite(spaces.create(), made.json()["id"], "editor").status_code == 200


def test_spaces_are_ordered_only_by_name_and_by_time(spaces: Spaces) -> None:
    for wanted in ("name", "name desc", "lastModifiedDateTime asc"):
        assert spaces("GET", f"{V1}/drives", params={"$orderby": wanted}).status_code == 200
    assert spaces("GET", f"{V1}/drives", params={"$orderby": "quota"}).status_code == 400
