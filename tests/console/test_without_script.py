"""Without script everything but live updates works, by forms and links."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.console.conftest import ConsoleFixture, People
from tests.simulators import fault


@pytest.fixture(autouse=True)
def healthy(console: ConsoleFixture) -> Iterator[None]:
    yield
    requests.delete(f"{console.platform.ocis.url}/__sim/faults", timeout=5)


@pytest.fixture
def plain(people: People) -> Page:
    return people.page("admin", "/", java_script_enabled=False)


def reload_until(page: Page, text: str) -> None:
    """Reload, as a person without script does, until the page shows the text."""
    deadline = time.monotonic() + 45
    while time.monotonic() < deadline:
        if text in page.locator("main").inner_text():
            return
        page.wait_for_timeout(500)
        page.reload()
    pytest.fail(f"{page.url} does not come to say {text!r}")


def test_a_tenant_is_created_with_its_refusals_at_the_fields(plain: Page, console: ConsoleFixture) -> None:
    simone = console.unused("simone")
    plain.get_by_role("link", name="New tenant").click()
    plain.get_by_label("Name", exact=True).fill("Simone GmbH")
    plain.get_by_label("Slug").fill("admin")
    plain.get_by_role("button", name="Create tenant").click()
    expect(plain.get_by_label("Slug")).to_have_attribute("aria-invalid", "true")
    plain.get_by_label("Slug").fill(simone)
    plain.get_by_role("button", name="Create tenant").click()
    expect(plain).to_have_url(re.compile(f"/tenants/{simone}$"))
    reload_until(plain, "3 of 3 steps done")


def test_a_failed_step_is_retried(plain: Page, console: ConsoleFixture) -> None:
    fault(console.platform.ocis, kind="status", status=400)
    stella = console.unused("stella")
    console.tenant(stella)
    requests.delete(f"{console.platform.ocis.url}/__sim/faults", timeout=5)
    plain.goto(f"/tenants/{stella}")
    plain.get_by_role("button", name="Retry OCIS").click()
    reload_until(plain, "succeeded: ")


def test_tenants_are_chosen_and_reconciled_together(plain: Page, console: ConsoleFixture) -> None:
    sven = console.unused("sven")
    one, two = f"{sven}one", f"{sven}two"
    for slug in (two, one):
        console.tenant(slug)
    plain.goto(f"/tenants/?q={sven}")
    assert not plain.get_by_label("Select all on this page").is_visible()
    plain.get_by_label(f"Select {one.title()} GmbH").check()
    plain.get_by_role("button", name="Reconcile the selected").click()
    expect(plain.get_by_role("heading", name="Reconcile 1 tenant")).to_be_visible()
    plain.get_by_role("button", name="Reconcile 1 tenant").click()
    reload_until(plain, "Finished")
    assert console.call("GET", f"/tenants/{one}/operations")[0]["action"] == "reconcile"
    assert console.call("GET", f"/tenants/{two}/operations")[0]["action"] == "provision"


def test_a_reconcile_shows_its_dry_run_first(plain: Page, console: ConsoleFixture) -> None:
    sonja = console.unused("sonja")
    console.tenant(sonja)
    plain.goto(f"/tenants/{sonja}")
    plain.get_by_role("button", name="Reconcile …").click()
    reload_until(plain, "a reconcile would change nothing")
    plain.get_by_role("button", name="Run every step all the same").click()
    expect(plain).to_have_url(re.compile(f"/tenants/{sonja}$"))


def test_what_a_dry_run_left_out_is_not_shown_as_being_as_it_should_be(plain: Page, console: ConsoleFixture) -> None:
    selma = console.unused("selma")
    console.tenant(selma)
    dry_run = {"params": {"mode": "plan", "wait": 20}}
    console.call("POST", f"/tenants/{selma}/reconcile", **dry_run)
    console.call("POST", "/integrations/ocis/pause", json={"reason": "maintenance"})
    time.sleep(1.1)  # a worker knows it within a second
    try:
        plain.goto(f"/tenants/{selma}")
        plain.get_by_role("button", name="Reconcile …").click()
        reload_until(plain, "Some steps were not looked at. The others are as they should be.")
    finally:
        console.call("POST", "/integrations/ocis/resume")
    drift = console.call("GET", f"/tenants/{selma}")["drift"]
    assert [one["step"] for one in drift["notChecked"]] == ["ocis"]
    assert drift["notChecked"][0]["lookedAt"] < drift["lookedAt"]
    plain.goto(f"/tenants/{selma}")
    expect(plain.locator("#state")).to_contain_text(re.compile("left out what was paused.*OCIS, last checked", re.S))


def test_an_integration_is_paused_and_resumed(plain: Page, console: ConsoleFixture) -> None:
    plain.goto("/integrations/")
    row = plain.locator("#integrations tr", has_text="OCIS")
    row.locator("summary").click()
    row.get_by_label("Reason").fill("maintenance")
    row.get_by_role("button", name="Pause OCIS").click()
    expect(row).to_contain_text("maintenance")
    row.get_by_role("button", name="Resume OCIS").click()
    expect(row).not_to_contain_text("maintenance")


def test_filters_find_and_colours_change(plain: Page, console: ConsoleFixture) -> None:
    saskia = console.unused("saskia")
    console.tenant(saskia)
    plain.goto("/tenants/")
    plain.get_by_text("More filters").click()
    plain.get_by_label("OCIS", exact=True).select_option(label="Failed")
    plain.get_by_role("searchbox", name="Name, slug").fill(saskia)
    plain.get_by_role("button", name="Apply").click()
    expect(plain.get_by_text("No tenant fits")).to_be_visible()
    plain.get_by_role("link", name="Clear", exact=True).click()
    expect(plain.get_by_role("link", name=f"{saskia.title()} GmbH")).to_be_visible()
    plain.get_by_role("button", name="Dark").click()
    expect(plain.locator("html")).to_have_attribute("data-bs-theme", "dark")


def test_a_wrong_confirmation_is_refused_with_a_message_at_its_field(plain: Page, console: ConsoleFixture) -> None:
    selma = console.unused("selma")
    console.tenant(selma)
    for path, wanted, word in (
        (f"/tenants/{selma}/do/suspend", selma, "Suspend"),
        (f"/tenants/{selma}/domains/{selma}.test/remove", f"{selma}.test", "Remove domain"),
    ):
        plain.goto(path)
        plain.get_by_label(f"Type {wanted} to confirm").fill("something else")
        plain.get_by_role("button", name=word).click()
        field = plain.get_by_label(f"Type {wanted} to confirm")
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_accessible_description(f"Type {wanted} to confirm.")
    tenant = console.call("GET", f"/tenants/{selma}")
    assert (tenant["status"], tenant["domains"]) == ("active", [f"{selma}.test"])
