"""A tenant's lifecycle through real workers: suspended, resumed, deleted, restored, purged."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest
import requests

from shared.core.errors import ActionNotPossible
from shared.operations.model import OperationStatus
from shared.tenants.model import NewTenant, Owner, Status
from shared.tenants.views import TenantView
from tests.end_to_end.conftest import Platform
from tests.simulators import fault, mail_treatment
from tests.waiting import until


def grown(platform: Platform) -> TenantView:
    """An active tenant with a person in its group and a mailbox in its domain."""
    platform.start_worker()
    platform.create("acme")
    view = platform.settled("acme")
    platform.authentik.ensure_person("ann", "password", "Ann", "ann@acme.test", ["tenant-acme"])
    domain = view.tenant.remote["stalwartDomainId"]
    mailbox = {"kind": "Account", "given": {"@type": "User", "name": "ann", "domainId": domain}}
    requests.post(f"{platform.stalwart.url}/__sim/call/create", json=mailbox, timeout=5).raise_for_status()
    return view


def members(platform: Platform) -> list[str]:
    directory = platform.authentik.directory
    group = directory.groups_by_name["tenant-acme"]
    return sorted(directory.users[pk].username for pk in group.users)


def mailbox(platform: Platform) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in platform.stalwart.snapshot()["Account"] if one["name"] == "ann")
    return found


def domain(platform: Platform) -> dict[str, Any]:
    found: dict[str, Any] = platform.upstream("acme")["domains"][0]
    return found


def space(platform: Platform) -> dict[str, Any]:
    found: dict[str, Any] = platform.upstream("acme")["spaces"][0]
    return found


def is_open(platform: Platform) -> tuple[bool, bool, bool, bool]:
    """Return the tenant's access: group members, mail sign-in, mail delivery and use of the space."""
    locked = (mailbox(platform).get("permissions") or {}).get("disabledPermissions") or {}
    return (
        members(platform) == ["ann"],
        "authenticate" not in locked,
        mail_treatment(platform.stalwart)["acme.test"] == "delivered",
        not space(platform)["disabled"],
    )


def test_a_suspension_closes_every_product_and_a_resume_restores_its_state(platform: Platform) -> None:
    grown(platform)
    assert is_open(platform) == (True, True, True, True)
    view = platform.services.lifecycle.suspend("acme", "unpaid", platform.admin)
    # our own API does not wait for products
    assert (view.tenant.status, view.tenant.suspend_reason) == (Status.SUSPENDED, "unpaid")
    assert platform.settled("acme").operation is not None
    assert is_open(platform) == (False, False, False, False)
    assert members(platform) == []
    platform.services.lifecycle.resume("acme", platform.admin)
    view = platform.settled("acme")
    assert (view.tenant.status, view.tenant.suspend_reason) == (Status.ACTIVE, None)
    assert is_open(platform) == (True, True, True, True)
    assert mailbox(platform).get("permissions", {"@type": "Inherit"}) == {"@type": "Inherit"}
    group = platform.upstream("acme")["groups"][0]
    assert "heldMembers" not in group["attributes"]["dezky"]


def test_a_suspension_during_an_outage_closes_the_other_products_and_the_rest_later(platform: Platform) -> None:
    grown(platform)
    fault(platform.authentik, kind="status", status=503)
    platform.services.lifecycle.suspend("acme", "unpaid", platform.admin)
    until(lambda: is_open(platform)[1:] == (False, False, False))
    assert members(platform) == ["ann"]
    platform.authentik.faults.clear()
    view = platform.settled("acme")
    assert view.operation is not None
    assert view.operation.status is OperationStatus.SUCCEEDED
    assert members(platform) == []


def test_a_suspension_while_one_integration_is_paused_closes_the_others_at_once(platform: Platform) -> None:
    grown(platform)
    platform.services.switches.pause("authentik", "upgrade", platform.admin)
    time.sleep(1.2)  # workers read the switches once a second
    platform.services.lifecycle.suspend("acme", "unpaid", platform.admin)
    # no scheduler runs: the worker of the first step published the next stage
    until(lambda: is_open(platform)[1:] == (False, False, False))
    assert members(platform) == ["ann"]


def test_a_worker_killed_during_a_suspension_forgets_no_member(platform: Platform) -> None:
    grown(platform)
    platform.start_scheduler()
    fault(platform.authentik, kind="latency", delay=0.7, method="POST", path="remove_user")
    platform.services.lifecycle.suspend("acme", "unpaid", platform.admin)
    until(lambda: "heldMembers" in platform.upstream("acme")["groups"][0]["attributes"]["dezky"])
    platform._running[0].send_signal(signal.SIGKILL)
    platform.authentik.faults.clear()
    platform.start_worker()
    platform.settled("acme")
    assert members(platform) == []
    platform.services.lifecycle.resume("acme", platform.admin)
    platform.settled("acme")
    assert members(platform) == ["ann"]


