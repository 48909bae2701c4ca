"""The parts of OCIS and OpenCloud that our client relies on, and their traps.

Against a real server: set OCIS_TEST_URL and OCIS_TEST_TOKEN (a bearer), or OCIS_TEST_USERNAME and OCIS_TEST_PASSWORD
(an app token), of an account with the role Space Admin; the same with OCIS_ADMIN_TEST_ (role Admin) and
OCIS_PLAIN_TEST_ (role User), else the tests that need those are skipped. OPENCLOUD_ in place of OCIS_ for OpenCloud.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from tests.contracts.ocis_objects import Spaces
from tests.contracts.real_or_simulator import Server, unique

DRIVES, BETA = "/graph/v1.0/drives", "/graph/v1beta1/drives"
EDITOR, VIEWER = "58c63c02-1d89-4572-916a-870abc5a1b7d", "a8d5fe5e-96e3-418d-825b-534dbdf22b99"


@pytest.fixture(scope="module")
def server(ocis_accounts: dict[str, Server | None]) -> Server:
    found = ocis_accounts[""]
    assert found is not None
    return found


@pytest.fixture
def make(server: Server) -> Iterator[Callable[..., Any]]:
    made = []

    def create(name: str | None = None, **fields: Any) -> Any:
        answer = server("POST", DRIVES, json={"name": name or unique("contract"), "driveType": "project", **fields})
        assert answer.status_code == 201, answer.text
        made.append(answer.json()["id"])
        return answer.json()

    yield create
    for id_ in made:
        server("DELETE", f"{DRIVES}/{id_}")
        server("DELETE", f"{DRIVES}/{id_}", headers={"Purge": "T"})


@pytest.fixture(scope="module")
def group(ocis_accounts: dict[str, Server | None]) -> Iterator[tuple[str, str]]:
    server = ocis_accounts["_ADMIN"]
    if server is None:
        pytest.skip("this server has no such account")
    name = unique("tenant-contract")
    answer = server("POST", "/graph/v1.0/groups", json={"displayName": name})
    assert answer.status_code == 201, answer.text
    id_ = answer.json()["id"]
    yield name, id_
    server("DELETE", f"/graph/v1.0/groups/{id_}")


def invitation(group_id: str, role: str = EDITOR, **changes: Any) -> dict[str, Any]:
    recipient = {"@libre.graph.recipient.type": "group", "objectId": group_id}
    return {"recipients": [recipient], "roles": [role], **changes}


def test_a_created_space_has_the_fields_that_we_read(make: Callable[..., Any]) -> None:
    space = make(description="ours", driveAlias="project/x", quota={"total": 1000})
    assert {"id", "name", "description", "quota", "root", "driveType"} <= set(space)
    assert (space["description"], space["quota"]["total"], space["quota"]["used"]) == ("ours", 1000, 0)
    assert "$" in space["id"]
    assert "deleted" not in space["root"]


def test_nothing_about_a_space_is_unique(make: Callable[..., Any]) -> None:
    name = unique("twin")
    first, second = make(name, driveAlias="project/twin"), make(name, driveAlias="project/twin")
    assert first["id"] != second["id"]


def test_an_id_in_the_request_is_ignored(make: Callable[..., Any]) -> None:
    assert make(id="wanted")["id"] != "wanted"


@pytest.mark.parametrize("name", ["acme.example", "a/b", "a:b", "a?b", 'a"b', "a|b", "", " ", "x" * 256, "é" * 128])
def test_a_forbidden_name_is_a_400(server: Server, name: str) -> None:
    assert server("POST", DRIVES, json={"name": name, "driveType": "project"}).status_code == 400


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"name": "x", "surprise": 1}', b'{"name": "x", "quota": {"total": "1"}}']
)
def test_bodies_are_read_strictly(server: Server, body: bytes) -> None:
    answer = server("POST", DRIVES, data=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, "code" in answer.json()["error"]) == (400, True)


def test_filters_by_name_are_ignored_and_others_refused(server: Server, make: Callable[..., Any]) -> None:
    mine, other = make(), make()
    found = server("GET", DRIVES, params={"$filter": f"name eq '{mine['name']}'"}).json()["value"]
    assert {mine["id"], other["id"]} <= {space["id"] for space in found}
    assert server("GET", DRIVES, params={"$filter": "startswith(name,'x')"}).status_code == 501
    assert server("GET", DRIVES, params={"$nonsense": "1"}).status_code == 400
    assert len(server("GET", DRIVES, params={"$top": "1"}).json()["value"]) >= 2
    by_id = server("GET", DRIVES, params={"$filter": f"id eq '{mine['id']}'"}).json()["value"]
    assert [space["id"] for space in by_id] == [mine["id"]]


def test_a_space_is_read_with_its_dollar_raw_or_encoded(server: Server, make: Callable[..., Any]) -> None:
    space = make()
    assert server("GET", f"{DRIVES}/{space['id']}").json()["id"] == space["id"]
    assert server("GET", f"{DRIVES}/{space['id'].replace('$', '%24')}").json()["id"] == space["id"]
    assert server("GET", f"{DRIVES}/nothing$at-all").status_code == 404


def test_changes_are_partial_and_zero_is_without_limit(server: Server, make: Callable[..., Any]) -> None:
    space = make(description="first", quota={"total": 5000})
    path = f"{DRIVES}/{space['id']}"
    changed = server("PATCH", path, json={"description": "second"}).json()
    assert (changed["description"], changed["quota"]["total"]) == ("second", 5000)
    assert server("PATCH", path, data=b"").status_code == 400
    assert server("PATCH", path, json={"surprise": 1}).status_code == 400


def test_delete_disables_and_purge_removes_only_a_disabled_space(server: Server, make: Callable[..., Any]) -> None:
    space = make()
    path = f"{DRIVES}/{space['id']}"
    assert server("DELETE", path, headers={"Purge": "T"}).status_code == 400
    for _ in range(2):
        assert server("DELETE", path).status_code == 204
    shown = server("GET", path).json()
    assert shown["root"]["deleted"]["state"] == "trashed"
    assert "used" not in shown["quota"]
    assert space["id"] in {one["id"] for one in server("GET", DRIVES).json()["value"]}
    assert server("GET", f"{BETA}/{space['id']}/root/permissions").status_code == 404
    assert server("DELETE", path, headers={"Purge": "yes"}).status_code == 204
    assert server("GET", path).status_code == 200
    assert server("DELETE", path, headers={"Purge": "T"}).status_code == 204
    assert server("DELETE", path, headers={"Purge": "T"}).status_code == 404


def test_a_disabled_space_is_restored_by_a_header_and_an_empty_object(server: Server, make: Callable[..., Any]) -> None:
    space = make()
    path = f"{DRIVES}/{space['id']}"
    server("DELETE", path)
    assert server("PATCH", path, data=b"", headers={"Restore": "T"}).status_code == 400
    assert server("PATCH", path, json={}, headers={"Restore": "T"}).status_code == 200
    assert "deleted" not in server("GET", path).json()["root"]


def test_a_group_is_invited_once_and_changed_by_its_permission(
    server: Server, make: Callable[..., Any], group: tuple[str, str]
) -> None:
    space, (_, group_id) = make(), group
    root = f"{BETA}/{space['id']}/root"
    invited = server("POST", f"{root}/invite", json=invitation(group_id))
    assert (invited.status_code, invited.json()["value"][0]["id"]) == (200, f"g:{group_id}")
    for role in (EDITOR, VIEWER):
        again = server("POST", f"{root}/invite", json=invitation(group_id, role))
        assert (again.status_code, again.json()["error"]["code"]) == (409, "nameAlreadyExists")
    assert server("PATCH", f"{root}/permissions/g:{group_id}", json={"roles": [VIEWER]}).status_code == 200
    listed = server("GET", f"{root}/permissions").json()["value"]
    assert {"g:" + group_id: [VIEWER]}.items() <= {one["id"]: one["roles"] for one in listed}.items()
    assert server("DELETE", f"{root}/permissions/g%3A{group_id}").status_code == 204
    assert server("DELETE", f"{root}/permissions/g:{group_id}").status_code == 500


@pytest.mark.parametrize(
    "changes",
    [
        {"recipients": [{"objectId": "x"}]},
        {"recipients": []},
        {"recipients": [{"@libre.graph.recipient.type": "group", "objectId": "00000000-0000-0000-0000-000000000000"}]},
        {"roles": ["00000000-0000-0000-0000-000000000000"]},
    ],
)
def test_a_bad_invitation_is_a_400(
    server: Server, make: Callable[..., Any], group: tuple[str, str], changes: dict[str, Any]
) -> None:
    space = make()
    answer = server("POST", f"{BETA}/{space['id']}/root/invite", json=invitation(group[1], **changes))
    assert answer.status_code == 400


def test_the_last_manager_cannot_be_removed(server: Server, make: Callable[..., Any]) -> None:
    space = make()
    root = f"{BETA}/{space['id']}/root/permissions"
    (manager,) = server("GET", root).json()["value"]
    assert server("DELETE", f"{root}/{manager['id']}").status_code == 403


def test_group_names_are_unique_without_regard_to_case_and_found_by_name(
    server: Server, admin: Spaces, group: tuple[str, str]
) -> None:
    name, id_ = group
    again = admin("POST", "/graph/v1.0/groups", json={"displayName": name.upper()})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "nameAlreadyExists")
    assert server("GET", f"/graph/v1.0/groups/{name}").json()["id"] == id_
    assert server("GET", f"/graph/v1.0/groups/{unique('none')}").status_code == 404


def test_our_own_drive_is_shown_while_the_storage_answers(server: Server) -> None:
    assert server("GET", "/graph/v1.0/me/drive").status_code == 200


def test_an_unauthenticated_caller_gets_an_empty_401(server: Server) -> None:
    answer = requests.get(server.url + DRIVES, headers={"Authorization": "Bearer nonsense"}, timeout=30)
    assert (answer.status_code, answer.content) == (401, b"")


def test_an_unknown_route_is_plain_text(server: Server) -> None:
    answer = server("GET", "/graph/v1.0/nothing/here")
    assert answer.status_code == 404
    assert "json" not in answer.headers["Content-Type"]
