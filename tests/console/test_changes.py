"""Forms of records: nothing that somebody else has changed meanwhile is undone."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Page, expect
from pymongo import MongoClient

from tests.console.conftest import ConsoleFixture, People


@pytest.fixture
def carla(console: ConsoleFixture) -> dict[str, Any]:
    """A user who may be changed, as they are at first."""
    console.person("carla")
    user: dict[str, Any] = console.call("GET", "/users/me", "carla")
    first = {"name": "Carla", "email": "carla@people.test", "role": "member", "platformAdmin": False}
    console.call("PATCH", f"/users/{user['_id']}", json=first)
    return user


def save(page: Page) -> None:
    page.get_by_role("button", name="Save").click()


def test_saving_keeps_rights_that_were_revoked_while_the_form_was_open(
    people: People, console: ConsoleFixture, carla: dict[str, Any]
) -> None:
    path = f"/users/{carla['_id']}"
    console.call("PATCH", path, json={"platformAdmin": True})
    page = people.page("admin", path)
    console.call("PATCH", path, json={"platformAdmin": False})
    page.get_by_label("Name", exact=True).fill("Carla Anders")
    save(page)
    expect(page.get_by_text("Saved.")).to_be_visible()
    found = console.call("GET", path)
    assert (found["name"], found["platformAdmin"]) == ("Carla Anders", False)


def test_a_field_that_two_people_changed_is_shown_before_it_is_overwritten(
    people: People, console: ConsoleFixture, carla: dict[str, Any]
) -> None:
    path = f"/users/{carla['_id']}"
    page = people.page("admin", path)
    console.call("PATCH", path, json={"name": "Carla Bauer", "role": "admin"})
    page.get_by_label("Name", exact=True).fill("Carla Anders")
    save(page)
    expect(page.get_by_text("Somebody else has changed this to: Carla Bauer")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Carla Anders")
    expect(page.get_by_label("Role")).to_have_value("admin")
    assert console.call("GET", path)["name"] == "Carla Bauer"
    save(page)
    expect(page.get_by_text("Saved.")).to_be_visible()
    found = console.call("GET", path)
    assert (found["name"], found["role"]) == ("Carla Anders", "admin")


def test_editing_a_tenant_keeps_a_plan_that_is_no_longer_in_the_catalogue(
    people: People, console: ConsoleFixture, cleaner: MongoClient[dict[str, Any]]
) -> None:
    clara = console.unused("clara")
    console.tenant(clara)
    tenants = cleaner[console.platform.settings.mongodb_database]["tenants"]
    assert tenants.update_one({"slug": clara}, {"$set": {"plan": "retired"}}).modified_count == 1
    page = people.page("admin", f"/tenants/{clara}/edit")
    expect(page.get_by_label("Plan")).to_have_value("retired")
    page.get_by_label("Company").fill("Clara GmbH")
    save(page)
    expect(page.get_by_text("Saved.")).to_be_visible()
    found = console.call("GET", f"/tenants/{clara}")
    assert (found["plan"], found["billingInfo"]["company"]) == ("retired", "Clara GmbH")


class Somebody(NamedTuple):
    username: str
    id: str

    @property
    def path(self) -> str:
        return f"/users/{self.id}"


@pytest.fixture(scope="module")
def ulla(console: ConsoleFixture) -> dict[str, Somebody]:
    """A tenant of a partner: its people and the partner's admin."""
    ulla, agency = console.unused("ulla"), console.unused("agency")
    partner = console.call("POST", "/partners", json={"slug": agency, "name": agency.title()})
    console.tenant(ulla, partnerId=partner["_id"])
    people, group = {}, f"tenant-{ulla}"
    for name, username, groups, rights in (
        ("agency", f"{agency}-admin", (), {"role": "admin", "partnerId": partner["_id"]}),
        ("owner", f"{ulla}-owner", (group,), {"role": "owner"}),
        ("admin", f"{ulla}-admin", (group,), {"role": "admin"}),
        ("member", f"{ulla}-member", (group,), {}),
    ):
        console.person(username, *groups)
        people[name] = Somebody(username, console.call("GET", "/users/me", username)["_id"])
        console.call("PATCH", people[name].path, json=rights)
    return people


def test_an_admin_is_offered_the_changes_of_users_that_the_api_accepts(
    people: People, console: ConsoleFixture, ulla: dict[str, Somebody]
) -> None:
    page = people.page(ulla["admin"].username, ulla["member"].path)
    assert page.get_by_label("Role").locator("option").all_inner_texts() == ["Member", "Admin"]
    page.get_by_label("Role").select_option("admin")
    save(page)
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.goto(ulla["owner"].path)
    expect(page.get_by_role("heading", name="Facts")).to_be_visible()
    expect(page.locator("main form")).to_have_count(0)


def test_a_partner_changes_people_of_their_tenants_and_is_not_offered_new_ones(
    people: People, console: ConsoleFixture, ulla: dict[str, Somebody]
) -> None:
    page = people.page(ulla["agency"].username, ulla["owner"].path)
    page.get_by_label("Role").select_option("member")
    save(page)
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.goto(ulla["agency"].path)
    expect(page.locator("main form")).to_have_count(0)
    page.goto("/users/")
    expect(page.get_by_role("heading", name="Users")).to_be_visible()
    expect(page.get_by_role("link", name="New user")).to_have_count(0)
    answer = page.goto("/users/new")
    assert answer is not None
    assert answer.status == 403
