"""Test that the platform's own account may do all it needs. Docstrings quote observations.

Against a real server: AUTHENTIK_TEST_LIMITED_TOKEN besides AUTHENTIK_TEST_URL and AUTHENTIK_TEST_TOKEN.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from shared.integrations.outcomes import PermanentError, Result
from shared.tenants.model import Owner
from tests.contracts.authentik_objects import APPLICATIONS, BINDINGS, GROUPS, USERS, Made, Make, Prepared
from tests.contracts.real_or_simulator import Server, unique
from tests.simulators import MakeStep, Saved
from worker.http.json_client import BearerToken, JsonClient
from worker.integrations.authentik.client import AuthentikClient
from worker.integrations.authentik.group import ensure_group, remove_group
from worker.integrations.authentik.membership import close_access, ensure_access
from worker.integrations.step_context import StepContext


@pytest.fixture
def identity(limited_api: Server) -> Iterator[AuthentikClient]:
    token = str(limited_api.session.headers["Authorization"]).removeprefix("Bearer ")
    ca_file = os.environ.get("EXTRA_CA_CERTS")
    api = JsonClient(limited_api.url, authorize=BearerToken(token), call_seconds=30, ca_file=ca_file)
    yield AuthentikClient(api)
    api.close()


@pytest.fixture
def tenant(make_step: MakeStep, identity: AuthentikClient, saved: Saved, made: Made) -> Callable[[], StepContext]:
    """The context of a step for a tenant of its own, whose group exists."""
    slug = unique("t")

    def context() -> StepContext:
        return make_step("authentik", slug=slug, owner=Owner(f"{slug}@people.test", "Olga"))

    ensure_group(context(), identity)
    made.also(f"{GROUPS}{saved['authentikGroupId']}/")
    return context


@pytest.fixture
def ready(prepared: Prepared) -> Iterator[Made]:
    maker = Made(prepared.server)
    yield maker
    maker.clean()


def members(server: Server, group_id: str) -> list[int]:
    return list(server("GET", f"{GROUPS}{group_id}/").json()["users"])


def test_our_account_provisions_closes_opens_and_removes_a_tenant(
    authentik_api: Server,
    identity: AuthentikClient,
    tenant: Callable[[], StepContext],
    saved: Saved,
    made: Made,
    new_user: Make,
) -> None:
    """Seen: each of the twelve permissions is needed, and no other is."""
    member = new_user()["pk"]
    authentik_api("POST", f"{GROUPS}{saved['authentikGroupId']}/add_user/", json={"pk": member})
    assert ensure_access(tenant(), identity).result is Result.OK
    [owner] = identity.find_people(tenant().tenant.owner.email)  # type: ignore[union-attr]
    made.also(f"{USERS}{owner.id}/")
    assert sorted(members(authentik_api, saved["authentikGroupId"])) == sorted([member, owner.id])
    child = made(GROUPS, name=unique("team"), parents=[saved["authentikGroupId"]])
    assert close_access(tenant(), identity).result is Result.OK
    assert members(authentik_api, saved["authentikGroupId"]) == []
    assert authentik_api("GET", f"{GROUPS}{child['pk']}/").json()["parents"] == []
    assert ensure_access(tenant(), identity).result is Result.OK
    assert sorted(members(authentik_api, saved["authentikGroupId"])) == sorted([member, owner.id])
    assert remove_group(tenant(), identity).result is Result.OK
    assert authentik_api("GET", f"{GROUPS}{saved['authentikGroupId']}/").status_code == 404
    assert "dezky" not in authentik_api("GET", f"{USERS}{owner.id}/").json()["attributes"]


def test_used_by_is_for_superusers_only(limited_api: Server, authentik_api: Server, new_group: Make) -> None:
    """Seen: used_by: any other caller: 500 HTML unless the role has also view_groupancestrynode and
    authentik_sources_scim.view_scimsourcegroup.
    """
    path = f"{GROUPS}{new_group()['pk']}/used_by/"
    assert authentik_api("GET", path).status_code == 200
    answer = limited_api("GET", path)
    assert (answer.status_code, "html" in answer.headers["Content-Type"]) == (500, True)


def test_bindings_are_paged_without_further_permissions(
    limited_api: Server, made: Made, new_application: Make, new_group: Make
) -> None:
    """Seen: with bindings paged (/policies/bindings/, 25 of 25 without further permissions)."""
    application, group = new_application(), new_group()
    wanted = {made(BINDINGS, target=application["pk"], order=n, group=group["pk"])["pk"] for n in range(3)}
    found: set[str] = set()
    number = 1
    while number:
        answer = limited_api("GET", BINDINGS, params={"page": number, "page_size": 2, "ordering": "pk"}).json()
        found |= {one["pk"] for one in answer["results"]}
        number = answer["pagination"]["next"]
    assert wanted <= found


def test_an_application_that_our_account_may_not_use_is_not_in_its_list(
    limited_api: Server, made: Made, new_application: Make, new_group: Make
) -> None:
    """Seen: the LIST is filtered by access policy of the caller; superuser_full_list=true works for superusers only."""
    application = new_application()
    made(BINDINGS, target=application["pk"], order=0, group=new_group()["pk"])
    listed = limited_api("GET", APPLICATIONS, params={"superuser_full_list": "true", "page_size": 100})
    assert application["pk"] not in [one["pk"] for one in listed.json()["results"]]


def test_a_purge_refuses_when_a_group_guards_and_names_the_target(
    identity: AuthentikClient,
    tenant: Callable[[], StepContext],
    saved: Saved,
    made: Made,
    new_application: Make,
    new_group: Make,
) -> None:
    """Seen: with all, or a negated binding, removing the group's binding opens the application."""
    application = new_application(policy_engine_mode="all")
    bindings = [
        made(BINDINGS, target=application["pk"], order=n, group=group)
        for n, group in enumerate((saved["authentikGroupId"], new_group()["pk"]))
    ]
    assert len(bindings) == 2
    with pytest.raises(PermanentError, match=application["pk"]):
        remove_group(tenant(), identity)


