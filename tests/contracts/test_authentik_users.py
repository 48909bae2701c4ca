"""Test creating and deactivating users in Authentik, and their memberships.

Against a real server: set AUTHENTIK_TEST_URL and AUTHENTIK_TEST_TOKEN (a superuser's API token).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.contracts.authentik_objects import GROUPS, TOKENS, USERS, Made, Make
from tests.contracts.real_or_simulator import Server, unique


def usernames(server: Server, **query: Any) -> list[str]:
    answer = server("GET", USERS, params=query)
    assert answer.status_code == 200, answer.text
    return [user["username"] for user in answer.json()["results"]]


def test_a_created_user_has_the_fields_that_we_read_and_a_number_for_membership(new_user: Make) -> None:
    user = new_user(email="Anna@Acme.test", attributes={"dezky": {"tenantId": "x"}})
    assert {"pk", "uuid", "uid", "username", "name", "email", "is_active", "type", "path", "groups"} <= set(user)
    assert isinstance(user["pk"], int)
    assert (user["is_active"], user["type"], user["path"]) == (True, "internal", "users")
    assert (user["email"], user["attributes"]) == ("Anna@Acme.test", {"dezky": {"tenantId": "x"}})


def test_a_user_keeps_the_uid_under_another_name_and_a_later_user_of_the_first_name_gets_another(
    authentik_api: Server, new_user: Make
) -> None:
    user = new_user(email="anna@acme.test")
    changed = {"username": unique("renamed"), "email": "anna@globex.test"}
    assert authentik_api("PATCH", f"{USERS}{user['pk']}/", json=changed).json()["uid"] == user["uid"]
    again = new_user(username=user["username"])
    assert again["uid"] not in ("", user["uid"])


def test_the_caller_is_described_without_attributes(authentik_api: Server) -> None:
    """Read in the product's schema: UserSelf has none, as it has no uuid and no path."""
    answer = authentik_api("GET", f"{USERS}me/").json()["user"]
    assert {"pk", "username", "uid", "groups", "roles", "settings", "system_permissions"} <= set(answer)
    assert not {"attributes", "uuid", "path"} & set(answer)


def test_the_members_shown_with_a_group_have_fewer_fields(
    authentik_api: Server, new_user: Make, new_group: Make
) -> None:
    """Read in the product's schema: PartialUser."""
    user = new_user()
    (member,) = new_group(users=[user["pk"]])["users_obj"]
    assert (member["pk"], member["uid"], member["attributes"]) == (user["pk"], user["uid"], {})
    assert not {"type", "path", "uuid", "avatar"} & set(member)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"username": None}, "username"),
        ({"username": ""}, "username"),
        ({"username": "x" * 151}, "username"),
        ({"name": None}, "name"),
        ({"type": "internal_service_account"}, "type"),
        ({"type": "robot"}, "type"),
        ({"path": "/users"}, "path"),
        ({"path": "users/"}, "path"),
        ({"attributes": []}, "attributes"),
        ({"groups": ["00000000-0000-4000-8000-000000000000"]}, "groups"),
    ],
)
def test_a_bad_user_is_a_400_by_field(authentik_api: Server, changes: dict[str, Any], field: str) -> None:
    answer = authentik_api("POST", USERS, json={"username": unique("bad"), "name": "", **changes})
    assert (answer.status_code, list(answer.json())) == (400, [field])


def test_username_and_name_are_required_but_the_name_may_be_empty(authentik_api: Server, new_user: Make) -> None:
    assert "name" in authentik_api("POST", USERS, json={"username": unique("bad")}).json()
    assert "username" in authentik_api("POST", USERS, json={"name": ""}).json()
    assert new_user(name="")["name"] == ""


def test_a_second_user_of_a_username_is_a_400_and_one_of_an_address_is_not(
    authentik_api: Server, new_user: Make
) -> None:
    user = new_user(email=f"{unique('twin')}@acme.test")
    again = authentik_api("POST", USERS, json={"username": user["username"], "name": ""})
    assert (again.status_code, list(again.json())) == (400, ["username"])
    assert new_user(email=user["email"])["pk"] != user["pk"]
    assert new_user(username=user["username"].upper())["pk"] != user["pk"]


def test_users_are_found_by_exact_name_and_case(authentik_api: Server, new_user: Make) -> None:
    user = new_user(email=f"{unique('Mixed')}@acme.test")
    new_user(username=f"{user['username']}-2")
    assert usernames(authentik_api, username=user["username"]) == [user["username"]]
    assert usernames(authentik_api, username=user["username"].upper()) == []
    assert usernames(authentik_api, email=user["email"]) == [user["username"]]
    assert usernames(authentik_api, email=user["email"].lower()) == []
    assert usernames(authentik_api, uuid=user["uuid"]) == [user["username"]]


