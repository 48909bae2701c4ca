"""Partners, owners and members: each sees and changes only their own tenants, whatever they send."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.console.conftest import ConsoleFixture, People
from tests.console.test_sign_in import cookie, with_cookie

OPERATORS = ("/integrations/", "/partners/", "/orphans/")


@pytest.fixture(scope="module")
def tenants_of_others(console: ConsoleFixture) -> dict[str, Any]:
    """Create a partner with a tenant, and a tenant without partner that has an owner and a member."""
    partner = console.call("POST", "/partners", json={"slug": "reseller", "name": "Reseller"})
    console.tenant("petra", partnerId=partner["_id"])
    other = console.tenant("otto")
    for username, groups, rights in (
        ("reseller-admin", (), {"role": "admin", "partnerId": partner["_id"]}),
        ("otto-owner", ("tenant-otto",), {"role": "owner"}),
        ("otto-member", ("tenant-otto",), {}),
        ("helpdesk", (), {"platformRole": "support"}),
    ):
        console.person(username, *groups)
        record = console.call("GET", "/users/me", username)
        if rights:
            console.call("PATCH", f"/users/{record['_id']}", json=rights)
    return {"partner": partner, "otto": other}


def csrf_of(page: Page) -> str:
    return page.locator("input[name=csrf_token]").first.input_value()


def post_form(console: ConsoleFixture, page: Page, path: str, **fields: str) -> requests.Response:
    """Send a form that the page does not offer, with a valid CSRF token."""
    form = {"csrf_token": csrf_of(page), **fields}
    return with_cookie(cookie(page)).post(f"{console.url}{path}", data=form, timeout=30, allow_redirects=False)


def is_paused(console: ConsoleFixture, integration: str) -> bool:
    return any(one["paused"] for one in console.call("GET", "/integrations") if one["name"] == integration)


def test_a_partner_sees_their_own_tenants_only(
    people: People, console: ConsoleFixture, tenants_of_others: dict[str, Any]
) -> None:
    page = people.page("reseller-admin", "/tenants/")
    expect(page.get_by_role("link", name="Petra GmbH")).to_be_visible()
    for path in ("/", "/tenants/", "/operations/", "/events/", "/users/"):
        page.goto(path)
        assert "otto" not in page.content().lower(), path
    menu = page.get_by_role("navigation", name="Main")
    expect(menu.get_by_role("link", name="Webhooks")).to_be_visible()
    for word in ("Integrations", "Partners", "Orphans"):
        expect(menu.get_by_role("link", name=word)).to_have_count(0)
    for path in (
        "/tenants/otto",
        "/tenants/otto/domains",
        "/tenants/otto/edit",
        f"/operations/{tenants_of_others['otto']['operation']['id']}",
    ):
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 404, path
    page.goto("/tenants/petra")
    expect(page.get_by_role("link", name="Suspend …")).to_be_visible()
    expect(page.get_by_role("link", name="Pause …")).to_have_count(0)


def test_a_partners_new_tenant_belongs_to_the_partner(
    people: People, console: ConsoleFixture, tenants_of_others: dict[str, Any]
) -> None:
    page = people.page("reseller-admin", "/tenants/new")
    page.get_by_label("Name", exact=True).fill("Paula GmbH")
    page.get_by_label("Slug").fill("paula")
    page.get_by_role("button", name="Create tenant").click()
    expect(page).to_have_url(re.compile("/tenants/paula$"))
    assert console.call("GET", "/tenants/paula")["partnerId"] == tenants_of_others["partner"]["_id"]


def test_a_member_sees_nothing_of_the_operators_and_is_offered_no_change(
    people: People, console: ConsoleFixture, tenants_of_others: dict[str, Any]
) -> None:
    page = people.page("otto-member", "/")
    expect(page).to_have_url(re.compile("/tenants/otto$"))
    expect(page.get_by_role("heading", name="Otto GmbH")).to_be_visible()
    menu = page.get_by_role("navigation", name="Main")
    for word in ("Integrations", "Partners", "Orphans", "Webhooks"):
        expect(menu.get_by_role("link", name=word)).to_have_count(0)
    for word in ("Reconcile …", "Edit", "Suspend …", "Delete …"):
        expect(page.get_by_text(word, exact=True)).to_have_count(0)
    for path in OPERATORS:
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 403, path
    page.goto("/tenants/new")
    expect(page.get_by_role("heading", name="Access denied")).to_be_visible()


def test_an_owner_changes_their_tenant_but_not_its_plan_or_status(
    people: People, console: ConsoleFixture, tenants_of_others: dict[str, Any]
) -> None:
    page = people.page("otto-owner", "/tenants/otto/edit")
    expect(page.get_by_label("Plan")).to_have_count(0)
    page.get_by_label("Company").fill("Otto & Sons <b>GmbH</b>")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert console.call("GET", "/tenants/otto")["billingInfo"]["company"] == "Otto & Sons <b>GmbH</b>"
    expect(page.get_by_role("button", name="Reconcile …")).to_be_visible()
    expect(page.get_by_role("link", name="Suspend …")).to_have_count(0)


@pytest.fixture
def attempts(tenants_of_others: dict[str, Any]) -> list[tuple[str, dict[str, str]]]:
    """Return forms that the console offers only to other roles, as path and fields."""
    operation = tenants_of_others["otto"]["operation"]["id"]
    confirmed = {"confirmation": "otto", "reason": "malice"}
    return [
        *((f"/tenants/otto/do/{action}", confirmed) for action in ("suspend", "delete", "purge", "pause")),
        (
            "/tenants/otto/edit",
            {"plan": "enterprise", "partnerId": tenants_of_others["partner"]["_id"], "name": "Mine"},
        ),
        ("/tenants/otto/reconcile/apply", {}),
        ("/tenants/otto/domains", {"domains": "mine.test"}),
        ("/tenants/otto/domains/otto.test/remove", {"confirmation": "otto.test"}),
        (f"/operations/{operation}/cancel", {}),
        (f"/operations/{operation}/steps/ocis/retry", {}),
        ("/integrations/ocis/pause", {"reason": "malice"}),
        ("/integrations/observe-only", {"reason": "malice"}),
        ("/orphans/scan", {}),
    ]


@pytest.mark.parametrize("username", ["reseller-admin", "otto-member", "helpdesk"])
def test_forms_that_were_not_offered_change_nothing(
    people: People,
    console: ConsoleFixture,
    tenants_of_others: dict[str, Any],
    attempts: list[tuple[str, dict[str, str]]],
    username: str,
) -> None:
    page = people.page(username, "/tenants/")
    before = console.call("GET", "/tenants/otto")
    for path, fields in attempts:
        answer = post_form(console, page, path, **fields)
        assert answer.status_code in (303, 403, 404), (path, answer.status_code)
    assert console.call("GET", "/tenants/otto") == before
    assert not is_paused(console, "ocis")
    assert not console.call("GET", "/observe-only")["observeOnly"]


def test_support_sees_an_operators_pages_without_any_change(
    people: People, console: ConsoleFixture, tenants_of_others: dict[str, Any]
) -> None:
    page = people.page("helpdesk", "/")
    expect(page.get_by_role("heading", name="Current problems")).to_be_visible()
    expect(page.get_by_text("Support ·")).to_be_visible()
    for path in (
        "/tenants/",
        "/tenants/otto",
        "/tenants/otto/domains",
        "/tenants/otto/people",
        *OPERATORS,
        "/webhooks/",
    ):
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        forms = page.locator("main form[method=post]")
        assert forms.count() == 0, (path, forms.all_inner_texts())
    for path in ("/tenants/new", "/tenants/otto/edit"):
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 403, path


def test_a_user_cannot_make_themselves_an_operator(
    people: People, console: ConsoleFixture, tenants_of_others: dict[str, Any]
) -> None:
    page = people.page("otto-owner", "/tenants/")
    me = console.call("GET", "/users/me", "otto-owner")
    answer = post_form(
        console, page, f"/users/{me['_id']}", platformAdmin="yes", role="owner", name="O", email=me["email"]
    )
    assert answer.status_code in (200, 303, 403)
    assert not console.call("GET", f"/users/{me['_id']}")["platformAdmin"]


def test_a_csrf_token_of_another_session_is_refused(
    people: People, console: ConsoleFixture, tenants_of_others: dict[str, Any]
) -> None:
    mine, others = people.page("admin", "/"), people.page("otto-member", "/")
    form = {"csrf_token": csrf_of(others), "reason": "malice"}
    answer = with_cookie(cookie(mine)).post(f"{console.url}/integrations/ocis/pause", data=form, timeout=10)
    assert answer.status_code == 400
    assert not is_paused(console, "ocis")


def test_a_revoked_right_ends_in_an_open_session(
    people: People, console: ConsoleFixture, tenants_of_others: dict[str, Any]
) -> None:
    console.person("demoted", "dezky-platform-admins")
    page = people.signed_in("demoted", "/integrations/")
    record = console.call("GET", "/users/me", "demoted")
    console.call("PATCH", f"/users/{record['_id']}", json={"platformAdmin": False})
    answer = page.goto("/integrations/")
    assert answer is not None
    assert answer.status == 403
