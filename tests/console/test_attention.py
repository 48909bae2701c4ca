"""The console shows the most severe problems first and offers only actions that are possible."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser import SECONDS
from tests.console.conftest import ADMINS, ConsoleFixture, People
from tests.simulators import fault

SOON = 20 * SECONDS


@pytest.fixture(autouse=True)
def healthy(console: ConsoleFixture) -> Iterator[None]:
    yield
    for product in (console.platform.authentik, console.platform.stalwart, console.platform.ocis):
        requests.delete(f"{product.url}/__sim/faults", timeout=5)


def of_tenant(page: Page, slug: str) -> str:
    """Return the text of the tenant's row in the list of tenants."""
    page.goto(f"/tenants/?q={slug}")
    return page.locator("tbody tr", has_text=slug).inner_text()


def test_a_new_tenant_that_waits_is_not_shown_as_if_all_were_well(people: People, console: ConsoleFixture) -> None:
    fault(console.platform.stalwart, kind="status", status=400)
    fault(console.platform.ocis, kind="status", status=503)
    wanda = console.unused("wanda")
    console.call("POST", "/tenants", json={"slug": wanda, "name": wanda.title(), "domains": [f"{wanda}.test"]})
    page = people.page("admin", f"/tenants/{wanda}")
    state = page.locator("#state")
    expect(state).to_contain_text(" steps done, 1 failed, 1 retrying.", timeout=SOON)
    expect(state.locator(".state").first).to_have_text("Retrying")
    steps = state.locator("tbody td.main")
    assert steps.all_inner_texts()[:2] == ["Stalwart", "OCIS"], "the steps that need attention come first"
    assert "Retrying" in of_tenant(page, wanda)


def test_a_paused_tenant_is_marked_in_the_list(people: People, console: ConsoleFixture) -> None:
    paula = console.unused("paula")
    console.tenant(paula)
    page = people.page("admin", None)
    assert "Paused" not in of_tenant(page, paula)
    console.call("POST", f"/tenants/{paula}/pause", json={"reason": "moved by hand"})
    assert "Paused" in of_tenant(page, paula)


def test_a_purged_tenant_is_offered_no_action(people: People, console: ConsoleFixture) -> None:
    petra = console.unused("petra")
    console.tenant(petra)
    console.call("DELETE", f"/tenants/{petra}", params={"wait": 20})
    page = people.page("admin", f"/tenants/{petra}")
    expect(page.get_by_role("link", name="Restore …")).to_be_visible()
    console.call("POST", f"/tenants/{petra}/purge", params={"wait": 20})
    page.reload()
    expect(page.locator("#state .state").first).to_have_text("Purged", timeout=SOON)
    for action in ("restore", "purge", "pause", "delete"):
        expect(page.locator(f"a[href$='/do/{action}']")).to_have_count(0)
    assert "Purged" in of_tenant(page, petra)
    page.goto(f"/tenants/{petra}/do/restore")
    expect(page.locator(".note.warning")).to_contain_text("Restore is not possible")


def test_the_number_of_a_problem_leads_to_the_operations_with_it(people: People, console: ConsoleFixture) -> None:
    # a worse problem with another product must not hide this one
    fault(console.platform.stalwart, kind="status", status=400)
    fault(console.platform.ocis, kind="status", status=503)
    nadja = console.unused("nadja")
    console.call("POST", "/tenants", json={"slug": nadja, "name": nadja.title(), "domains": [f"{nadja}.test"]})
    page = people.page("admin", "/")
    row = page.locator("#now tr", has_text="Retrying").filter(has_text="OCIS").first
    expect(row).to_be_visible(timeout=SOON)
    row.locator("td.number a").click()
    expect(page).to_have_url(re.compile(r"/operations/\?step.ocis=retrying&reason=\w+"))
    expect(page.locator("form.filters")).to_contain_text("OCIS: retrying")
    expect(page.locator("#operations tr", has_text=nadja)).to_contain_text("Retrying")


def test_a_failing_webhook_is_linked_on_the_overview(people: People, console: ConsoleFixture) -> None:
    made = console.call("POST", "/webhooks", json={"url": "http://127.0.0.1:9/", "actions": ["*"]})
    page = people.page("admin", f"/webhooks/{made['_id']}")
    page.get_by_role("button", name="Send a ping").click()
    expect(page.locator("#deliveries")).to_contain_text("could not be reached", timeout=SOON)
    page.goto("/")
    page.locator("#now tr", has_text="Failing webhook").get_by_role("link", name="127.0.0.1").click()
    expect(page).to_have_url(f"{console.url}/webhooks/{made['_id']}")
    console.call("DELETE", f"/webhooks/{made['_id']}")


def test_every_person_in_the_activity_of_a_tenant_is_named(people: People, console: ConsoleFixture) -> None:
    alma = console.unused("alma")
    console.tenant(alma)
    colleagues = [console.person(console.unused("colleague"), ADMINS) for _ in range(10)]
    for number, colleague in enumerate(colleagues):
        console.call("GET", "/users/me", colleague)
        action = "unpause" if number % 2 else "pause"
        body = {} if number % 2 else {"json": {"reason": "why"}}
        console.call("POST", f"/tenants/{alma}/{action}", colleague, **body)
    page = people.page("admin", f"/tenants/{alma}/activity")
    names = set(page.locator("td.wide").all_inner_texts())
    assert {one.replace("-", " ").title() for one in colleagues} <= names


@pytest.mark.parametrize("action", ["Suspend", "Delete"])
def test_a_button_that_is_pressed_twice_sends_its_form_once(
    people: People, console: ConsoleFixture, action: str
) -> None:
    dora = console.unused("doppel")
    console.tenant(dora)
    page = people.page("admin", f"/tenants/{dora}/do/{action.lower()}")
    if action == "Suspend":
        page.get_by_label("Reason").fill("unpaid")
    page.get_by_label(f"Type {dora} to confirm").fill(dora)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    button = page.get_by_role("button", name=action, exact=True)
    button.evaluate("button => { button.click(); setTimeout(() => button.click(), 20); }")
    expect(page.locator(".note.success")).to_contain_text(f"{action}: begun.", timeout=SOON)
    assert len(sent) == 1


def test_a_form_that_was_sent_is_not_refreshed_into_one_that_can_be_sent_again(
    people: People, console: ConsoleFixture
) -> None:
    fault(console.platform.ocis, kind="status", status=503)
    lena = console.unused("lena")
    operation = console.call("POST", "/tenants", json={"slug": lena, "name": lena.title()})["operation"]["id"]
    page = people.page("admin", f"/operations/{operation}")
    # as the page marks it while the response is awaited
    page.evaluate("document.querySelector('form[action$=cancel]').dataset.sent = 'yes'")
    for _ in range(2):
        with page.expect_response(f"{console.url}/operations/{operation}"):
            pass
    page.wait_for_timeout(500)
    expect(page.locator("form[data-sent]")).to_have_count(1)