def test_a_search_finds_both_of_two_accounts_whatever_the_case(authentik_api: Server, new_user: Make) -> None:
    """Seen: ?search= finds both, whatever the case; ?username=, ?email= are exact."""
    address = f"{unique('Twin')}@People.test"
    pks = {new_user(email=address)["pk"], new_user(username=address.lower())["pk"]}
    new_user()
    for text in (address, address.lower(), address.upper()):
        found = authentik_api("GET", USERS, params={"search": text, "page_size": 100}).json()["results"]
        assert {one["pk"] for one in found} == pks


@pytest.mark.parametrize("email", ["\u00f6lga@people.test", "olga", "olga@", f"{'o' * 250}@people.test"])
def test_an_invalid_address_is_a_400(authentik_api: Server, email: str) -> None:
    answer = authentik_api("POST", USERS, json={"username": unique("bad"), "name": "", "email": email})
    assert (answer.status_code, list(answer.json())) == (400, ["email"])


def test_the_password_of_a_new_service_account_is_no_api_token(authentik_api: Server, made: Made) -> None:
    """Seen: `service_account` gives an app password (403 as API bearer)."""
    answer = authentik_api("POST", f"{USERS}service_account/", json={"name": unique("machine")})
    assert answer.status_code == 200
    made.also(f"{USERS}{answer.json()['user_pk']}/")
    refused = authentik_api.caller(token=answer.json()["token"])("GET", f"{USERS}me/")
    assert (refused.status_code, refused.json()["detail"]) == (403, "Token invalid/expired")


def test_an_expiring_token_lasts_half_an_hour_whatever_was_requested(authentik_api: Server, made: Made) -> None:
    """Seen: 30 min default_token_duration."""
    expires = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    token = made(TOKENS, key="identifier", identifier=unique("token"), intent="api", expires=expires)
    left = datetime.fromisoformat(token["expires"]) - datetime.now(UTC)
    assert timedelta(minutes=25) < left < timedelta(minutes=35)


def test_users_are_found_by_our_own_attribute(authentik_api: Server, new_user: Make) -> None:
    mark = unique("tenant")
    user = new_user(attributes={"dezky": {"tenantId": mark, "role": "owner"}})
    assert usernames(authentik_api, attributes=f'{{"dezky__tenantId": "{mark}"}}') == [user["username"]]
    assert usernames(authentik_api, attributes=f'{{"dezky": {{"tenantId": "{mark}"}}}}') == []
    assert authentik_api("GET", USERS, params={"attributes": "{"}).status_code == 400


def test_users_are_filtered_by_group_and_an_unknown_group_is_a_400(
    authentik_api: Server, new_user: Make, new_group: Make
) -> None:
    group, user = new_group(), new_user()
    authentik_api("POST", f"{GROUPS}{group['pk']}/add_user/", json={"pk": user["pk"]})
    assert usernames(authentik_api, groups_by_name=group["name"]) == [user["username"]]
    assert usernames(authentik_api, groups_by_pk=group["pk"]) == [user["username"]]
    assert authentik_api("GET", USERS, params={"groups_by_name": unique("none")}).status_code == 400


def test_groups_of_a_user_may_be_omitted_from_the_response(authentik_api: Server, new_user: Make) -> None:
    path = f"{USERS}{new_user()['pk']}/"
    assert authentik_api("GET", path).json()["groups_obj"] == []
    assert authentik_api("GET", path, params={"include_groups": "false"}).json()["groups_obj"] is None


def test_deactivating_and_reactivating_a_user_keeps_the_other_fields(
    authentik_api: Server, new_user: Make, new_group: Make
) -> None:
    group = new_group()
    user = new_user(attributes={"theirs": 1}, groups=[group["pk"]])
    path = f"{USERS}{user['pk']}/"
    for active in (False, False, True):
        changed = authentik_api("PATCH", path, json={"is_active": active})
        assert changed.status_code == 200
        shown = changed.json()
        assert (shown["is_active"], shown["attributes"], shown["groups"]) == (active, {"theirs": 1}, [group["pk"]])
        assert usernames(authentik_api, username=user["username"], is_active=str(active).lower()) == [user["username"]]


