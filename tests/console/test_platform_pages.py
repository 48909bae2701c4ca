"""The platform's own pages: integrations, webhooks, partners, users, purges."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from bson import ObjectId
from playwright.sync_api import expect
from pymongo import MongoClient

from tests.browser import SECONDS
from tests.console.conftest import ConsoleFixture, People
from tests.simulators import fault

SOON = 25 * SECONDS
#: records of the API's largest page
PAGE = 200


@pytest.fixture(autouse=True)
def healthy(console: ConsoleFixture) -> Iterator[None]:
    yield
    for product in (console.platform.authentik, console.platform.stalwart, console.platform.ocis):
        requests.delete(f"{product.url}/__sim/faults", timeout=5)


def test_a_check_shows_reachability_version_and_latency_of_each_integration(
    people: People, console: ConsoleFixture
) -> None:
    fault(console.platform.stalwart, kind="status", status=503)
    page = people.page("admin", "/integrations/")
    with page.expect_navigation():
        page.get_by_role("button", name="Check now").click()
    failing = page.locator("#integrations tr", has_text="Stalwart")
    deadline = time.monotonic() + SOON / 1000
    # the page shows an older check until this one has ended
    while time.monotonic() < deadline:
        page.goto("/integrations/")
        if "Failing" in failing.inner_text():
            break
        time.sleep(0.3)
    row = page.locator("#integrations tr", has_text="OCIS")
    expect(row).to_contain_text("Reachable")
    expect(row).to_contain_text("7.1.0")
    expect(row).to_contain_text(re.compile(r"\d+ ms"))
    expect(row).to_contain_text(re.compile(r"checked (now|\d+ s ago)"))
    expect(row).to_contain_text("Closed")
    expect(failing).to_contain_text("Failing")
    expect(failing.locator(".remedy")).not_to_be_empty()


def test_a_webhook_shows_its_secret_once_gets_a_ping_and_is_removed_after_confirmation(
    people: People, console: ConsoleFixture
) -> None:
    page = people.page("admin", "/webhooks/new")
    page.get_by_label("Address").fill("not an address")
    page.get_by_role("button", name="Add webhook").click()
    expect(page.get_by_label("Address")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Address").fill(f"{console.authentik.url}/hook")
    page.get_by_label("Events").fill("tenant.*\noperation.failed")
    page.get_by_role("button", name="Add webhook").click()
    expect(page.get_by_text("It is shown this once.")).to_be_visible()
    secret = page.locator(".mono").first.inner_text()
    page.get_by_role("link", name="To the webhook").click()
    assert secret not in page.content()
    page.get_by_role("button", name="Send a ping").click()
    expect(page.locator("#deliveries")).to_contain_text("Webhook ping")
    page.get_by_text("Remove …").click()
    expect(page.get_by_text("This cannot be undone.")).to_be_visible()
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_text("Removed.")).to_be_visible()


def test_a_new_webhook_can_be_of_any_tenant_although_the_api_lists_them_in_pages(
    people: People, console: ConsoleFixture, cleaner: MongoClient[dict[str, Any]], worker_database: str
) -> None:
    oldest = console.tenant(console.unused("oldest"))
    tenants = cleaner[f"{worker_database}_console"]["tenants"]
    stored = tenants.find_one({"slug": oldest["slug"]})
    assert stored is not None
    later = {**stored, "createdAt": datetime.now(UTC), "domains": []}
    rows = [{**later, "_id": ObjectId(), "slug": f"later-{number}"} for number in range(PAGE)]
    tenants.insert_many(rows)
    try:
        offered = people.page("admin", "/webhooks/new").get_by_label("Of")
        expect(offered.locator(f"option[value='{oldest['_id']}']")).to_have_count(1)
    finally:
        tenants.delete_many({"_id": {"$in": [row["_id"] for row in rows]}})


def test_a_partner_and_a_user_are_created_changed_and_removed(people: People, console: ConsoleFixture) -> None:
    pavel = console.unused("pavel")
    name = f"{pavel.title()} Ltd"
    page = people.page("admin", "/partners/new")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Slug").fill("NOT A SLUG")
    page.get_by_role("button", name="Add partner").click()
    expect(page.get_by_label("Slug")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Slug").fill(pavel)
    page.get_by_role("button", name="Add partner").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    page.goto("/users/new")
    page.get_by_label("Name").fill("Ulla Partner")
    page.get_by_label("E-mail address").fill(f"ulla@{pavel}.test")
    page.get_by_label("Subject").fill(f"subject-of-ulla-of-{pavel}")
    page.get_by_role("button", name="Add user").click()
    page.get_by_label("Partner").select_option(label=name)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.get_by_text("Remove this record …").click()
    page.get_by_role("button", name="Remove this record").click()
    expect(page.get_by_text("The record is removed.")).to_be_visible()
    page.goto("/partners/")
    page.get_by_role("link", name=name).click()
    page.get_by_text("Remove …").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_text("Removed.")).to_be_visible()


def test_a_purge_requires_the_slug_and_leaves_a_receipt(people: People, console: ConsoleFixture) -> None:
    paul = console.unused("paul")
    console.tenant(paul)
    console.call("DELETE", f"/tenants/{paul}", params={"wait": 20})
    page = people.page("admin", f"/tenants/{paul}")
    page.get_by_role("link", name="Purge …").click()
    expect(page.get_by_text("This cannot be undone.")).to_be_visible()
    expect(page.get_by_role("button", name="Purge")).to_be_disabled()
    page.get_by_label(f"Type {paul} to confirm").fill(paul)
    page.get_by_role("button", name="Purge").click()
    expect(page.locator("#state")).to_contain_text("Removed for good", timeout=SOON)
    page.get_by_role("link", name="Receipt").click()
    expect(page.get_by_role("heading", name="Receipt of the removal")).to_be_visible()


def test_a_tenant_is_found_from_every_page(people: People, console: ConsoleFixture) -> None:
    fiona = console.unused("fiona")
    console.tenant(fiona)
    page = people.page("admin", "/events/")
    page.get_by_label("Find a tenant").fill("fion")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name=f"{fiona.title()} GmbH")).to_be_visible()


@pytest.mark.parametrize("path", ["/operations/", "/events/", "/users/"])
@pytest.mark.parametrize("slug", ["nobody", "Nobody GmbH"])
def test_a_filter_by_a_slug_that_no_tenant_has_shows_an_empty_list(
    people: People, console: ConsoleFixture, path: str, slug: str
) -> None:
    page = people.page("admin", f"{path}?tenant={slug}")
    expect(page.get_by_label("Tenant's slug")).to_have_value(slug)
    expect(page.get_by_role("link", name="Clear the filters")).to_be_visible()


def test_an_error_page_says_what_the_api_refuses(people: People, console: ConsoleFixture) -> None:
    page = people.page("admin", "/tenants/?cursor=none-of-ours")
    expect(page.get_by_role("heading", name="Bad request")).to_be_visible()
    expect(page.locator("main")).to_contain_text("cursor")


def test_tenants_are_filtered_by_the_state_of_their_billing(people: People, console: ConsoleFixture) -> None:
    page = people.page("admin", "/tenants/")
    page.get_by_text("More filters").click()
    page.get_by_label("Billing", exact=True).select_option(label="Failed")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("No tenant fits")).to_be_visible()
    expect(page.get_by_label("Billing", exact=True)).to_have_value("error")


def test_a_filter_that_hides_all_orphans_is_not_shown_as_no_orphans(people: People, console: ConsoleFixture) -> None:
    page = people.page("admin", "/orphans/?status=gone")
    expect(page.get_by_text("No orphan fits")).to_be_visible()


def test_the_list_of_tenants_names_the_reason_of_a_retry(people: People, console: ConsoleFixture) -> None:
    # only for this tenant: when several fail the breaker opens and their steps are deferred
    slug = console.unused("ronja")
    fault(console.platform.ocis, method="POST", contains=slug, kind="status", status=503)
    console.call("POST", "/tenants", json={"slug": slug, "name": f"{slug.title()} GmbH"})
    page = people.page("admin", f"/tenants/?q={slug}")
    row = page.locator("tr", has=page.get_by_role("link", name=f"{slug.title()} GmbH"))
    deadline = time.monotonic() + SOON / 1000
    while "OCIS retrying: " not in row.inner_text():
        assert time.monotonic() < deadline, row.inner_text()
        page.reload()
    expect(row.get_by_role("img", name="OCIS: Retrying")).to_be_visible()
