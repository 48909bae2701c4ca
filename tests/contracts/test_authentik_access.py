"""Test bindings of groups to applications, and changes that open an application to all users.

Against a real server: set AUTHENTIK_TEST_URL and AUTHENTIK_TEST_TOKEN (a superuser's API token).
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.authentik_objects import APPLICATIONS, BINDINGS, GROUPS, Made, Make
from tests.contracts.real_or_simulator import Server, unique

NOBODY = "00000000-0000-4000-8000-000000000000"


def passes(server: Server, application: dict[str, Any], user: dict[str, Any]) -> bool:
    path = f"{APPLICATIONS}{application['slug']}/check_access/"
    answer = server("GET", path, params={"for_user": user["pk"]})
    assert answer.status_code == 200, answer.text
    return bool(answer.json()["passing"])


def bind(made: Made, application: dict[str, Any], **who: Any) -> Any:
    return made(BINDINGS, target=application["pk"], order=0, **who)


def test_an_application_is_read_by_its_slug(authentik_api: Server, new_application: Make) -> None:
    application = new_application(group="Acme", meta_launch_url="https://files.acme.test")
    assert {"pk", "name", "slug", "provider", "group", "policy_engine_mode", "meta_launch_url"} <= set(application)
    assert (application["provider"], application["policy_engine_mode"]) == (None, "any")
    path = f"{APPLICATIONS}{application['slug']}/"
    assert authentik_api("GET", path).json()["pk"] == application["pk"]
    assert authentik_api("PATCH", path, json={"name": "Renamed"}).json()["name"] == "Renamed"
    absent = authentik_api("GET", f"{APPLICATIONS}{unique('none')}/")
    assert (absent.status_code, "detail" in absent.json()) == (404, True)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"slug": "x-1"}, "name"),
        ({"name": "x"}, "slug"),
        ({"name": "x", "slug": "userinfo"}, "slug"),
        ({"name": "x", "slug": "no slug"}, "slug"),
        ({"name": "x", "slug": "x-2", "provider": 999_999_999}, "provider"),
        ({"name": "x", "slug": "x-3", "policy_engine_mode": "some"}, "policy_engine_mode"),
    ],
)
def test_a_bad_application_is_a_400_by_field(authentik_api: Server, body: dict[str, Any], field: str) -> None:
    answer = authentik_api("POST", APPLICATIONS, json=body)
    assert (answer.status_code, list(answer.json())) == (400, [field])


def test_slugs_are_unique_and_so_is_the_provider_behind(authentik_api: Server, new_application: Make) -> None:
    slug = new_application()["slug"]
    again = authentik_api("POST", APPLICATIONS, json={"name": "x", "slug": slug})
    assert (again.status_code, list(again.json())) == (400, ["slug"])
    listed = authentik_api("GET", APPLICATIONS, params={"superuser_full_list": "true"}).json()["results"]
    provider = next((one["provider"] for one in listed if one["provider"]), None)
    if provider is None:
        pytest.skip("no application here has a provider")
    taken = authentik_api("POST", APPLICATIONS, json={"name": "x", "slug": unique("x"), "provider": provider})
    assert (taken.status_code, list(taken.json())) == (400, ["provider"])


def test_an_application_without_bindings_is_open_to_all_users(
    authentik_api: Server, new_application: Make, new_user: Make
) -> None:
    assert passes(authentik_api, new_application(), new_user()) is True


def test_a_bound_group_gives_access_to_its_members_only(
    authentik_api: Server, made: Made, new_application: Make, new_group: Make, new_user: Make
) -> None:
    application, group, member, stranger = new_application(), new_group(), new_user(), new_user()
    bind(made, application, group=group["pk"])
    authentik_api("POST", f"{GROUPS}{group['pk']}/add_user/", json={"pk": member["pk"]})
    assert (passes(authentik_api, application, member), passes(authentik_api, application, stranger)) == (True, False)
    authentik_api("POST", f"{GROUPS}{group['pk']}/remove_user/", json={"pk": member["pk"]})
    assert passes(authentik_api, application, member) is False


def test_members_of_a_child_group_have_access_too(
    authentik_api: Server, made: Made, new_application: Make, new_group: Make, new_user: Make
) -> None:
    application, parent, member = new_application(), new_group(), new_user()
    child = new_group(parents=[parent["pk"]], users=[member["pk"]])
    bind(made, application, group=parent["pk"])
    assert passes(authentik_api, application, member) is True
    assert authentik_api("GET", f"{GROUPS}{parent['pk']}/").json()["children"] == [child["pk"]]


def test_removing_the_last_binding_opens_the_application_to_all_users(
    authentik_api: Server, made: Made, new_application: Make, new_group: Make, new_user: Make
) -> None:
    application, stranger = new_application(), new_user()
    bindings = [bind(made, application, group=new_group()["pk"]) for _ in range(2)]
    open_to_all = []
    for binding in bindings:
        assert authentik_api("DELETE", f"{BINDINGS}{binding['pk']}/").status_code == 204
        open_to_all.append(passes(authentik_api, application, stranger))
    assert open_to_all == [False, True]


def test_deleting_a_group_deletes_its_bindings_and_opens_the_application(
    authentik_api: Server, made: Made, new_application: Make, new_group: Make, new_user: Make
) -> None:
    application, group, stranger = new_application(), new_group(), new_user()
    binding = bind(made, application, group=group["pk"])
    used_by = authentik_api("GET", f"{GROUPS}{group['pk']}/used_by/").json()
    assert ("policybinding", "cascade") in [(one["model_name"], one["action"]) for one in used_by]
    assert passes(authentik_api, application, stranger) is False
    assert authentik_api("DELETE", f"{GROUPS}{group['pk']}/").status_code == 204
    assert authentik_api("GET", f"{BINDINGS}{binding['pk']}/").status_code == 404
    assert passes(authentik_api, application, stranger) is True


def test_a_group_that_is_created_again_has_another_id_and_no_members(
    authentik_api: Server, new_group: Make, new_user: Make
) -> None:
    group = new_group(users=[new_user()["pk"]])
    authentik_api("DELETE", f"{GROUPS}{group['pk']}/")
    again = new_group(name=group["name"])
    assert (again["pk"] == group["pk"], again["users"]) == (False, [])


@pytest.mark.parametrize("who", [{}, {"group": NOBODY}, {"user": 999_999_999}, {"policy": NOBODY}])
def test_a_binding_names_just_one_that_exists(
    authentik_api: Server, new_application: Make, who: dict[str, Any]
) -> None:
    body = {"target": new_application()["pk"], "order": 0, **who}
    assert authentik_api("POST", BINDINGS, json=body).status_code == 400


def test_a_binding_for_both_a_group_and_a_user_is_refused(
    authentik_api: Server, new_application: Make, new_group: Make, new_user: Make
) -> None:
    body = {"target": new_application()["pk"], "order": 0, "group": new_group()["pk"], "user": new_user()["pk"]}
    assert authentik_api("POST", BINDINGS, json=body).status_code == 400


def test_a_binding_needs_a_target_and_an_order(authentik_api: Server, new_application: Make, new_group: Make) -> None:
    whole = {"target": new_application()["pk"], "order": 0, "group": new_group()["pk"]}
    for name in ("target", "order"):
        answer = authentik_api("POST", BINDINGS, json={key: value for key, value in whole.items() if key != name})
        assert (answer.status_code, list(answer.json())) == (400, [name])


def test_the_same_binding_twice_is_two_bindings(
    authentik_api: Server, made: Made, new_application: Make, new_group: Make
) -> None:
    application, group = new_application(), new_group()
    pks = {bind(made, application, group=group["pk"])["pk"] for _ in range(2)}
    listed = authentik_api("GET", BINDINGS, params={"target": application["pk"]}).json()["results"]
    assert {one["pk"] for one in listed} == pks
    assert {one["group"] for one in listed} == {group["pk"]}


@pytest.mark.parametrize(("mode", "expected"), [("any", True), ("all", False)])
def test_the_mode_decides_if_one_binding_is_enough(
    authentik_api: Server, made: Made, new_application: Make, new_group: Make, new_user: Make, mode: str, expected: bool
) -> None:
    application, member = new_application(policy_engine_mode=mode), new_user()
    bind(made, application, group=new_group(users=[member["pk"]])["pk"])
    bind(made, application, group=new_group()["pk"])
    assert passes(authentik_api, application, member) is expected


def test_with_the_mode_all_deleting_a_group_opens_the_application(
    authentik_api: Server, made: Made, new_application: Make, new_group: Make, new_user: Make
) -> None:
    """Seen: with `all`, or a negated binding, removing the group's binding opens the application though another
    binding stays.
    """
    stranger = new_user()
    application, group = new_application(policy_engine_mode="all"), new_group()
    bind(made, application, group=group["pk"])
    bind(made, application, user=stranger["pk"])
    assert passes(authentik_api, application, stranger) is False
    authentik_api("DELETE", f"{GROUPS}{group['pk']}/")
    assert passes(authentik_api, application, stranger) is True


def test_a_remaining_negated_binding_opens_the_application_to_all_others(
    authentik_api: Server, made: Made, new_application: Make, new_group: Make, new_user: Make
) -> None:
    """Seen: with `all`, or a negated binding, removing the group's binding opens the application."""
    stranger = new_user()
    application, group = new_application(policy_engine_mode="all"), new_group()
    bind(made, application, group=group["pk"])
    bind(made, application, group=new_group()["pk"], negate=True)
    assert passes(authentik_api, application, stranger) is False
    authentik_api("DELETE", f"{GROUPS}{group['pk']}/")
    assert passes(authentik_api, application, stranger) is True


def test_disabled_bindings_count_as_none(
    authentik_api: Server, made: Made, new_application: Make, new_group: Make, new_user: Make
) -> None:
    application = new_application()
    bind(made, application, group=new_group()["pk"], enabled=False)
    assert passes(authentik_api, application, new_user()) is True


def test_deleting_an_application_deletes_its_bindings(
    authentik_api: Server, made: Made, new_application: Make, new_group: Make
) -> None:
    application = new_application()
    binding = bind(made, application, group=new_group()["pk"])
    path = f"{APPLICATIONS}{application['slug']}/"
    assert [authentik_api("DELETE", path).status_code for _ in range(2)] == [204, 404]
    assert authentik_api("GET", f"{BINDINGS}{binding['pk']}/").status_code == 404
