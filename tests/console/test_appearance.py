"""Every page in light and dark, on a phone and a wide screen: accessible, complete, without other hosts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page, Response

from tests.console.conftest import ConsoleFixture, People
from tests.simulators import fault

SERIOUS = ("serious", "critical")
WIDTHS = (360, 768, 1440)
HEIGHT = 800
#: seconds that a test of all pages may take
LONG = 400
CONTRAST = "color-contrast"


@pytest.fixture(scope="module")
def places(console: ConsoleFixture) -> dict[str, str]:
    """Return a page of every kind with content, by name."""
    lena, lost, lola, long = (console.unused(name) for name in ("lena", "lost", "lola", "l"))
    partner = console.call("POST", "/partners", json={"slug": console.unused("lookers"), "name": "Lookers Ltd"})
    owner = {"email": f"lena@{lena}.test", "name": "Lena"}
    tenant = console.tenant(lena, owner=owner, partnerId=partner["_id"])
    console.tenant(lost)
    long_name, long_domain = long.ljust(32, "l"), f"{long.ljust(60, 'd')}.{'e' * 60}.test"
    console.tenant(long_name, name=f"{'Donaudampfschifffahrt' * 4} GmbH", domains=[long_domain])
    console.call("DELETE", f"/tenants/{lost}", params={"wait": 20})
    dry_run = console.call("POST", f"/tenants/{lena}/reconcile", params={"mode": "plan", "wait": 20})
    console.call("POST", "/integrations/billing/pause", json={"reason": "until the contract is signed"})
    webhook = console.call("POST", "/webhooks", json={"url": f"{console.authentik.url}/hook", "actions": ["tenant.*"]})
    console.call("POST", f"/webhooks/{webhook['_id']}/test", params={"wait": 5})
    fault(console.platform.ocis, kind="status", status=400)
    failed = console.tenant(lola)
    requests.delete(f"{console.platform.ocis.url}/__sim/faults", timeout=5)
    me = console.call("GET", "/users/me")
    run = console.call("POST", "/diagnostics")
    bulk = console.call("POST", "/bulk-operations", json={"action": "retry", "selector": {"tenants": [lola]}})
    one = f"/tenants/{lena}"
    return {
        "overview": "/",
        "tenants": "/tenants/",
        "no tenant fits": "/tenants/?q=nobody-at-all",
        "new tenant": "/tenants/new",
        "tenant": one,
        "failed tenant": f"/tenants/{lola}",
        "deleted tenant": f"/tenants/{lost}",
        "purge": f"/tenants/{lost}/do/purge",
        "long names": f"/tenants/{long_name}",
        "long domain": f"/tenants/{long_name}/domains",
        "domains": f"{one}/domains",
        "remove domain": f"{one}/domains/{lena}.test/remove",
        "people": f"{one}/people",
        "activity": f"{one}/activity",
        "edit": f"{one}/edit",
        "suspend": f"{one}/do/suspend",
        "dry run": f"{one}/reconcile/{dry_run['operation']['id']}",
        "operations": "/operations/",
        "operation": f"/operations/{failed['operation']['id']}",
        "integrations": "/integrations/",
        "webhooks": "/webhooks/",
        "new webhook": "/webhooks/new",
        "webhook": f"/webhooks/{webhook['_id']}",
        "edit webhook": f"/webhooks/{webhook['_id']}/edit",
        "partners": "/partners/",
        "new partner": "/partners/new",
        "partner": f"/partners/{partner['_id']}",
        "users": "/users/",
        "new user": "/users/new",
        "user": f"/users/{me['_id']}",
        "orphans": "/orphans/",
        "events": "/events/",
        "diagnostics": f"/integrations/checks/{run['id']}",
        "bulk": f"/bulk/{bulk['id']}",
        "nothing": "/nothing/here",
        "restored": f"/tenants/{tenant['slug']}",
    }


class PageWatcher:
    """The requests of a page to other hosts and the browser's complaints."""

    def __init__(self, page: Page, own: str) -> None:
        self.own = own
        self.foreign: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self._asked(request.url))
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "data" and f"{parts.scheme}://{parts.netloc}" != self.own:
            self.foreign.append(url)


def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than its window."""
    wide: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wide


def scrolling(page: Page) -> list[str]:
    """Return the tables that are wider than their frame."""
    found: list[str] = page.evaluate(
        """[...document.querySelectorAll(".scrolls")].filter((one) => one.scrollWidth > one.clientWidth + 1)
           .map((one) => one.getAttribute("aria-label"))"""
    )
    return found


def is_dark(page: Page) -> bool:
    """Tell whether background, text and the browser's own widgets are dark."""
    page.locator("body").wait_for()
    script = "style => [style.backgroundColor, style.color].map((colour) => Number(colour.match(/[0-9]+/)[0]))"
    back, front = page.evaluate(f"({script})(getComputedStyle(document.body))")
    scheme = page.evaluate("getComputedStyle(document.documentElement).colorScheme")
    dark = bool(back < front)
    assert dark == (scheme == "dark"), scheme
    return dark


