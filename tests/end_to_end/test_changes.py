"""Changes that reach all three products, and dry runs that change none, through real workers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import requests

from shared.operations.model import Mode, Operation, OperationStatus
from shared.tenants.model import Status, TenantPatch
from tests.end_to_end.conftest import Platform
from tests.simulators import API_TOKEN, fault, mail_treatment, writes
from tests.waiting import until

STEPS = ("authentik", "stalwart", "ocis")


def changed(platform: Platform, patch: TenantPatch) -> Operation:
    view = platform.services.tenants.change("acme", patch, platform.admin, None)
    assert view.operation is not None
    return platform.services.operations.wait_for(view.operation.id, platform.admin, 60)


def planned(platform: Platform) -> Operation:
    view = platform.services.tenants.reconcile("acme", platform.admin, Mode.DRY_RUN)
    assert view.operation is not None
    return platform.services.operations.wait_for(view.operation.id, platform.admin, 60)


def domains(platform: Platform) -> dict[str, bool]:
    """Return for each domain if its mail is delivered."""
    return {name: treatment == "delivered" for name, treatment in mail_treatment(platform.stalwart).items()}


def space(platform: Platform) -> dict[str, Any]:
    found: dict[str, Any] = platform.upstream("acme")["spaces"][0]
    return found


def test_a_new_name_plan_and_set_of_domains_reach_group_mail_and_space(platform: Platform) -> None:
    platform.start_worker()
    platform.create("acme")
    platform.settled("acme")
    before = space(platform)
    operation = changed(platform, {"name": "Acme AG", "plan": "business", "domains": ("acme.test", "new.test")})
    assert operation.status is OperationStatus.SUCCEEDED
    ours = platform.upstream("acme")["groups"][0]["attributes"]["dezky"]
    assert (ours["name"], ours["plan"], ours["domains"]) == ("Acme AG", "business", ["acme.test", "new.test"])
    assert domains(platform) == {"acme.test": True, "new.test": True}
    after = space(platform)
    assert (after["id"], after["name"]) == (before["id"], "Acme AG")
    assert after["quota"] == platform.settings.plans["business"].space_bytes != before["quota"]
    changed(platform, {"domains": ("new.test",)})
    assert domains(platform) == {"acme.test": False, "new.test": True}
    tenant = platform.tenant("acme").tenant
    assert [entry["domain"] for entry in tenant.remote["stalwartDomains"]] == ["new.test"]
    assert {step.name: bool(step.changes) for step in operation.steps} == dict.fromkeys(STEPS, True)


def test_a_dry_run_lists_the_changes_of_the_later_run_and_writes_nothing(platform: Platform) -> None:
    platform.start_worker()
    platform.create("acme")
    platform.settled("acme")
    assert {step.changes for step in planned(platform).steps} == {()}
    platform.authentik.directory.delete_group(platform.authentik.directory.groups_by_name["tenant-acme"])
    platform.ocis.storage.spaces[space(platform)["id"]].disabled = True
    before = platform.tenant("acme").tenant
    for product in (platform.authentik, platform.stalwart, platform.ocis):
        product.journal.clear()
    plan = planned(platform)
    assert plan.status is OperationStatus.SUCCEEDED, plan.steps
    assert [writes(product) for product in (platform.authentik, platform.ocis)] == [[], []]
    assert not any(entry["writes"] for entry in platform.stalwart.journal if "writes" in entry)
    after = platform.tenant("acme").tenant
    assert replace(after, drift=None) == replace(before, drift=None)
    assert after.drift is not None
    assert after.drift.changes["authentik"] == ("create the group tenant-acme",)
    assert plan.step("authentik").changes == ("create the group tenant-acme",), plan.steps
    assert plan.step("ocis").changes[0].startswith("enable the space")
    platform.services.tenants.reconcile("acme", platform.admin, Mode.APPLY)
    applied = platform.settled("acme").operation
    assert applied is not None
    by_step = {step.name: step.changes for step in plan.steps}
    assert {step.name: step.changes for step in applied.steps} == by_step
    assert platform.tenant("acme").tenant.drift is None


def test_a_dry_run_for_a_new_tenant_lists_every_object(platform: Platform) -> None:
    operation = platform.create("acme").operation
    assert operation is not None
    platform.services.operations.cancel(operation.id, platform.admin)
    platform.start_worker()
    plan = planned(platform)
    assert plan.step("authentik").changes == ("create the group tenant-acme",), plan.steps
    assert "create the mail domain acme.test with its postmaster" in plan.step("stalwart").changes
    assert plan.step("ocis").changes[-1] == "invite the group tenant-acme as editor"
    assert platform.upstream("acme") == {"groups": [], "domains": [], "spaces": []}
    assert platform.tenant("acme").tenant.status is Status.PENDING


def test_a_retried_step_runs_again_and_ends_its_operation(platform: Platform) -> None:
    platform.start_worker()
    fault(platform.ocis, kind="status", status=403, body="{}")
    platform.create("acme")
    view = platform.settled("acme")
    assert view.operation is not None
    assert view.operation.status is OperationStatus.FAILED
    platform.ocis.faults.clear()
    platform.services.operations.retry(view.operation.id, "ocis", platform.admin)
    again = platform.settled("acme")
    assert again.operation is not None
    assert (again.operation.id, again.operation.status) == (view.operation.id, OperationStatus.SUCCEEDED)
    assert again.tenant.status is Status.ACTIVE


def test_the_scheduler_checks_every_tenant_and_shows_drift(platform: Platform) -> None:
    platform.start_worker()
    for slug in ("acme", "beta"):
        platform.create(slug)
        platform.settled(slug)
    platform.authentik.directory.delete_group(platform.authentik.directory.groups_by_name["tenant-acme"])
    rows = platform.store.connection.client[platform.settings.mongodb_database]["tenants"]
    rows.update_many({}, [{"$set": {"driftDueAt": "$$NOW"}}])
    platform.start_scheduler()
    until(lambda: all(platform.tenant(slug).tenant.drift for slug in ("acme", "beta")))
    drift = {slug: platform.tenant(slug).tenant.drift for slug in ("acme", "beta")}
    assert drift["acme"] is not None
    assert drift["beta"] is not None
    assert drift["acme"].changes == {"authentik": ("create the group tenant-acme",)}
    assert drift["beta"].changes == {}
    # a drift check without findings is no event, and its operation is not kept
    events = platform.services.events.newest(platform.admin, None, None, 50).items
    slugs = {event.tenant_slug for event in events if (event.after or {}).get("mode") == Mode.DRY_RUN}
    assert slugs == {"acme"}
    plans = platform.store.connection.client[platform.settings.mongodb_database]["operations"].find({"mode": "plan"})
    assert [(dry_run["expiresAt"] - dry_run["createdAt"]).days for dry_run in plans] == [30, 30]
    assert "tenant-acme" not in platform.authentik.directory.groups_by_name


def test_a_foreign_group_of_the_tenants_name_gets_no_access_to_a_space(platform: Platform) -> None:
    group = {"name": "tenant-acme"}
    headers = {"Authorization": f"Bearer {API_TOKEN}"}
    requests.post(f"{platform.authentik.url}/api/v3/core/groups/", json=group, headers=headers, timeout=5)
    platform.ocis.storage.add_group("tenant-acme")
    platform.start_worker()
    platform.create("acme")
    view = platform.settled("acme")
    assert view.operation is not None
    assert (view.operation.step("authentik").reason, view.tenant.status) == ("taken", Status.PENDING)
    members = [one for space in platform.ocis.storage.spaces.values() for one in space.grants]
    assert [one for one in members if one.startswith("g:")] == []
