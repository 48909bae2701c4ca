"""Test the behaviour of Authentik's API that our client relies on, and its pitfalls.

Against a real server: set AUTHENTIK_TEST_URL and AUTHENTIK_TEST_TOKEN (a superuser's API token).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.contracts.real_or_simulator import Server, unique

GROUPS = "/api/v3/core/groups/"


@pytest.fixture(scope="module")
def server(authentik_api: Server) -> Server:
    return authentik_api


@pytest.fixture
def make(server: Server) -> Iterator[Callable[..., Any]]:
    made = []

    def create(name: str | None = None, **fields: Any) -> Any:
        answer = server("POST", GROUPS, json={"name": name or unique("contract"), **fields})
        assert answer.status_code == 201, answer.text
        made.append(answer.json()["pk"])
        return answer.json()

    yield create
    for pk in made:
        server("DELETE", f"{GROUPS}{pk}/")


@pytest.fixture
def user(server: Server) -> Iterator[int]:
    answer = server("POST", "/api/v3/core/users/", json={"username": unique("person"), "name": "Person"})
    assert answer.status_code == 201, answer.text
    yield answer.json()["pk"]
    server("DELETE", f"/api/v3/core/users/{answer.json()['pk']}/")


def names(answer: requests.Response) -> list[str]:
    return [group["name"] for group in answer.json()["results"]]


def test_a_created_group_has_the_fields_that_we_read(make: Callable[..., Any]) -> None:
    group = make(attributes={"dezky": {"tenantId": "x"}})
    assert {"pk", "name", "attributes", "users", "is_superuser", "parents"} <= set(group)
    assert group["attributes"] == {"dezky": {"tenantId": "x"}}


def test_the_name_filter_is_exact_and_knows_case(server: Server, make: Callable[..., Any]) -> None:
    group = make()
    make(group["name"] + "-2")
    assert names(server("GET", GROUPS, params={"name": group["name"]})) == [group["name"]]
    assert names(server("GET", GROUPS, params={"name": group["name"].upper()})) == []


def test_names_that_differ_in_case_coexist(make: Callable[..., Any]) -> None:
    group = make()
    assert make(group["name"].upper())["pk"] != group["pk"]


def test_a_name_is_trimmed(make: Callable[..., Any]) -> None:
    name = unique("trimmed")
    assert make(f"  {name} ")["name"] == name


def test_an_unknown_filter_is_ignored_and_gives_everything(server: Server, make: Callable[..., Any]) -> None:
    make(), make()
    assert len(server("GET", GROUPS, params={"nmae": "x"}).json()["results"]) >= 2


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_second_group_of_a_name_is_a_400_about_name(server: Server, make: Callable[..., Any], language: str) -> None:
    group = make()
    answer = server("POST", GROUPS, json={"name": group["name"]}, headers={"Accept-Language": language})
    assert answer.status_code == 400
    assert "name" in answer.json()


def test_one_of_many_concurrent_creates_wins_and_none_gets_a_409(server: Server) -> None:
    name = unique("race")

    def create(_: int) -> int:
        token = str(server.session.headers["Authorization"]).removeprefix("Bearer ")
        return server.caller(token=token)("POST", GROUPS, json={"name": name}).status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(pool.map(create, range(6)))
    assert statuses[0] == 201
    assert set(statuses[1:]) <= {400, 405}
    (found,) = server("GET", GROUPS, params={"name": name}).json()["results"]
    server("DELETE", f"{GROUPS}{found['pk']}/")


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": None}, {"name": "x", "attributes": []}])
def test_a_bad_group_is_a_400_by_field(server: Server, body: dict[str, Any]) -> None:
    answer = server("POST", GROUPS, json=body)
    assert answer.status_code == 400
    assert set(answer.json()) <= {"name", "attributes"}


def test_patch_replaces_all_attributes_and_keeps_members(server: Server, make: Callable[..., Any], user: int) -> None:
    group = make(attributes={"theirs": 1})
    server("POST", f"{GROUPS}{group['pk']}/add_user/", json={"pk": user})
    changed = server("PATCH", f"{GROUPS}{group['pk']}/", json={"attributes": {"ours": 2}}).json()
    assert (changed["attributes"], changed["users"]) == ({"ours": 2}, [user])


def test_put_without_users_clears_the_members(server: Server, make: Callable[..., Any], user: int) -> None:
    group = make()
    server("POST", f"{GROUPS}{group['pk']}/add_user/", json={"pk": user})
    assert server("PUT", f"{GROUPS}{group['pk']}/", json={"name": group["name"]}).json()["users"] == []


def test_membership_may_be_added_and_removed_twice(server: Server, make: Callable[..., Any], user: int) -> None:
    group = make()
    for action in ("add_user", "add_user", "remove_user", "remove_user"):
        answer = server("POST", f"{GROUPS}{group['pk']}/{action}/", json={"pk": user})
        assert (answer.status_code, answer.content) == (204, b"")
    assert server("POST", f"{GROUPS}{group['pk']}/add_user/", json={}).status_code == 400


def test_members_are_embedded_by_default(server: Server, make: Callable[..., Any]) -> None:
    group = make()
    path = f"{GROUPS}{group['pk']}/"
    assert server("GET", path).json()["users_obj"] == []
    assert server("GET", path, params={"include_users": "false"}).json()["users_obj"] is None


def test_a_deleted_group_is_a_json_404(server: Server, make: Callable[..., Any]) -> None:
    group = make()
    path = f"{GROUPS}{group['pk']}/"
    assert server("DELETE", path).status_code == 204
    for method in ("GET", "DELETE"):
        answer = server(method, path)
        assert (answer.status_code, "detail" in answer.json()) == (404, True)
    assert server("GET", f"{GROUPS}no-uuid/").status_code == 404


def test_an_unknown_page_is_html_for_get_and_an_empty_405_for_the_rest(server: Server) -> None:
    unknown = server("GET", "/api/v3/core/nothing/")
    assert unknown.status_code == 404
    assert "html" in unknown.headers["Content-Type"]
    masked = server("POST", "/api/v3/core/nothing/", json={})
    assert (masked.status_code, masked.content) == (405, b"")
    assert "html" in masked.headers["Content-Type"]


def test_a_bad_token_is_a_403_and_never_a_401(server: Server) -> None:
    for headers, detail in [
        ({"Authorization": "Bearer nonsense"}, "Token invalid/expired"),
        ({"Authorization": "Basic YTpi"}, "Authentication credentials were not provided."),
    ]:
        answer = server.caller()("GET", GROUPS, headers=headers)
        assert (answer.status_code, answer.json()["detail"]) == (403, detail)


def test_a_good_token_may_read_itself(server: Server) -> None:
    assert server("GET", "/api/v3/core/users/me/").json()["user"]["pk"]


def test_pages_are_counted_by_number_and_end_with_zero(server: Server, make: Callable[..., Any]) -> None:
    make(), make()
    first = server("GET", GROUPS, params={"page_size": 1}).json()["pagination"]
    assert (first["next"], first["previous"], first["current"]) == (2, 0, 1)
    assert server("GET", GROUPS, params={"page": 99_999}).status_code == 404


def test_every_answer_names_its_request(server: Server) -> None:
    assert server("GET", GROUPS).headers["X-authentik-Id"]


def test_members_are_listed_by_number_though_they_are_not_embedded(
    server: Server, make: Callable[..., Any], user: int
) -> None:
    """Seen: keeps the pks with include_users=false on purpose: the product may rely on `users`."""
    group = make(users=[user])
    found = server("GET", f"{GROUPS}{group['pk']}/", params={"include_users": "false"}).json()
    assert (found["users"], found["users_obj"]) == ([user], None)


def test_a_body_over_32_mib_is_cut_by_the_router(server: Server) -> None:
    """Seen: 502 text `failed to connect to authentik backend: http: request body too large`."""
    answer = server("POST", GROUPS, json={"name": "x" * (33 * 2**20)})
    assert (answer.status_code, "request body too large" in answer.text) == (502, True)


def test_a_server_reports_its_readiness_without_credentials(server: Server) -> None:
    for name in ("live", "ready"):
        assert server.caller()("GET", f"/-/health/{name}/").status_code in (200, 204)