def test_a_deleted_tenant_is_closed_kept_and_restored(platform: Platform) -> None:
    before = grown(platform)
    view = platform.services.lifecycle.delete("acme", platform.admin)
    assert view.tenant.status is Status.DELETED
    assert view.tenant.purge_after is not None
    platform.settled("acme")
    assert is_open(platform) == (False, False, False, False)
    platform.services.lifecycle.restore("acme", platform.admin)
    view = platform.settled("acme")
    assert (view.tenant.status, view.tenant.purge_after) == (Status.ACTIVE, None)
    assert is_open(platform) == (True, True, True, True)
    assert view.tenant.remote["ocisSpaceId"] == before.tenant.remote["ocisSpaceId"]


def test_a_purge_removes_our_objects_keeps_a_receipt_and_reserves_the_name(platform: Platform) -> None:
    grown(platform)
    platform.create("beta")
    platform.settled("beta")
    with pytest.raises(ActionNotPossible):
        platform.services.lifecycle.purge("acme", platform.admin)
    platform.services.lifecycle.delete("acme", platform.admin)
    platform.settled("acme")
    platform.services.lifecycle.purge("acme", platform.admin)
    view = platform.settled("acme")
    assert view.operation is not None
    assert view.operation.status is OperationStatus.SUCCEEDED, view.operation.steps
    assert platform.upstream("acme") == {"groups": [], "domains": [], "spaces": []}
    assert platform.has_one_of_each("beta")
    assert view.tenant.purged_at is not None
    assert view.tenant.remote == {}
    receipt = platform.services.lifecycle.receipt("acme", platform.admin)
    assert {removal.step: bool(removal.verified) for removal in receipt.removals} == {
        "authentik": True,
        "stalwart": True,
        "ocis": True,
    }
    assert any("ann@acme.test" in line for removal in receipt.removals for line in removal.removed)
    with pytest.raises(ActionNotPossible):
        platform.services.lifecycle.restore("acme", platform.admin)
    events = platform.services.events.newest(platform.admin, "acme", None, 50).items
    assert {"tenant.created", "tenant.delete", "tenant.purge"} <= {event.action for event in events}


def test_the_scheduler_purges_a_tenant_after_the_grace_period(platform: Platform) -> None:
    grown(platform)
    platform.services.lifecycle.delete("acme", platform.admin)
    platform.settled("acme")
    rows = platform.store.connection.client[platform.settings.mongodb_database]["tenants"]
    rows.update_one({"slug": "acme"}, [{"$set": {"purgeAfter": "$$NOW"}}])
    platform.start_scheduler()
    until(lambda: platform.tenant("acme").tenant.purged_at is not None, 40)
    assert platform.upstream("acme") == {"groups": [], "domains": [], "spaces": []}


def test_a_group_that_is_an_applications_only_guard_is_removed_once_another_guards_it(
    platform: Platform,
) -> None:
    grown(platform)
    access = platform.authentik.state.access
    application = access.add_application({"name": "Wiki", "slug": "wiki"})
    group = platform.authentik.directory.groups_by_name["tenant-acme"]
    access.add_binding({"target": application.pk, "group": group.pk, "order": 0})
    platform.services.lifecycle.delete("acme", platform.admin)
    platform.settled("acme")
    platform.services.lifecycle.purge("acme", platform.admin)
    view = platform.settled("acme")
    assert view.operation is not None
    assert view.operation.step("authentik").reason == "guards_alone"
    assert view.tenant.purged_at is None
    other = platform.authentik.directory.add_group({"name": "staff"})
    access.add_binding({"target": application.pk, "group": other.pk, "order": 1})
    rows = platform.store.connection.client[platform.settings.mongodb_database]["tenants"]
    assert rows.find_one({"slug": "acme"})["retryAt"] is not None  # type: ignore[index]
    rows.update_one({"slug": "acme"}, [{"$set": {"retryAt": "$$NOW"}}])
    platform.start_scheduler()
    until(lambda: platform.tenant("acme").tenant.purged_at is not None, 40)


def test_an_owner_gets_access_last_and_one_invitation(platform: Platform) -> None:
    new = NewTenant("acme", "Acme GmbH", "starter", ("acme.test",), owner=Owner("olga@home.test", "Olga"))
    fault(platform.ocis, kind="status", status=503)
    platform.start_worker()
    platform.services.tenants.create(new, platform.admin)
    time.sleep(1.0)
    assert "olga@home.test" not in platform.authentik.directory.users_by_name
    platform.ocis.faults.clear()
    view = platform.settled("acme")
    assert view.operation is not None
    assert [step.name for step in view.operation.steps] == ["authentik", "stalwart", "ocis", "access"]
    assert view.operation.step("access").notes["invitation"].startswith("not sent")
    assert members(platform) == ["olga@home.test"]
    owner = platform.store.users.find_by_subject(view.tenant.remote["ownerSubject"])
    assert owner is not None
    assert (owner.role, owner.role_in(view.tenant.id)) == ("owner", "owner")


def test_an_existing_account_gets_no_access(platform: Platform) -> None:
    platform.authentik.ensure_person("olga@home.test", "password", "Somebody", "olga@home.test", [])
    platform.start_worker()
    new = NewTenant("acme", "Acme GmbH", "starter", (), owner=Owner("olga@home.test", "Olga"))
    platform.services.tenants.create(new, platform.admin)
    view = platform.settled("acme")
    assert view.operation is not None
    assert (view.tenant.status, view.operation.step("access").reason) == (Status.ACTIVE, "owner_has_account")
    assert members(platform) == []
