"""Check that the accounts of a tenant's domains are in its mail tenant, so that the plan's limits bind them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sandbox.simulators.stalwart.callers import ALL_PERMISSIONS
from sandbox.simulators.stalwart.server import StalwartSimulator
from shared.config.integrations import Plan
from shared.integrations.outcomes import TemporaryError
from tests.simulators import MakeStep, Saved, fault
from tests.worker.test_mail import client, control, objects, sets
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.provision import ensure_mail
from worker.integrations.step_context import StepContext

SMALL = Plan(mailboxes=1, mail_bytes=1000)


@pytest.fixture
def mail(stalwart: StalwartSimulator, make_step: MakeStep) -> StalwartClient:
    """Return a client that links mail tenants; the tenant was set up without one."""
    ensure_mail(make_step("stalwart"), client(stalwart, "off"))
    return client(stalwart, "require")


@pytest.fixture
def user(stalwart: StalwartSimulator, mail: StalwartClient, saved: Saved) -> Callable[..., str]:
    """Create an account in the tenant's domain and outside its mail tenant, as a person does; return its id."""

    def make(name: str, **fields: Any) -> str:
        given = {"@type": "User", "name": name, "domainId": saved["stalwartDomainId"], **fields}
        return str(control(stalwart, "create", kind="Account", given=given)["id"])

    return make


def outside(stalwart: StalwartSimulator, saved: Saved) -> list[str]:
    accounts = objects(stalwart, "Account")
    return [one["name"] for one in accounts if one["memberTenantId"] != saved["stalwartTenantId"]]


def moves(step: StepContext) -> set[str]:
    return {change.split()[1] for change in step.changes if change.startswith("move ")}


def test_accounts_older_than_the_mail_tenant_are_moved_into_it_and_counted(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved, user: Callable[..., str]
) -> None:
    team = user("team", **{"@type": "Group"})
    for name in ("ann", "bob"):
        user(name, memberGroupIds={team: True})
    run = replace(make_step("stalwart"), plan=SMALL)
    outcome = ensure_mail(run, mail)
    assert outside(stalwart, saved) == []
    assert outcome.notes["over_quota"] == "there are 2 mailboxes, the plan allows 1"
    moved = [change for change in run.changes if change.startswith("move ")]
    assert moved[0].startswith("move team@acme.test into the mail tenant")
    assert len(moved) == 4
    stalwart.journal.clear()
    ensure_mail(replace(make_step("stalwart"), plan=SMALL), mail)
    assert sets(stalwart) == []