def test_a_patch_replaces_all_attributes_and_all_groups(authentik_api: Server, new_user: Make, new_group: Make) -> None:
    first, second = new_group(), new_group()
    user = new_user(attributes={"theirs": 1}, groups=[first["pk"]])
    body = {"attributes": {"ours": 2}, "groups": [second["pk"]]}
    changed = authentik_api("PATCH", f"{USERS}{user['pk']}/", json=body).json()
    assert (changed["attributes"], changed["groups"]) == ({"ours": 2}, [second["pk"]])
    assert authentik_api("GET", f"{GROUPS}{first['pk']}/").json()["users"] == []


def test_a_put_without_groups_removes_the_user_from_all_groups(
    authentik_api: Server, new_user: Make, new_group: Make
) -> None:
    user = new_user(groups=[new_group()["pk"]])
    body = {"username": user["username"], "name": "Person"}
    assert authentik_api("PUT", f"{USERS}{user['pk']}/", json=body).json()["groups"] == []


def test_a_rename_to_a_username_in_use_is_a_400(authentik_api: Server, new_user: Make) -> None:
    user, other = new_user(), new_user()
    path = f"{USERS}{user['pk']}/"
    answer = authentik_api("PATCH", path, json={"username": other["username"]})
    assert (answer.status_code, list(answer.json())) == (400, ["username"])
    assert authentik_api("PATCH", path, json={"username": user["username"]}).status_code == 200


def test_a_deleted_user_is_a_json_404_and_no_member_any_more(
    authentik_api: Server, new_user: Make, new_group: Make
) -> None:
    group, user = new_group(), new_user()
    authentik_api("POST", f"{GROUPS}{group['pk']}/add_user/", json={"pk": user["pk"]})
    path = f"{USERS}{user['pk']}/"
    assert authentik_api("DELETE", path).status_code == 204
    for method in ("GET", "DELETE"):
        answer = authentik_api(method, path)
        assert (answer.status_code, "detail" in answer.json()) == (404, True)
    assert authentik_api("GET", f"{GROUPS}{group['pk']}/").json()["users"] == []
    gone = authentik_api("POST", f"{GROUPS}{group['pk']}/add_user/", json={"pk": user["pk"]})
    assert gone.status_code == 404


def test_a_password_is_set_without_an_answer(authentik_api: Server, new_user: Make) -> None:
    path = f"{USERS}{new_user()['pk']}/set_password/"
    answer = authentik_api("POST", path, json={"password": unique("long-and-random")})
    assert (answer.status_code, answer.content) == (204, b"")


def test_the_token_of_a_switched_off_user_is_a_bad_one(authentik_api: Server, made: Made, new_user: Make) -> None:
    user, identifier = new_user(), unique("token")
    token = made(TOKENS, key="identifier", identifier=identifier, intent="api", user=user["pk"], expiring=False)
    key = authentik_api("GET", f"{TOKENS}{token['identifier']}/view_key/").json()["key"]
    theirs = authentik_api.caller(token=key)
    assert theirs("GET", f"{USERS}me/").json()["user"]["pk"] == user["pk"]
    authentik_api("PATCH", f"{USERS}{user['pk']}/", json={"is_active": False})
    answer = theirs("GET", f"{USERS}me/")
    assert (answer.status_code, answer.json()["detail"]) == (403, "Token invalid/expired")


def test_an_app_password_does_not_open_the_api(authentik_api: Server, made: Made, new_user: Make) -> None:
    identifier = unique("password")
    body = {"identifier": identifier, "intent": "app_password", "user": new_user()["pk"], "expiring": False}
    made(TOKENS, key="identifier", **body)
    key = authentik_api("GET", f"{TOKENS}{identifier}/view_key/").json()["key"]
    answer = authentik_api.caller(token=key)("GET", f"{USERS}me/")
    assert (answer.status_code, answer.json()["detail"]) == (403, "Token invalid/expired")


def test_a_tokens_key_can_be_set_and_its_identifier_is_unique(authentik_api: Server, made: Made) -> None:
    identifier, key = unique("token"), unique("key") * 3
    made(TOKENS, key="identifier", identifier=identifier, intent="api", expiring=False)
    assert authentik_api("POST", f"{TOKENS}{identifier}/set_key/", json={"key": key}).status_code == 204
    assert authentik_api("GET", f"{TOKENS}{identifier}/view_key/").json() == {"key": key}
    again = authentik_api("POST", TOKENS, json={"identifier": identifier, "intent": "api"})
    assert (again.status_code, list(again.json())) == (400, ["identifier"])
    wrong = authentik_api("POST", TOKENS, json={"identifier": unique("token"), "intent": "verification"})
    assert (wrong.status_code, list(wrong.json())) == (400, ["intent"])