def test_our_account_sends_a_recovery_mail_with_a_lifetime(
    prepared: Prepared, limited_api: Server, ready: Made
) -> None:
    """Seen: recovery_email needs view_emailstage."""
    user = ready(USERS, username=unique("owner"), name="Olga", email="olga@people.test")
    token = str(limited_api.session.headers["Authorization"]).removeprefix("Bearer ")
    body = {"email_stage": prepared.email_stage, "token_duration": "days=3"}
    sent = prepared.server.caller(token=token)("POST", f"{USERS}{user['pk']}/recovery_email/", json=body)
    assert (sent.status_code, sent.content) == (204, b"")


def test_our_account_gets_a_superusers_recovery_link_unless_the_release_is_fixed(
    prepared: Prepared, limited_api: Server
) -> None:
    """Seen: get a recovery link of akadmin in this pre-fix build. A fixed release says 403."""
    root = prepared.server("GET", f"{USERS}me/").json()["user"]["pk"]
    token = str(limited_api.session.headers["Authorization"]).removeprefix("Bearer ")
    answer = prepared.server.caller(token=token)("POST", f"{USERS}{root}/recovery/", json={})
    assert (answer.status_code, "link" in answer.json()) in ((200, True), (403, False))


def test_a_group_of_superusers_admits_whom_our_account_adds_unless_the_release_is_fixed(
    authentik_api: Server, limited_api: Server, new_user: Make
) -> None:
    """Seen: provisioning role can join authentik Admins (204) in this pre-fix build. A fixed release says 403."""
    [admins] = authentik_api("GET", GROUPS, params={"name": "authentik Admins"}).json()["results"]
    user = new_user()["pk"]
    answer = limited_api("POST", f"{GROUPS}{admins['pk']}/add_user/", json={"pk": user})
    authentik_api("POST", f"{GROUPS}{admins['pk']}/remove_user/", json={"pk": user})
    assert answer.status_code in (204, 403)


def test_our_account_is_refused_without_permission(limited_api: Server, new_user: Make) -> None:
    answer = limited_api("DELETE", f"{USERS}{new_user()['pk']}/")
    assert (answer.status_code, "detail" in answer.json()) == (403, True)