def test_an_account_that_a_person_created_outside_the_mail_tenant_is_drift_that_a_reconcile_corrects(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved, user: Callable[..., str]
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    user("ann")
    check = replace(make_step("stalwart", is_dry_run=True), plan=Plan(mail_bytes=10))
    stalwart.registry.objects["Account"][user("bob")]["usedDiskQuota"] = 600
    outcome = ensure_mail(check, mail)
    assert sorted(change for change in check.changes if change.startswith("move ")) == [
        "move ann@acme.test into the mail tenant, whose limits are the plan's",
        "move bob@acme.test into the mail tenant, whose limits are the plan's",
    ]
    assert outcome.notes["over_quota"] == "600 bytes are used, the plan allows 10"
    assert outside(stalwart, saved) == ["ann", "bob"]
    ensure_mail(make_step("stalwart"), mail)
    assert outside(stalwart, saved) == []


def test_a_mail_tenant_that_is_only_planned_lists_the_accounts_that_would_move(
    mail: StalwartClient, make_step: MakeStep, user: Callable[..., str]
) -> None:
    user("ann")
    check = make_step("stalwart", is_dry_run=True)
    ensure_mail(check, mail)
    assert len([change for change in check.changes if change.startswith("move ")]) == 2


def test_mailboxes_that_were_moved_take_no_more_mail_than_the_plan_allows(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, user: Callable[..., str]
) -> None:
    stalwart.set_edition("enterprise")
    for name in ("ann", "bob"):
        user(name)
        stalwart.mail.deliver("", f"{name}@acme.test", 400)
    ensure_mail(replace(make_step("stalwart"), plan=SMALL), mail)
    control(stalwart, "run_tasks")
    assert objects(stalwart, "Tenant")[0]["usedDiskQuota"] == 800
    stalwart.mail.deliver("", "ann@acme.test", 400)
    assert [one["usedDiskQuota"] for one in objects(stalwart, "Account")] == [0, 400, 400]


@pytest.mark.parametrize("kind", ["status", "lost"])
def test_an_interrupted_move_is_completed_and_all_mail_is_counted(
    stalwart: StalwartSimulator,
    mail: StalwartClient,
    make_step: MakeStep,
    saved: Saved,
    user: Callable[..., str],
    kind: str,
) -> None:
    stalwart.set_edition("enterprise")
    for name in ("ann", "bob", "cid"):
        user(name)
        stalwart.mail.deliver("", f"{name}@acme.test", 100)
    fault(stalwart, kind=kind, contains=r'"update": \{"[^"]+": \{"memberTenantId": "[^"]+"\}\}', after=2, count=3)
    with pytest.raises(TemporaryError):
        ensure_mail(make_step("stalwart"), mail)
    ensure_mail(make_step("stalwart"), mail)
    assert outside(stalwart, saved) == []
    control(stalwart, "run_tasks")
    assert objects(stalwart, "Tenant")[0]["usedDiskQuota"] == 300


def test_accounts_that_a_mail_tenant_would_change_or_that_are_not_the_tenants_stay_outside_and_are_named(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, user: Callable[..., str]
) -> None:
    theirs = control(stalwart, "create", kind="Tenant", given={"name": "Beta"})["id"]
    ours = user("platform", roles={"@type": "Admin"})
    control(stalwart, "use_account", account=ours)
    user("admin", roles={"@type": "Admin"})
    user("helper", permissions={"@type": "Merge", "enabledPermissions": {"sysDomainGet": True}})
    # two tenants' accounts in one domain: the server allows an account to leave its domain's tenant
    stalwart.registry.objects["Account"][user("beta")]["memberTenantId"] = theirs
    user("ann")
    before = {one["name"]: one["memberTenantId"] for one in objects(stalwart, "Account")}
    outcome = ensure_mail(replace(make_step("stalwart"), plan=SMALL), mail)
    after = {one["name"]: one["memberTenantId"] for one in objects(stalwart, "Account")}
    assert {name for name in after if after[name] != before[name]} == {"ann", "postmaster"}
    named = outcome.notes["outside_mail_tenant"].split(", ")
    assert sorted(named) == ["admin@acme.test", "beta@acme.test", "helper@acme.test"]
    # all but our own account are mailboxes of the tenant
    assert outcome.notes["over_quota"] == "there are 4 mailboxes, the plan allows 1"


def test_an_account_that_the_server_refuses_to_move_is_named_and_stops_no_other(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved, user: Callable[..., str]
) -> None:
    """A member of a mail tenant may refer to nothing outside it."""
    elsewhere = control(stalwart, "create", kind="Domain", given={"name": "elsewhere.test"})["id"]
    user("ann", aliases={"0": {"name": "ann", "domainId": elsewhere}})
    user("bob")
    outcome = ensure_mail(make_step("stalwart"), mail)
    assert outside(stalwart, saved) == ["ann"]
    assert outcome.notes["outside_mail_tenant"] == "ann@acme.test"


def test_mailboxes_of_a_domain_that_left_the_tenant_still_use_its_plan(
    stalwart: StalwartSimulator, make_step: MakeStep, saved: Saved
) -> None:
    mail = client(stalwart, "require")
    ensure_mail(make_step("stalwart", domains=("acme.test", "old.test")), mail)
    given = {"@type": "User", "memberTenantId": saved["stalwartTenantId"]}
    for entry in saved["stalwartDomains"]:
        control(stalwart, "create", kind="Account", given={**given, "name": "ann", "domainId": entry["id"]})
    outcome = ensure_mail(replace(make_step("stalwart"), plan=SMALL), mail)
    assert outcome.notes["over_quota"] == "there are 2 mailboxes, the plan allows 1"


def test_a_dry_run_predicts_which_accounts_the_server_refuses_to_move(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved, user: Callable[..., str]
) -> None:
    elsewhere = control(stalwart, "create", kind="Domain", given={"name": "elsewhere.test"})["id"]
    fixed = user("fixed", **{"@type": "Group"}, aliases={"0": {"name": "fixed", "domainId": elsewhere}})
    group = {"@type": "Group", "name": "far", "domainId": elsewhere}
    far = str(control(stalwart, "create", kind="Account", given=group)["id"])
    team = user("team", **{"@type": "Group"})
    user("ann", aliases={"0": {"name": "ann", "domainId": elsewhere}})
    user("bob", memberGroupIds={fixed: True})
    user("cid", memberGroupIds={far: True})
    user("dan", memberGroupIds={team: True})
    check = make_step("stalwart", is_dry_run=True)
    ensure_mail(check, mail)
    run = make_step("stalwart")
    noted = ensure_mail(run, mail).notes["outside_mail_tenant"]
    assert moves(check) == moves(run) == {"postmaster@acme.test", "team@acme.test", "dan@acme.test"}
    assert set(outside(stalwart, saved)) == {"fixed", "far", "ann", "bob", "cid"}
    again = make_step("stalwart", is_dry_run=True)
    assert ensure_mail(again, mail).notes["outside_mail_tenant"] == noted
    assert again.changes == []


def test_an_account_with_an_alias_in_a_domain_that_left_the_tenant_moves_as_the_dry_run_says(
    make_step: MakeStep, stalwart: StalwartSimulator, saved: Saved, user: Callable[..., str]
) -> None:
    mail = client(stalwart, "require")
    ensure_mail(make_step("stalwart", domains=("acme.test", "old.test")), mail)
    left = next(one["id"] for one in saved["stalwartDomains"] if one["domain"] == "old.test")
    user("ann", aliases={"0": {"name": "ann", "domainId": left}})
    check, run = make_step("stalwart", is_dry_run=True), make_step("stalwart")
    for step in (check, run):
        ensure_mail(step, mail)
    assert moves(check) == moves(run) == {"ann@acme.test"}


def test_the_reads_of_a_reconcile_for_its_accounts_do_not_grow_with_the_domains(
    stalwart: StalwartSimulator, make_step: MakeStep
) -> None:
    mail = client(stalwart, "require")
    names = tuple(f"acme{n}.test" for n in range(10))
    ensure_mail(make_step("stalwart", domains=names), mail)
    ensure_mail(make_step("stalwart", domains=names), mail)
    held = mail.accounts.in_domains([one["id"] for one in objects(stalwart, "Domain")])
    assert {len(accounts) for accounts in held.values()} == {1}
    stalwart.journal.clear()
    mail.accounts.in_domains(list(held))
    assert len(stalwart.journal) == 3


def test_a_refused_task_that_counts_the_mail_of_moved_accounts_is_noted(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, user: Callable[..., str]
) -> None:
    user("ann")
    narrow = sorted(ALL_PERMISSIONS - {"taskTenantMaintenance"})
    control(stalwart, "add_key", key="API_narrow", permissions=narrow)
    outcome = ensure_mail(make_step("stalwart"), client(stalwart, "require", token="API_narrow"))
    assert "taskTenantMaintenance" in outcome.notes["not_counted"]
    user("bob")
    assert "not_counted" not in ensure_mail(make_step("stalwart"), mail).notes
