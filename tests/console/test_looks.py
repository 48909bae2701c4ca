"""Every page in light and dark, on a phone and on a wide screen: readable, complete, and from nowhere else."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Response, expect

from tests.console.conftest import People, World
from tests.simulators import fault

SERIOUS = ("serious", "critical")
WIDTHS = (360, 768, 1440)
HEIGHT = 800
AXE = Axe()


@pytest.fixture(scope="module")
def places(world: World) -> dict[str, str]:
    """A page of every kind, with something on it: name to path."""
    partner = world.call("POST", "/partners", json={"slug": "lookers", "name": "Lookers Ltd"})
    tenant = world.tenant("lena", owner={"email": "lena@lena.test", "name": "Lena"}, partnerId=partner["_id"])
    world.tenant("lost")
    world.call("DELETE", "/tenants/lost", params={"wait": 20})
    plan = world.call("POST", "/tenants/lena/reconcile", params={"mode": "plan", "wait": 20})
    world.call("POST", "/integrations/billing/pause", json={"reason": "until the contract is signed"})
    webhook = world.call("POST", "/webhooks", json={"url": f"{world.authentik.url}/hook", "actions": ["tenant.*"]})
    world.call("POST", f"/webhooks/{webhook['_id']}/test", params={"wait": 5})
    fault(world.platform.ocis, kind="status", status=400)
    failed = world.tenant("lola")
    requests.delete(f"{world.platform.ocis.url}/__sim/faults", timeout=5)
    me = world.call("GET", "/users/me")
    run = world.call("POST", "/diagnostics")
    bulk = world.call("POST", "/bulk-operations", json={"action": "retry", "selector": {"tenants": ["lola"]}})
    one = "/tenants/lena"
    return {
        "overview": "/",
        "tenants": "/tenants/",
        "no tenant fits": "/tenants/?q=nobody-at-all",
        "new tenant": "/tenants/new",
        "tenant": one,
        "failed tenant": "/tenants/lola",
        "deleted tenant": "/tenants/lost",
        "domains": f"{one}/domains",
        "remove domain": f"{one}/domains/lena.test/remove",
        "people": f"{one}/people",
        "activity": f"{one}/activity",
        "edit": f"{one}/edit",
        "suspend": f"{one}/do/suspend",
        "dry run": f"{one}/reconcile/{plan['operation']['id']}",
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


class Watch:
    """What a page loads, and what the browser complains of."""

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
    """By how much the page is wider than its window."""
    wide: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wide


def serious(page: Page) -> list[str]:
    found: dict[str, Any] = AXE.run(page).response
    return [
        f"{one['id']}: {node['html'][:160]}"
        for one in found["violations"]
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]


def test_every_page_is_accessible_in_light_and_dark_and_holds_at_each_width(
    people: People, world: World, places: dict[str, str]
) -> None:
    page = people.page("admin", "/")
    watch = Watch(page, world.url)
    faults: list[str] = []
    for name, path in places.items():
        page.set_viewport_size({"width": 1440, "height": HEIGHT})
        page.emulate_media(color_scheme="light")
        answer = page.goto(path)
        assert isinstance(answer, Response)
        assert answer.status == (404 if name == "nothing" else 200), (name, answer.status)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            expect(page.locator("html")).to_have_attribute("data-bs-theme", theme)
            faults += [f"{name}, {theme}: {fault}" for fault in serious(page)]
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            if overflow(page) > 0:
                faults.append(f"{name} is {overflow(page)} pixels wider than {width}")
    assert not faults, "\n".join(faults)
    assert watch.foreign == []
    assert [one for one in watch.complaints if "404" not in one] == []


def test_nobody_signed_in_is_met_by_a_page_that_holds_too(people: People, world: World) -> None:
    for theme in ("light", "dark"):
        page = people.page(None, "/auth/", color_scheme=theme, viewport={"width": 360, "height": HEIGHT})
        assert serious(page) == []
        assert overflow(page) == 0


def test_on_a_phone_the_menu_opens_by_touch_and_without_script(people: People, world: World) -> None:
    page = people.page("admin", "/", viewport={"width": 360, "height": HEIGHT}, java_script_enabled=False)
    link = page.get_by_role("link", name="Integrations", exact=True)
    assert not link.is_visible()
    page.get_by_text("Menu").click()
    link.click()
    assert page.get_by_role("heading", name="Integrations").is_visible()


def test_colours_that_a_person_chose_stay_whatever_the_system_says(people: People, world: World) -> None:
    page = people.signed_in("admin", "/tenants/?status=active", color_scheme="light")
    page.get_by_role("button", name="Dark").click()
    assert page.url.endswith("/tenants/?status=active")
    for _ in range(2):
        expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
        page.reload()
    page.get_by_role("button", name="System").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "light")


def test_times_are_ages_with_the_exact_time_on_hover_and_grow_while_the_page_is_open(
    people: People, world: World, places: dict[str, str]
) -> None:
    page = people.page("admin", "/tenants/lena")
    time = page.locator("dl time").first
    assert time.get_attribute("title", timeout=1000)
    assert (time.get_attribute("title") or "").endswith(" UTC")
    page.clock.install()
    page.goto("/tenants/lena")
    shown = time.inner_text()
    page.clock.run_for(3 * 3600 * 1000)
    assert time.inner_text() != shown
    assert "h ago" in time.inner_text()
