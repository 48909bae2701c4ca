"""Check that closed mail is opened again for the accounts that we locked, and for no others; and its removal."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import requests

from sandbox.simulators.stalwart.server import StalwartSimulator
from shared.application.parts import open_drift_detector, open_starter
from shared.integrations.outcomes import PermanentError, Result, TemporaryError
from shared.integrations.ownership_marker import MarkerSigner
from shared.operations.dispatcher import Dispatcher
from shared.tenants.model import NewTenant
from shared.tenants.views import TenantView
from tests.platform_fixture import PlatformFixture
from tests.simulators import OTHER_ID, STAMP_KEYS, MakeStep, Saved, fault, mail_treatment
from tests.worker.test_mail import client, control
from worker.integrations.stalwart.closed.closing import close_mail
from worker.integrations.stalwart.provision import ensure_mail
from worker.integrations.stalwart.removal import remove_mail

DOMAINS = ("acme.test", "acme.org")


@pytest.fixture
def acme(platform: PlatformFixture) -> PlatformFixture:
    return settled(platform)


def settled(platform: PlatformFixture) -> PlatformFixture:
    """A tenant of two domains, with a mailbox in each."""
    view = platform.services.tenants.create(NewTenant("acme", "Acme GmbH", "starter", DOMAINS), platform.admin)
    assert platform.finish(view).status == "succeeded"
    for entry in platform.tenant("acme").remote["stalwartDomains"]:
        control(
            platform.stalwart, "create", kind="Account", given={"@type": "User", "name": "ann", "domainId": entry["id"]}
        )
    return platform


def locked_out(platform: PlatformFixture) -> list[str]:
    """Return the addresses of accounts that cannot sign in."""
    accounts = platform.stalwart.snapshot()["Account"]
    return sorted(
        one["emailAddress"]
        for one in accounts
        if (one.get("permissions") or {}).get("disabledPermissions", {}).get("authenticate")
    )


def test_all_is_closed_and_removed_on_a_server_with_more_objects_than_one_query_returns(acme: PlatformFixture) -> None:
    acme.grown("beta")
    control(acme.stalwart, "set_most_found", most=1)
    assert acme.finish(acme.services.lifecycle.suspend("acme", "unpaid", acme.admin)).status == "succeeded"
    assert locked_out(acme) == ["ann@acme.org", "ann@acme.test"]
    assert mail_treatment(acme.stalwart) == {"acme.test": "refused", "acme.org": "refused", "beta.test": "delivered"}
    assert acme.finish(acme.services.lifecycle.delete("beta", acme.admin)).status == "succeeded"
    assert acme.finish(acme.services.lifecycle.purge("beta", acme.admin)).status == "succeeded"
    assert [one["name"] for one in acme.stalwart.snapshot()["Domain"]] == list(DOMAINS)


@pytest.mark.parametrize("action", ["suspend", "delete"])
def test_the_drift_check_of_a_closed_tenant_finds_an_account_of_a_first_sign_in(
    acme: PlatformFixture, dispatcher: Dispatcher, action: str
) -> None:
    lifetime, admin = acme.services.lifecycle, acme.admin
    view = lifetime.suspend("acme", "unpaid", admin) if action == "suspend" else lifetime.delete("acme", admin)
    assert acme.finish(view).status == "succeeded"
    domain = acme.tenant("acme").remote["stalwartDomains"][0]["id"]
    control(acme.stalwart, "create", kind="Account", given={"@type": "User", "name": "new", "domainId": domain})
    acme.rows["tenants"].update_many({"slug": "acme"}, [{"$set": {"driftDueAt": "$$NOW"}}])
    check = open_drift_detector(acme.store, open_starter(acme.store, dispatcher, acme.settings), acme.settings)
    assert check.run_once() == 1
    dry_run = acme.store.operations.find_open(acme.tenant("acme").id)
    before = acme.tenant("acme")
    assert acme.finish(TenantView(before, dry_run)).status == "succeeded"
    after = acme.tenant("acme")
    assert after.drift is not None
    assert after.drift.changes == {"stalwart": ("keep new@acme.test from signing in and receiving mail",)}
    assert replace(after, drift=None) == replace(before, drift=None)
    assert locked_out(acme) == ["ann@acme.org", "ann@acme.test"]
    # a repeated suspension closes the new account too
    view = lifetime.suspend("acme", "unpaid", admin) if action == "suspend" else lifetime.delete("acme", admin)
    assert acme.finish(view).status == "succeeded"
    assert locked_out(acme) == ["ann@acme.org", "ann@acme.test", "new@acme.test"]


def test_a_purged_tenant_has_no_drift_check(acme: PlatformFixture, dispatcher: Dispatcher) -> None:
    for view in (acme.services.lifecycle.delete, acme.services.lifecycle.purge):
        assert acme.finish(view("acme", acme.admin)).status == "succeeded"
    acme.rows["tenants"].update_many({"slug": "acme"}, [{"$set": {"driftDueAt": "$$NOW"}}])
    check = open_drift_detector(acme.store, open_starter(acme.store, dispatcher, acme.settings), acme.settings)
    assert check.run_once() == 0


def test_accounts_locked_in_any_of_the_domains_can_sign_in_again(acme: PlatformFixture) -> None:
    assert acme.finish(acme.services.lifecycle.suspend("acme", "unpaid", acme.admin)).status == "succeeded"
    assert locked_out(acme) == ["ann@acme.org", "ann@acme.test"]
    assert acme.finish(acme.services.lifecycle.resume("acme", acme.admin)).status == "succeeded"
    assert locked_out(acme) == []


def describe(stalwart: StalwartSimulator, domain: dict[str, Any], text: str) -> None:
    control(stalwart, "update", kind="Domain", id_=domain["id"], patch={"description": text})


@pytest.mark.parametrize(("domains", "left"), [(DOMAINS, ()), (DOMAINS[1:], DOMAINS[:1])], ids=["of-it", "left-it"])
def test_a_domain_on_record_whose_marker_was_overwritten_is_closed_and_not_removed(
    stalwart: StalwartSimulator, make_step: MakeStep, domains: tuple[str, ...], left: tuple[str, ...]
) -> None:
    mail = client(stalwart)
    ensure_mail(make_step("stalwart", domains=DOMAINS), mail)
    one, _ = stalwart.snapshot()["Domain"]
    describe(stalwart, one, "Our own")
    if left:
        assert ensure_mail(make_step("stalwart", domains=domains), mail).result is Result.OK
        assert mail_treatment(stalwart) == {"acme.test": "refused", "acme.org": "delivered"}
    assert "acme.test" in close_mail(make_step("stalwart", domains=domains), mail).notes["marker_missing"]
    assert mail_treatment(stalwart) == dict.fromkeys(DOMAINS, "refused")
    with pytest.raises(PermanentError, match=r"marker_removed: .* acme\.test"):
        remove_mail(make_step("stalwart", domains=domains), mail)
    assert mail_treatment(stalwart) == {"acme.test": "refused"}
    describe(stalwart, one, one["description"])
    assert remove_mail(make_step("stalwart", domains=domains), mail).result is Result.OK


def test_a_domain_on_record_with_another_tenants_marker_is_neither_closed_nor_reported_as_closed(
    stalwart: StalwartSimulator, make_step: MakeStep
) -> None:
    mail = client(stalwart)
    ensure_mail(make_step("stalwart", domains=DOMAINS), mail)
    describe(stalwart, stalwart.snapshot()["Domain"][0], MarkerSigner("stalwart", STAMP_KEYS).text(OTHER_ID))
    with pytest.raises(PermanentError, match="taken"):
        close_mail(make_step("stalwart", domains=DOMAINS), mail)
    assert mail_treatment(stalwart) == {"acme.test": "delivered", "acme.org": "refused"}


def test_a_suspension_that_was_overtaken_locks_no_account_that_is_not_on_record(
    make_platform: Callable[..., PlatformFixture],
) -> None:
    acme = settled(make_platform(attempt_seconds=2, lease_seconds=3))
    view = acme.services.lifecycle.suspend("acme", "unpaid", acme.admin)
    assert view.operation is not None
    acme.runner.run(view.operation.id, "access", 1)
    fault(acme.stalwart, kind="latency", contains="x:Account/query", delay=0.7, count=1)
    acme.stalwart.journal.clear()
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(acme.runner.run, view.operation.id, "stalwart", 2)
        while not any("x:Account/query" in one["body"] for one in acme.stalwart.journal):
            time.sleep(0.01)
        # cancelled and resumed while the step is about to lock accounts
        acme.services.operations.cancel(view.operation.id, acme.admin)
        resumed = acme.services.lifecycle.resume("acme", acme.admin)
        running.result()
    assert acme.finish(resumed).status == "succeeded"
    assert locked_out(acme) == []


def test_one_account_that_cannot_be_locked_does_not_keep_others_open(
    stalwart: StalwartSimulator, make_step: MakeStep
) -> None:
    mail = client(stalwart)
    ensure_mail(make_step("stalwart"), mail)
    domain = stalwart.snapshot()["Domain"][0]["id"]
    given = [{"@type": "User", "name": name, "domainId": domain} for name in ("ann", "bob", "cem")]
    ids = [control(stalwart, "create", kind="Account", given=one)["id"] for one in given]
    # an account with more rights than ours has
    refused = {"methodResponses": [["x:Account/set", {"notUpdated": {ids[1]: {"type": "forbidden"}}}, "0"]]}
    body, contains = json.dumps(refused), f'"update": {{"{ids[1]}"'
    fault(stalwart, kind="status", status=200, body=body, contains=contains)
    with pytest.raises(PermanentError, match="missing_permission"):
        close_mail(make_step("stalwart"), mail)
    shut = [one["name"] for one in stalwart.snapshot()["Account"] if "authenticate" in str(one.get("permissions"))]
    assert (shut, mail_treatment(stalwart)) == (["ann", "cem"], {"acme.test": "refused"})


def test_one_account_that_cannot_be_unlocked_does_not_keep_others_locked(
    stalwart: StalwartSimulator, make_step: MakeStep, saved: Saved
) -> None:
    mail = client(stalwart)
    ensure_mail(make_step("stalwart"), mail)
    domain = saved["stalwartDomainId"]
    given = [{"@type": "User", "name": name, "domainId": domain} for name in ("ann", "bob", "cem")]
    ids = [control(stalwart, "create", kind="Account", given=one)["id"] for one in given]
    close_mail(make_step("stalwart"), mail)
    refused = {"methodResponses": [["x:Account/set", {"notUpdated": {ids[1]: {"type": "forbidden"}}}, "0"]]}
    body, contains = json.dumps(refused), f'"update": {{"{ids[1]}"'
    fault(stalwart, kind="status", status=200, body=body, contains=contains, count=1)
    with pytest.raises(PermanentError, match="missing_permission"):
        ensure_mail(make_step("stalwart"), mail)
    out = [one["name"] for one in stalwart.snapshot()["Account"] if "authenticate" in str(one.get("permissions"))]
    assert (out, saved["stalwartLocked"]) == (["bob"], sorted(ids))
    assert ensure_mail(make_step("stalwart"), mail).result is Result.OK
    out = [one["name"] for one in stalwart.snapshot()["Account"] if "authenticate" in str(one.get("permissions"))]
    assert (out, saved["stalwartLocked"]) == ([], [])


def test_refused_credentials_end_the_step_at_once(stalwart: StalwartSimulator, make_step: MakeStep) -> None:
    mail = client(stalwart)
    ensure_mail(make_step("stalwart", domains=DOMAINS), mail)
    for domain in [one["id"] for one in stalwart.snapshot()["Domain"]]:
        control(stalwart, "create", kind="Account", given={"@type": "User", "name": "ann", "domainId": domain})
    fault(stalwart, kind="status", status=401, contains="Account/set")
    # which names our account, and is read again to verify the refusal
    fault(stalwart, kind="status", status=401, path="session", after=1)
    stalwart.journal.clear()
    with pytest.raises(PermanentError, match="bad_credentials"):
        close_mail(make_step("stalwart", domains=DOMAINS), mail)
    assert len([one for one in stalwart.journal if "/set" in one["body"]]) == 1


def mailbox(stalwart: StalwartSimulator, name: str, domain: str, alias_in: str) -> None:
    """Create a mailbox in a domain, with an alias of the same name in another."""
    aliases = {"0": {"name": name, "domainId": alias_in}}
    control(
        stalwart,
        "create",
        kind="Account",
        given={"@type": "User", "name": name, "domainId": domain, "aliases": aliases},
    )


def test_a_foreign_mailbox_with_an_alias_in_a_tenants_domain_is_never_removed_with_it(
    stalwart: StalwartSimulator, make_step: MakeStep, saved: Saved
) -> None:
    mail = client(stalwart)
    ensure_mail(make_step("stalwart"), mail)
    elsewhere = control(stalwart, "create", kind="Domain", given={"name": "platform.test"})["id"]
    mailbox(stalwart, "operator", elsewhere, saved["stalwartDomainId"])
    with pytest.raises(PermanentError, match="in_use"):
        remove_mail(make_step("stalwart"), mail)
    assert [one["emailAddress"] for one in stalwart.snapshot()["Account"]] == ["operator@platform.test"]
    control(stalwart, "update", kind="Account", id_=stalwart.snapshot()["Account"][0]["id"], patch={"aliases": {}})
    assert remove_mail(make_step("stalwart"), mail).result is Result.OK
    assert [one["name"] for one in stalwart.snapshot()["Domain"]] == ["platform.test"]


def test_a_group_with_a_foreign_member_is_reported_as_in_use(
    stalwart: StalwartSimulator, make_step: MakeStep, saved: Saved
) -> None:
    mail = client(stalwart)
    ensure_mail(make_step("stalwart"), mail)
    elsewhere = control(stalwart, "create", kind="Domain", given={"name": "platform.test"})["id"]
    team = {"@type": "Group", "name": "team", "domainId": saved["stalwartDomainId"]}
    group = control(stalwart, "create", kind="Account", given=team)["id"]
    operator = {"@type": "User", "name": "operator", "domainId": elsewhere, "memberGroupIds": {group: True}}
    control(stalwart, "create", kind="Account", given=operator)
    with pytest.raises(PermanentError, match="in_use"):
        remove_mail(make_step("stalwart"), mail)
    emails = [one["emailAddress"] for one in stalwart.snapshot()["Account"]]
    assert emails == ["team@acme.test", "operator@platform.test"]


def test_a_tenants_domains_are_removed_although_users_have_aliases_across_them(
    stalwart: StalwartSimulator, make_step: MakeStep
) -> None:
    mail = client(stalwart)
    ensure_mail(make_step("stalwart", domains=DOMAINS), mail)
    first, second = [one["id"] for one in stalwart.snapshot()["Domain"]]
    mailbox(stalwart, "ann", first, second)
    mailbox(stalwart, "bob", second, first)
    assert remove_mail(make_step("stalwart", domains=DOMAINS), mail).result is Result.OK
    assert (stalwart.snapshot()["Domain"], stalwart.snapshot()["Account"]) == ([], [])


def test_a_mail_tenant_is_removed_with_its_tenant_although_the_licence_has_expired(
    stalwart: StalwartSimulator, make_step: MakeStep
) -> None:
    ensure_mail(make_step("stalwart"), client(stalwart, "require"))
    assert remove_mail(make_step("stalwart"), client(stalwart, "off")).result is Result.OK
    assert (stalwart.snapshot()["Domain"], stalwart.snapshot()["Tenant"]) == ([], [])


#: a refusal without holders: they vanished before the server listed them
NOBODY = json.dumps({"methodResponses": [["x:Tenant/set", {"notDestroyed": {"b": {"type": "objectIsLinked"}}}, "0"]]})


@pytest.mark.parametrize(
    "rule", [{"kind": "ignored"}, {"kind": "status", "status": 200, "body": NOBODY}], ids=["ignored", "linked"]
)
def test_a_mail_tenant_that_still_exists_is_not_reported_as_removed(
    stalwart: StalwartSimulator, make_step: MakeStep, rule: dict[str, Any]
) -> None:
    mail = client(stalwart, "require")
    ensure_mail(make_step("stalwart"), mail)
    fault(stalwart, contains="x:Tenant/set", count=1, **rule)
    with pytest.raises(TemporaryError):
        remove_mail(make_step("stalwart"), mail)
    assert remove_mail(make_step("stalwart"), mail).result is Result.OK
    assert stalwart.snapshot()["Tenant"] == []


def test_a_purge_that_ends_before_a_renamed_mail_tenant_is_removed_is_completed_by_the_next_attempt(
    stalwart: StalwartSimulator, make_step: MakeStep, saved: Saved
) -> None:
    mail = client(stalwart, "require")
    ensure_mail(make_step("stalwart"), mail)
    control(stalwart, "update", kind="Tenant", id_=saved["stalwartTenantId"], patch={"name": "Acme"})
    fault(stalwart, kind="status", status=503, contains="x:Tenant/set.*destroy")
    with pytest.raises(TemporaryError):
        remove_mail(make_step("stalwart"), mail)
    assert (stalwart.snapshot()["Domain"], len(stalwart.snapshot()["Tenant"])) == ([], 1)
    requests.delete(f"{stalwart.url}/__sim/faults", timeout=5).raise_for_status()
    assert remove_mail(make_step("stalwart"), mail).result is Result.OK
    assert stalwart.snapshot()["Tenant"] == []


def test_a_domain_that_returns_and_fails_in_its_reconcile_is_closed_by_the_next_suspension(
    stalwart: StalwartSimulator, make_step: MakeStep
) -> None:
    """A person renamed it and overwrote its marker, so only the record tells that it is the tenant's."""
    mail = client(stalwart)
    ensure_mail(make_step("stalwart", domains=DOMAINS), mail)
    ensure_mail(make_step("stalwart", domains=DOMAINS[:1]), mail)
    returned = next(one for one in stalwart.snapshot()["Domain"] if one["name"] == DOMAINS[1])
    foreign = {"name": "renamed.test", "description": "Our own"}
    control(stalwart, "update", kind="Domain", id_=returned["id"], patch=foreign)
    for _ in range(2):
        with pytest.raises(PermanentError, match=r"marker_removed: .*renamed\.test"):
            ensure_mail(make_step("stalwart", domains=DOMAINS), mail)
    control(stalwart, "create", kind="Account", given={"@type": "User", "name": "late", "domainId": returned["id"]})
    outcome = close_mail(make_step("stalwart", domains=DOMAINS), mail)
    assert "renamed.test" in outcome.notes["marker_missing"]
    (late,) = [one for one in stalwart.snapshot()["Account"] if one["name"] == "late"]
    assert late["permissions"]["disabledPermissions"] == {"authenticate": True, "emailReceive": True}
    describe(stalwart, returned, returned["description"])
    ensure_mail(make_step("stalwart", domains=DOMAINS), mail)
    assert mail_treatment(stalwart) == dict.fromkeys(DOMAINS, "delivered")


def test_a_domain_that_returns_without_a_proof_stays_closed_until_it_has_one(
    stalwart: StalwartSimulator, make_step: MakeStep, saved: Saved
) -> None:
    mail = client(stalwart)
    ensure_mail(make_step("stalwart", domains=DOMAINS), mail)
    ensure_mail(make_step("stalwart", domains=DOMAINS[:1]), mail)
    for _ in range(2):
        ensure_mail(replace(make_step("stalwart", domains=DOMAINS), proven=frozenset(DOMAINS[:1])), mail)
        assert mail_treatment(stalwart) == {DOMAINS[0]: "delivered", DOMAINS[1]: "refused"}
    assert [entry["domain"] for entry in saved["stalwartClosedDomains"]] == [DOMAINS[1]]
    ensure_mail(replace(make_step("stalwart", domains=DOMAINS), proven=frozenset(DOMAINS)), mail)
    assert mail_treatment(stalwart) == dict.fromkeys(DOMAINS, "delivered")
    assert saved["stalwartClosedDomains"] == []