def serious(page: Page, *rules: str) -> list[str]:
    """Return the serious faults that axe-core finds, by these rules or by all."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    found: dict[str, Any] = page.evaluate("(options) => axe.run(options)", options)
    return [
        f"{one['id']}: {node['html'][:160]}"
        for one in found["violations"]
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]


@pytest.fixture
def watched(people: People, console: ConsoleFixture) -> Iterator[Page]:
    """Yield an operator's page; require no request to other hosts and no complaint."""
    page = people.page("admin", "/")
    watch = PageWatcher(page, console.url)
    yield page
    assert watch.foreign == []
    assert [one for one in watch.complaints if "404" not in one] == []


@pytest.mark.timeout(LONG)
def test_every_page_is_accessible_in_both_themes_and_fits_each_width(watched: Page, places: dict[str, str]) -> None:
    faults: list[str] = []
    for name, path in places.items():
        watched.emulate_media(color_scheme="light")
        answer = watched.goto(path)
        assert isinstance(answer, Response)
        assert answer.status == (404 if name == "nothing" else 200), (name, answer.status)
        faults += [f"{name}: {fault}" for fault in _too_wide(watched)]
        assert not is_dark(watched)
        faults += [f"{name}: {fault}" for fault in serious(watched)]
        watched.emulate_media(color_scheme="dark")
        assert is_dark(watched)
        # the dark theme differs in its colours alone
        faults += [f"{name} in dark: {fault}" for fault in serious(watched, CONTRAST)]
    assert not faults, "\n".join(faults)


def _too_wide(page: Page) -> list[str]:
    """Return what is too wide for a window, from a phone to a wide screen."""
    faults: list[str] = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        if overflow(page) > 0:
            faults.append(f"{overflow(page)} pixels wider than {width}")
        faults += [f"at {width}: {table} needs sideways scrolling" for table in scrolling(page)]
    return faults


def test_the_page_for_signed_out_visitors_fits_each_width(people: People, console: ConsoleFixture) -> None:
    for theme in ("light", "dark"):
        page = people.page(None, "/auth/", color_scheme=theme, viewport={"width": 360, "height": HEIGHT})
        assert serious(page) == []
        assert overflow(page) == 0


def test_on_a_phone_the_menu_opens_by_touch_and_without_script(people: People, console: ConsoleFixture) -> None:
    page = people.page("admin", "/", viewport={"width": 360, "height": HEIGHT}, java_script_enabled=False)
    link = page.get_by_role("link", name="Integrations", exact=True)
    assert not link.is_visible()
    page.get_by_text("Menu").click()
    link.click()
    assert page.get_by_role("heading", name="Integrations").is_visible()


def test_colours_that_a_person_chose_override_the_system(people: People, console: ConsoleFixture) -> None:
    page = people.signed_in("admin", "/tenants/?status=active", color_scheme="light")
    with page.expect_navigation():
        page.get_by_role("button", name="Dark").click()
    assert page.url.endswith("/tenants/?status=active")
    for _ in range(2):
        assert is_dark(page)
        page.reload()
    with page.expect_navigation():
        page.get_by_role("button", name="Light").click()
    page.emulate_media(color_scheme="dark")
    assert not is_dark(page)


def test_without_script_too_colours_follow_the_system_until_a_person_chooses(
    people: People, console: ConsoleFixture
) -> None:
    page = people.page("admin", "/tenants/", java_script_enabled=False, color_scheme="dark")
    assert is_dark(page)
    chevron = "getComputedStyle(document.querySelector('.form-select')).backgroundImage"
    dark = page.evaluate(chevron)
    page.emulate_media(color_scheme="light")
    assert not is_dark(page)
    assert page.evaluate(chevron) != dark


def test_times_are_ages_with_the_exact_time_on_hover_and_grow_while_the_page_is_open(
    people: People, console: ConsoleFixture, places: dict[str, str]
) -> None:
    page = people.page("admin", places["tenant"])
    time = page.locator("dl time").first
    assert time.get_attribute("title", timeout=1000)
    assert (time.get_attribute("title") or "").endswith(" UTC")
    page.clock.install()
    page.goto(places["tenant"])
    shown = time.inner_text()
    page.clock.run_for(3 * 3600 * 1000)
    assert time.inner_text() != shown
    assert "h ago" in time.inner_text()
