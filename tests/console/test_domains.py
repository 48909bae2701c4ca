"""A tenant's domains: records to publish and what DNS answers, copied, downloaded, checked, added and removed."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser import SECONDS
from tests.console.conftest import ConsoleFixture, People

SOON = 20 * SECONDS


@pytest.fixture(scope="module")
def dora(console: ConsoleFixture) -> str:
    """Create a tenant with a domain; return its slug."""
    slug = console.unused("dora")
    console.tenant(slug)
    return slug


def path_of(slug: str) -> str:
    return f"/tenants/{slug}/domains"


def records(console: ConsoleFixture, slug: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = console.call("GET", path_of(slug))[0]["records"]
    return found


def test_each_record_is_copied_by_a_button_of_its_own(people: People, console: ConsoleFixture, dora: str) -> None:
    page = people.page("admin", path_of(dora))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=console.url)
    record = next(one for one in records(console, dora) if one["type"] == "MX")
    for part in ("name", "value"):
        page.get_by_role("button", name=f"Copy the {part} of MX {record['name']}").click()
        expect(page.locator("#said")).to_have_text("Copied.")
        assert page.evaluate("navigator.clipboard.readText()") == record[part]


def test_the_zone_file_contains_every_record(people: People, console: ConsoleFixture, dora: str) -> None:
    page = people.page("admin", path_of(dora))
    with page.expect_download() as started:
        page.get_by_role("link", name="Zone file").click()
    assert started.value.suggested_filename == f"{dora}.test.zone"
    text = started.value.path().read_text()
    lines = [line for line in text.splitlines() if " IN " in line]
    assert len(lines) == len(records(console, dora))
    assert any(line.startswith(f"{dora}.test. ") and " IN MX " in line for line in lines)


def test_a_requested_check_shows_the_time_and_answer_of_dns(people: People, console: ConsoleFixture, dora: str) -> None:
    page = people.page("admin", path_of(dora))
    page.get_by_role("button", name=f"Check {dora}.test now").click()
    expect(page.get_by_text(f"DNS was asked for {dora}.test.")).to_be_visible(timeout=SOON)
    expect(page.locator("#domains")).to_contain_text("DNS last answered", timeout=SOON)
    row = page.locator("#domains tr", has=page.get_by_text("MX", exact=True))
    expect(row).not_to_contain_text("Not asked")


def test_recommended_records_stay_unfolded_while_the_page_renews_itself(
    people: People, console: ConsoleFixture, dora: str
) -> None:
    page = people.page("admin", path_of(dora))
    folded = page.locator("details.more").first
    folded.locator("summary").click()
    page.evaluate("document.getElementById('domains').append('changed')")
    page.evaluate("refresh()")
    expect(page.locator("#domains")).not_to_contain_text("changed", timeout=SOON)
    expect(folded).to_have_attribute("open", "")


def fill_domain(page: Page, domain: str) -> None:
    page.get_by_label("Domain", exact=True).fill(domain)
    page.get_by_role("button", name="Add domain").click()


def test_a_domain_is_added_refused_at_its_field_and_removed_by_its_name(
    people: People, console: ConsoleFixture, dora: str
) -> None:
    second = f"{console.unused('second')}-{dora}.test"
    page = people.page("admin", path_of(dora))
    fill_domain(page, "no domain")
    field = page.get_by_label("Domain", exact=True)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_value("no domain")
    fill_domain(page, second)
    expect(page.get_by_role("heading", name=second)).to_be_visible(timeout=SOON)
    card = page.locator("section.card", has=page.get_by_role("heading", name=second))
    card.get_by_role("link", name="Remove …").click()
    button = page.get_by_role("button", name="Remove domain")
    expect(button).to_be_disabled()
    page.get_by_label(f"Type {second} to confirm").fill(second)
    button.click()
    expect(page.get_by_text(f"{second} is being removed.")).to_be_visible()
    assert second not in console.call("GET", f"/tenants/{dora}")["domains"]
