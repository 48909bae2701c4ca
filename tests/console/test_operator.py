"""An operator's work in a browser: create a tenant, repair a fault, suspend and delete, pause."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Page, expect
from pymongo import MongoClient

from tests.browser import SECONDS
from tests.console.conftest import ConsoleFixture, People
from tests.simulators import API_TOKEN, fault

SOON = 20 * SECONDS


@pytest.fixture(autouse=True)
def healthy(console: ConsoleFixture) -> Iterator[None]:
    yield
    for product in (console.platform.authentik, console.platform.stalwart, console.platform.ocis):
        requests.delete(f"{product.url}/__sim/faults", timeout=5)


def fill_new_tenant(page: Page, slug: str) -> None:
    page.get_by_label("Name", exact=True).fill(f"{slug.title()} GmbH")
    page.get_by_label("Slug").fill(slug)
    page.get_by_label("Domains").fill(f"{slug}.test")
    page.get_by_label("Owner's name").fill("Olivia Owner")
    page.get_by_label("Owner's e-mail address").fill(f"olivia@{slug}.test")


def test_a_tenant_is_created_and_seen_turning_active_without_a_reload(people: People, console: ConsoleFixture) -> None:
    fault(console.platform.ocis, kind="latency", delay=1.5, count=2)
    livia = console.unused("livia")
    page = people.page("admin", "/tenants/new")
    fill_new_tenant(page, livia)
    page.get_by_role("button", name="Create tenant").click()
    page.evaluate("window.wasNotReloaded = true")
    state = page.locator("#state")
    expect(state).to_contain_text("Pending")
    expect(state).to_contain_text("4 of 4 steps done", timeout=SOON)
    expect(state.locator(".state").first).to_have_text("Active")
    assert page.evaluate("window.wasNotReloaded")
    assert console.platform.has_one_of_each(livia)
    # the text for screen readers
    expect(page.locator("#said")).to_contain_text(f"{livia.title()} GmbH is active")


def test_slug_domain_and_address_are_checked_while_they_are_typed(people: People, console: ConsoleFixture) -> None:
    tamara = console.unused("tamara")
    console.tenant(tamara)
    page = people.page("admin", "/tenants/new")
    for label, bad, text, good in (
        ("Slug", tamara, "Taken.", f"{tamara}-two"),
        ("Domains", f"good.test\n{tamara}.test", "Taken.", f"{tamara}-two.test"),
        ("Owner's e-mail address", "nobody", "e-mail address", f"olga@{tamara}-two.test"),
    ):
        field = page.get_by_label(label)
        shown = page.locator(f"#{field.get_attribute('id')}-check")
        field.press_sequentially(bad)
        expect(shown).to_contain_text(text)
        field.fill(good)
        expect(shown).to_have_text("Good.")


def test_an_error_of_the_api_is_shown_at_its_field_and_the_input_stays(people: People, console: ConsoleFixture) -> None:
    page = people.page("admin", "/tenants/new")
    fill_new_tenant(page, "admin")
    page.get_by_label("Domains").fill("good.test\nnot a domain")
    page.get_by_role("button", name="Create tenant").click()
    for label in ("Slug", "Domains"):
        field = page.get_by_label(label)
        expect(field).to_have_attribute("aria-invalid", "true")
        described = field.get_attribute("aria-describedby") or ""
        assert page.locator(f"#{described.split()[0]}").inner_text()
    expect(page.get_by_label("Domains")).to_have_value("good.test\nnot a domain")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Admin GmbH")


def test_a_step_that_failed_shows_reason_and_remedy_and_is_green_after_a_retry(
    people: People, console: ConsoleFixture
) -> None:
    fault(console.platform.ocis, kind="status", status=400)
    rita = console.unused("rita")
    made = console.tenant(rita)
    assert made["provisioningStatus"]["ocis"] == "error"
    page = people.page("admin", f"/tenants/{rita}")
    row = page.locator("#state tr", has_text="OCIS")
    step = next(one for one in made["operation"]["steps"] if one["name"] == "ocis")
    expect(row).to_contain_text("Failed")
    expect(row).to_contain_text(step["message"])
    expect(row).to_contain_text(step["remedy"])
    requests.delete(f"{console.platform.ocis.url}/__sim/faults", timeout=5)
    row.get_by_role("button", name="Retry OCIS").click()
    expect(page.locator("#operation")).to_contain_text("succeeded: ", timeout=SOON)
    page.goto(f"/tenants/{rita}")
    expect(page.locator("#state .state").first).to_have_text("Active")


def press_until_focused(page: Page, wanted: str) -> None:
    """Press the tabulator key until the element has the focus; fail when it never has."""
    for _ in range(60):
        if page.evaluate("wanted => document.activeElement.matches(wanted)", wanted):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"the tabulator key does not reach {wanted}")


def test_a_tenant_is_created_repaired_and_suspended_by_keyboard_only(people: People, console: ConsoleFixture) -> None:
    fault(console.platform.ocis, kind="status", status=400)
    klara = console.unused("klara")
    page = people.page("admin", "/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    press_until_focused(page, "a[href='/tenants/new']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/tenants/new")
    for field, text in (("name", "Klara GmbH"), ("slug", klara), ("domains", f"{klara}.test")):
        press_until_focused(page, f"#field-{field}")
        page.keyboard.type(text)
    press_until_focused(page, "button[type=submit]")
    page.keyboard.press("Enter")
    row = page.locator("#state tr", has_text="OCIS")
    expect(row).to_contain_text("Failed", timeout=SOON)
    requests.delete(f"{console.platform.ocis.url}/__sim/faults", timeout=5)
    expect(page.locator("#retry-ocis")).to_be_visible(timeout=SOON)
    press_until_focused(page, "#retry-ocis")
    page.keyboard.press("Enter")
    expect(page.locator("#operation")).to_contain_text("succeeded: ", timeout=SOON)
    page.goto(f"/tenants/{klara}")
    press_until_focused(page, f"a[href='/tenants/{klara}/do/suspend']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/do/suspend")
    press_until_focused(page, "#field-reason")
    page.keyboard.type("unpaid")
    press_until_focused(page, "#confirmation")
    page.keyboard.type(klara)
    page.keyboard.press("Enter")
    expect(page.locator("#state .state").first).to_have_text("Suspended", timeout=SOON)


def test_a_tenant_is_suspended_resumed_deleted_and_restored_each_after_the_slug_was_typed(
    people: People, console: ConsoleFixture
) -> None:
    vera = console.unused("vera")
    console.tenant(vera)
    page = people.page("admin", f"/tenants/{vera}")
    for action, state in (("Suspend", "Suspended"), ("Resume", "Active"), ("Delete", "Deleted"), ("Restore", "Active")):
        page.get_by_role("link", name=f"{action} …").click()
        button = page.get_by_role("button", name=action, exact=True)
        expect(page.get_by_text("What will happen:")).to_be_visible()
        expect(button).to_be_disabled()
        if action == "Suspend":
            page.get_by_label("Reason").fill("unpaid")
        page.get_by_label(f"Type {vera} to confirm").fill("ver")
        expect(button).to_be_disabled()
        page.get_by_label(f"Type {vera} to confirm").fill(vera)
        button.click()
        expect(page.locator("#state .state").first).to_have_text(state, timeout=SOON)
        expect(page.locator("#state")).to_contain_text("succeeded", timeout=SOON)


def test_without_script_only_the_right_confirmation_is_accepted(people: People, console: ConsoleFixture) -> None:
    nora = console.unused("nora")
    console.tenant(nora)
    page = people.page("admin", f"/tenants/{nora}/do/delete", java_script_enabled=False)
    page.get_by_label(f"Type {nora} to confirm").fill("nor")
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text(f"Type {nora} to confirm.", exact=True)).to_be_visible()
    assert console.call("GET", f"/tenants/{nora}")["status"] == "active"
    page.get_by_label(f"Type {nora} to confirm").fill(nora)
    page.get_by_role("button", name="Delete").click()
    expect(page).to_have_url(re.compile(f"/tenants/{nora}$"))
    assert console.call("GET", f"/tenants/{nora}")["status"] == "deleted"


def test_a_reconcile_shows_its_changes_before_it_makes_them(people: People, console: ConsoleFixture) -> None:
    rosa = console.unused("rosa")
    console.tenant(rosa)
    name = f"tenant-{rosa}"
    group = console.authentik.directory.groups_by_name[name]
    path, headers = f"/api/v3/core/groups/{group.pk}/", {"Authorization": f"Bearer {API_TOKEN}"}
    requests.delete(console.authentik.url + path, headers=headers, timeout=5).raise_for_status()
    page = people.page("admin", f"/tenants/{rosa}")
    page.get_by_role("button", name="Reconcile …").click()
    expect(page.locator("#dry-run")).to_contain_text(f"create the group {name}", timeout=SOON)
    assert name not in console.authentik.directory.groups_by_name
    page.get_by_role("button", name="Reconcile now").click()
    expect(page.locator("#state")).to_contain_text("succeeded: ", timeout=SOON)
    assert name in console.authentik.directory.groups_by_name


def test_an_integration_is_paused_with_a_reason_and_resumed(people: People, console: ConsoleFixture) -> None:
    page = people.page("admin", "/integrations/")
    row = page.locator("#integrations tr", has_text="OCIS")
    row.locator("summary").click()
    row.get_by_label("Reason").fill("maintenance until noon")
    row.get_by_role("button", name="Pause OCIS").click()
    expect(row).to_contain_text("maintenance until noon")
    page.goto("/")
    expect(page.locator("#now")).to_contain_text("OCIS is paused")
    page.goto("/integrations/")
    row.get_by_role("button", name="Resume OCIS").click()
    expect(row).not_to_contain_text("maintenance")
    assert not any(one["paused"] for one in console.call("GET", "/integrations") if one["name"] == "ocis")


def test_the_overview_names_every_failing_tenant_with_reason_and_remedy(
    people: People, console: ConsoleFixture
) -> None:
    fault(console.platform.ocis, kind="status", status=503)
    tess = console.unused("tess")
    console.call("POST", "/tenants", json={"slug": tess, "name": tess.title()})
    page = people.page("admin", "/")
    row = page.locator("#now tr", has_text=tess.title())
    expect(row).to_be_visible(timeout=SOON)
    expect(row).to_contain_text("OCIS")
    expect(row.locator(".remedy")).not_to_be_empty()


def test_failures_of_one_cause_are_repaired_together_after_a_dry_run(people: People, console: ConsoleFixture) -> None:
    fault(console.platform.ocis, kind="status", status=400)
    base = console.unused("bulk")
    slugs = (f"{base}a", f"{base}b")
    for slug in slugs:
        steps = console.tenant(slug)["operation"]["steps"]
        [failed] = [one for one in steps if one["status"] == "error"]
    requests.delete(f"{console.platform.ocis.url}/__sim/faults", timeout=5)
    page = people.page("admin", "/")
    # a problem names its oldest tenants only, which may be others'
    page.locator(f"#now button[id$=-ocis-{failed['reason']}]").click()
    expect(page.get_by_text("Nothing was changed yet.")).to_be_visible()
    for slug in slugs:
        expect(page.get_by_role("link", name=slug)).to_be_visible()
        assert console.call("GET", f"/tenants/{slug}")["health"] == "degraded"
    page.locator("form button[type=submit]", has_text="Retry").click()
    expect(page.locator("#bulk")).to_contain_text("Finished", timeout=SOON)
    for slug in slugs:
        page.goto(f"/tenants/{slug}")
        expect(page.locator("#state .state").first).to_have_text("Active", timeout=SOON)


def test_tenants_that_were_chosen_in_the_list_are_reconciled_together(people: People, console: ConsoleFixture) -> None:
    pick = console.unused("pick")
    one, three, two = slugs = [f"{pick}{number}" for number in ("one", "three", "two")]
    for slug in slugs:
        console.tenant(slug)
    page = people.page("admin", f"/tenants/?q={pick}&sort=slug")
    names = page.locator("tbody a").all_inner_texts()
    assert names == [f"{slug.title()} GmbH" for slug in slugs]
    button = page.get_by_role("button", name="Reconcile the selected")
    expect(button).to_be_disabled()
    page.get_by_label("Select all on this page").check()
    page.get_by_label(f"Select {three.title()} GmbH").uncheck()
    expect(button).to_contain_text("(2)")
    button.click()
    expect(page.get_by_role("heading", name="Reconcile 2 tenants")).to_be_visible()
    page.get_by_role("button", name="Reconcile 2 tenants").click()
    expect(page.locator("#bulk")).to_contain_text("Finished", timeout=SOON)
    actions = {slug: console.call("GET", f"/tenants/{slug}/operations")[0]["action"] for slug in (one, two)}
    assert set(actions.values()) == {"reconcile"}
    assert console.call("GET", f"/tenants/{three}/operations")[0]["action"] == "provision"


def test_a_bulk_operation_is_stopped_on_its_page(
    people: People, console: ConsoleFixture, cleaner: MongoClient[dict[str, object]], worker_database: str
) -> None:
    paces, rate = cleaner[f"{worker_database}_console"]["paces"], {"_id": "bulk-operations"}
    paces.update_one(rate, [{"$set": {"nextAt": {"$add": ["$$NOW", 3_600_000]}}}], upsert=True)
    slug = console.unused("stop")
    console.call("POST", "/tenants", json={"slug": slug, "name": slug.title()})
    dry_run = {"action": "reconcile", "selector": {"tenants": [slug]}}
    bulk = console.call("POST", "/bulk-operations", json=dry_run)["id"]
    console.call("POST", "/bulk-operations", json={"start": bulk})
    page = people.page("admin", f"/bulk/{bulk}")
    page.get_by_role("button", name="Stop for good").click()
    expect(page.locator("#bulk")).to_contain_text("0 of 1 begun, 0 to come, 0 refused, 1 skipped")
    expect(page.locator("#bulk .state").first).to_have_text("Stopped")
    expect(page.locator("#stop")).to_have_count(0)
    paces.delete_one(rate)
