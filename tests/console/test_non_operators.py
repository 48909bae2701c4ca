"""Partners, owners and members: each sees and changes only their own tenants, whatever they send."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.console.conftest import ConsoleFixture, People
from tests.console.test_sign_in import cookie, with_cookie

OPERATORS = ("/integrations/", "/partners/", "/orphans/")


@dataclass(frozen=True)
class Others:
    """A partner with a tenant (`petra`), and a tenant without partner (`otto`); usernames of their people."""

    partner_id: str
    petra: str
    otto: str
    operation_id: str
    reseller: str
    owner: str
    member: str
    helpdesk: str = "helpdesk"

    @property
    def path(self) -> str:
        return f"/tenants/{self.otto}"


@pytest.fixture(scope="module")
def others(console: ConsoleFixture) -> Others:
    reseller, petra, otto = (console.unused(name) for name in ("reseller", "petra", "otto"))
    partner = console.call("POST", "/partners", json={"slug": reseller, "name": "Reseller"})
    console.tenant(petra, partnerId=partner["_id"])
    made = Others(
        partner["_id"],
        petra,
        otto,
        console.tenant(otto)["operation"]["id"],
        f"{reseller}-admin",
        f"{otto}-owner",
        f"{otto}-member",
    )
    for username, groups, rights in (
        (made.reseller, (), {"role": "admin", "partnerId": partner["_id"]}),
        (made.owner, (f"tenant-{otto}",), {"role": "owner"}),
        (made.member, (f"tenant-{otto}",), {}),
        (made.helpdesk, (), {"platformRole": "support"}),
    ):
        console.person(username, *groups)
        record = console.call("GET", "/users/me", username)
        if rights:
            console.call("PATCH", f"/users/{record['_id']}", json=rights)
    return made


def csrf_of(page: Page) -> str:
    return page.locator("input[name=csrf_token]").first.input_value()


def post_form(console: ConsoleFixture, page: Page, path: str, **fields: str) -> requests.Response:
    """Send a form that the page does not offer, with a valid CSRF token."""
    form = {"csrf_token": csrf_of(page), **fields}
    return with_cookie(cookie(page)).post(f"{console.url}{path}", data=form, timeout=30, allow_redirects=False)


def is_paused(console: ConsoleFixture, integration: str) -> bool:
    return any(one["paused"] for one in console.call("GET", "/integrations") if one["name"] == integration)


def test_a_partner_sees_their_own_tenants_only(people: People, console: ConsoleFixture, others: Others) -> None:
    page = people.page(others.reseller, "/tenants/")
    expect(page.get_by_role("link", name=f"{others.petra.title()} GmbH")).to_be_visible()
    for path in ("/", "/tenants/", "/operations/", "/events/", "/users/"):
        page.goto(path)
        assert "otto" not in page.content().lower(), path
    menu = page.get_by_role("navigation", name="Main")
    expect(menu.get_by_role("link", name="Webhooks")).to_be_visible()
    for word in ("Integrations", "Partners", "Orphans"):
        expect(menu.get_by_role("link", name=word)).to_have_count(0)
    for path in (
        others.path,
        f"{others.path}/domains",
        f"{others.path}/edit",
        f"/operations/{others.operation_id}",
    ):
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 404, path
    page.goto(f"/tenants/{others.petra}")
    expect(page.get_by_role("link", name="Suspend …")).to_be_visible()
    expect(page.get_by_role("link", name="Pause …")).to_have_count(0)


def test_a_partners_new_tenant_belongs_to_the_partner(people: People, console: ConsoleFixture, others: Others) -> None:
    page = people.page(others.reseller, "/tenants/new")
    paula = console.unused("paula")
    page.get_by_label("Name", exact=True).fill("Paula GmbH")
    page.get_by_label("Slug").fill(paula)
    page.get_by_role("button", name="Create tenant").click()
    expect(page).to_have_url(re.compile(f"/tenants/{paula}$"))
    assert console.call("GET", f"/tenants/{paula}")["partnerId"] == others.partner_id


def test_a_member_sees_nothing_of_the_operators_and_is_offered_no_change(
    people: People, console: ConsoleFixture, others: Others
) -> None:
    page = people.page(others.member, "/")
    expect(page).to_have_url(re.compile(f"{others.path}$"))
    expect(page.get_by_role("heading", name=f"{others.otto.title()} GmbH")).to_be_visible()
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
    people: People, console: ConsoleFixture, others: Others
) -> None:
    page = people.page(others.owner, f"{others.path}/edit")
    expect(page.get_by_label("Plan")).to_have_count(0)
    page.get_by_label("Company").fill("Otto & Sons <b>GmbH</b>")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert console.call("GET", others.path)["billingInfo"]["company"] == "Otto & Sons <b>GmbH</b>"
    expect(page.get_by_role("button", name="Reconcile …")).to_be_visible()
    expect(page.get_by_role("link", name="Suspend …")).to_have_count(0)


@pytest.fixture
def attempts(others: Others) -> list[tuple[str, dict[str, str]]]:
    """Return forms that the console offers only to other roles, as path and fields."""
    operation = others.operation_id
    confirmed = {"confirmation": others.otto, "reason": "malice"}
    return [
        *((f"{others.path}/do/{action}", confirmed) for action in ("suspend", "delete", "purge", "pause")),
        (
            f"{others.path}/edit",
            {"plan": "enterprise", "partnerId": others.partner_id, "name": "Mine"},
        ),
        (f"{others.path}/reconcile/apply", {}),
        (f"{others.path}/domains", {"domains": "mine.test"}),
        (f"{others.path}/domains/{others.otto}.test/remove", {"confirmation": f"{others.otto}.test"}),
        (f"/operations/{operation}/cancel", {}),
        (f"/operations/{operation}/steps/ocis/retry", {}),
        ("/integrations/ocis/pause", {"reason": "malice"}),
        ("/integrations/observe-only", {"reason": "malice"}),
        ("/orphans/scan", {}),
    ]


@pytest.mark.parametrize("person", ["reseller", "member", "helpdesk"])
def test_forms_that_were_not_offered_change_nothing(
    people: People,
    console: ConsoleFixture,
    others: Others,
    attempts: list[tuple[str, dict[str, str]]],
    person: str,
) -> None:
    page = people.page(getattr(others, person), "/tenants/")
    before = console.call("GET", others.path)
    for path, fields in attempts:
        answer = post_form(console, page, path, **fields)
        assert answer.status_code in (303, 403, 404), (path, answer.status_code)
    assert console.call("GET", others.path) == before
    assert not is_paused(console, "ocis")
    assert not console.call("GET", "/observe-only")["observeOnly"]


def test_support_sees_an_operators_pages_without_any_change(
    people: People, console: ConsoleFixture, others: Others
) -> None:
    page = people.page(others.helpdesk, "/")
    expect(page.get_by_role("heading", name="Current problems")).to_be_visible()
    expect(page.get_by_text("Support ·")).to_be_visible()
    for path in (
        "/tenants/",
        others.path,
        f"{others.path}/domains",
        f"{others.path}/people",
        *OPERATORS,
        "/webhooks/",
    ):
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        forms = page.locator("main form[method=post]")
        assert forms.count() == 0, (path, forms.all_inner_texts())
    for path in ("/tenants/new", f"{others.path}/edit"):
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 403, path


def test_a_user_cannot_make_themselves_an_operator(people: People, console: ConsoleFixture, others: Others) -> None:
    page = people.page(others.owner, "/tenants/")
    me = console.call("GET", "/users/me", others.owner)
    answer = post_form(
        console, page, f"/users/{me['_id']}", platformAdmin="yes", role="owner", name="O", email=me["email"]
    )
    assert answer.status_code in (200, 303, 403)
    assert not console.call("GET", f"/users/{me['_id']}")["platformAdmin"]


def test_a_csrf_token_of_another_session_is_refused(people: People, console: ConsoleFixture, others: Others) -> None:
    mine, theirs = people.page("admin", "/"), people.page(others.member, "/")
    form = {"csrf_token": csrf_of(theirs), "reason": "malice"}
    answer = with_cookie(cookie(mine)).post(f"{console.url}/integrations/ocis/pause", data=form, timeout=10)
    assert answer.status_code == 400
    assert not is_paused(console, "ocis")


def test_a_revoked_right_ends_in_an_open_session(people: People, console: ConsoleFixture, others: Others) -> None:
    demoted = console.person(console.unused("demoted"), "dezky-platform-admins")
    page = people.signed_in(demoted, "/integrations/")
    record = console.call("GET", "/users/me", demoted)
    console.call("PATCH", f"/users/{record['_id']}", json={"platformAdmin": False})
    answer = page.goto("/integrations/")
    assert answer is not None
    assert answer.status == 403
