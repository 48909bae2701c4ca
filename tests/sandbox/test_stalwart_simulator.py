"""Check the Stalwart simulator beyond the contract: tenants, limits, licences, bans, faults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox.simulators.stalwart.callers import ALL_PERMISSIONS
from sandbox.simulators.stalwart.server import StalwartSimulator
from tests.contracts.jmap_calls import Jmap
from tests.contracts.real_or_simulator import Server
from tests.simulators import API_TOKEN, fault

ACME = "acme.test"
MANUAL = {"@type": "Manual"}


@pytest.fixture
def simulator() -> Iterator[StalwartSimulator]:
    """A simulator whose tasks run only on request, and whose limits apply on loopback too."""
    made = StalwartSimulator(
        api_key=API_TOKEN, dkim_delay=None, failures_until_ban=3, licensed_accounts=1, exempts_loopback=False
    )
    with made.running():
        yield made


@pytest.fixture
def jmap(simulator: StalwartSimulator) -> Jmap:
    return by_key(simulator, API_TOKEN)


def by_key(simulator: StalwartSimulator, key: str) -> Jmap:
    return Jmap(Server(simulator.url, token=key))


def control(simulator: StalwartSimulator, name: str, **arguments: Any) -> Any:
    answer = requests.post(f"{simulator.url}/__sim/call/{name}", json=arguments, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()


def user(domain: str, name: str = "anna", **fields: Any) -> dict[str, Any]:
    return {"@type": "User", "name": name, "domainId": domain, **fields}


def test_a_revoked_key_is_unknown_at_once(simulator: StalwartSimulator, jmap: Jmap) -> None:
    assert jmap.send().status_code == 200
    control(simulator, "revoke_key")
    assert jmap.send().status_code == 401


def wrong_password(simulator: StalwartSimulator) -> Jmap:
    return Jmap(Server(simulator.url, basic=("nobody@acme.test", "wrong")))


def test_too_many_failed_sign_ins_ban_the_address_for_every_caller_and_for_good(
    simulator: StalwartSimulator, jmap: Jmap
) -> None:
    wrong = wrong_password(simulator)
    assert [wrong.send().status_code for _ in range(5)] == [401, 401, 401, 401, 403]
    control(simulator, "advance", seconds=10**6)
    assert jmap.send().status_code == 403
    assert requests.get(f"{simulator.url}/healthz/live", timeout=5).status_code == 403


def test_credentials_that_do_not_parse_are_limited_and_not_banned(simulator: StalwartSimulator, jmap: Jmap) -> None:
    garbage = by_key(simulator, "API_wrong")
    assert {garbage.send().status_code for _ in range(100)} == {401}
    limited = garbage.send()
    assert (limited.status_code, int(limited.headers["Retry-After"]) <= 60) == (429, True)
    control(simulator, "advance", seconds=60)
    assert garbage.send().status_code == 401
    assert jmap.send().status_code == 200


def test_a_ban_ends_when_its_object_is_destroyed_and_bans_are_reloaded(
    simulator: StalwartSimulator, jmap: Jmap
) -> None:
    wrong = wrong_password(simulator)
    for _ in range(4):
        wrong.send()
    (ban,) = simulator.snapshot()["BlockedIp"]
    assert ban["address"] == "127.0.0.1"
    control(simulator, "destroy", kind="BlockedIp", id_=ban["id"])
    assert jmap.send().status_code == 403
    control(simulator, "create", kind="Action", given={"@type": "ReloadBlockedIps"})
    assert jmap.send().status_code == 200


def test_settings_that_do_not_build_are_not_reloaded(simulator: StalwartSimulator, jmap: Jmap) -> None:
    control(simulator, "set_broken_setting", kind="SpamPyzor")
    error = jmap.refusal("Action", **{"@type": "ReloadSettings"})
    assert (error["type"], error["objectId"]["object"]) == ("validationFailed", "SpamPyzor")
    control(simulator, "set_broken_setting", kind=None)
    jmap.act("ReloadSettings")


def test_a_tenants_administrator_sees_and_makes_only_the_tenants_own(simulator: StalwartSimulator, jmap: Jmap) -> None:
    control(simulator, "set_edition", edition="enterprise")
    tenant = jmap.create("Tenant", name="Acme", quotas={"maxDomains": 2})
    ours = jmap.create("Domain", name=ACME, memberTenantId=tenant)
    theirs = jmap.create("Domain", name="globex.test")
    control(simulator, "add_key", key="API_tenant", tenant=tenant)
    inside = by_key(simulator, "API_tenant")
    assert inside.ids("Domain") == [ours]
    assert "memberTenantId" not in inside.get("Domain", ours)
    assert inside(["x:Domain/get", {"ids": [theirs]}])["notFound"] == [theirs]
    assert inside.destroy("Domain", theirs)["type"] == "notFound"
    assert inside(["x:Tenant/get", {"ids": [tenant]}])["type"] == "forbidden"
    assert inside.refusal("Domain", name="b.test", memberTenantId=tenant)["type"] == "invalidPatch"
    second = inside.create("Domain", name="b.test")
    assert jmap.get("Domain", second, "memberTenantId")["memberTenantId"] == tenant
    assert inside.refusal("Domain", name="c.test")["type"] == "overQuota"


@pytest.mark.parametrize(("edition", "stored"), [("community", 800), ("enterprise", 400)])
def test_a_tenants_disk_quota_binds_with_a_licence_and_an_account_that_moves_in_brings_its_bytes_by_a_task(
    simulator: StalwartSimulator, jmap: Jmap, edition: str, stored: int
) -> None:
    control(simulator, "set_edition", edition=edition)
    tenant = jmap.create("Tenant", name="Acme", quotas={"maxDiskQuota": 500})
    domain = jmap.create("Domain", name=ACME, memberTenantId=tenant, dkimManagement={"@type": "Manual"})
    account = jmap.create("Account", **user(domain))
    simulator.mail.deliver("", f"anna@{ACME}", 400)
    assert jmap.change("Account", account, memberTenantId=tenant) is None
    assert jmap.get("Tenant", tenant, "usedDiskQuota")["usedDiskQuota"] == 0
    task = {"@type": "TenantMaintenance", "tenantId": tenant, "maintenanceType": "recalculateQuota"}
    jmap.create("Task", **task)
    control(simulator, "run_tasks")
    assert jmap.get("Tenant", tenant, "usedDiskQuota")["usedDiskQuota"] == 400
    simulator.mail.deliver("", f"anna@{ACME}", 400)
    assert jmap.get("Account", account, "usedDiskQuota")["usedDiskQuota"] == stored


@pytest.mark.parametrize("type_", ["DkimManagement", "TenantMaintenance"])
def test_a_task_needs_the_permission_of_its_type(simulator: StalwartSimulator, jmap: Jmap, type_: str) -> None:
    control(simulator, "add_key", key="API_narrow", permissions=["authenticate", "sysTaskCreate"])
    assert by_key(simulator, "API_narrow").refusal("Task", **{"@type": type_})["type"] == "forbidden"


def test_an_account_cannot_grant_permissions_that_it_lacks(simulator: StalwartSimulator, jmap: Jmap) -> None:
    domain = jmap.create("Domain", name=ACME)
    granted = ["authenticate", "emailReceive", "sysAccountCreate", "sysDomainGet", "sysRoleCreate"]
    control(simulator, "add_key", key="API_narrow", permissions=granted)
    narrow = by_key(simulator, "API_narrow")
    for kind, body in [
        ("Account", user(domain)),
        ("Role", {"description": "r", "enabledPermissions": {"emailSend": True}}),
    ]:
        error = narrow.refusal(kind, **body)
        assert (error["type"], "emailSend" in error["description"]) == ("forbidden", True)
    assert narrow.create("Account", **{"@type": "Group"}, name="team", domainId=domain)
    assert narrow(["x:Domain/query", {}])["type"] == "forbidden"
    assert narrow.set("Domain", destroy=[domain])["type"] == "forbidden"


def test_only_an_account_with_impersonation_may_name_another_account(simulator: StalwartSimulator, jmap: Jmap) -> None:
    control(simulator, "add_key", key="API_narrow", permissions=["authenticate", "sysDomainGet"])
    narrow = by_key(simulator, "API_narrow")
    for readable in ("pr0v", "no-account-4"):
        assert "list" in narrow(["x:Domain/get", {"ids": [], "accountId": readable}])
    assert narrow(["x:Domain/get", {"ids": [], "accountId": "zzz"}])["type"] == "forbidden"
    assert "list" in jmap(["x:Domain/get", {"ids": [], "accountId": "zzz"}])


def test_a_licence_counts_users_only_where_there_is_one(simulator: StalwartSimulator, jmap: Jmap) -> None:
    domain = jmap.create("Domain", name=ACME)
    assert jmap.create("Account", **user(domain))
    assert jmap.create("Account", **user(domain, "bert"))
    control(simulator, "set_edition", edition="enterprise")
    error = jmap.refusal("Account", **user(domain, "carl"))
    assert (error["type"], "licensed account limit" in error["description"]) == ("forbidden", True)


def test_passwords_are_refused_once_an_outside_directory_is_loaded(simulator: StalwartSimulator, jmap: Jmap) -> None:
    directory = jmap.create("Directory", **{"@type": "Oidc"}, description="ours", issuerUrl="https://login.test/")
    domain = jmap.create("Domain", name=ACME, directoryId=directory)
    secret: dict[str, Any] = {"credentials": {"0": {"@type": "Password", "secret": "correct-Horse7-battery"}}}
    assert jmap.change("Authentication", "singleton", directoryId=directory) is None
    assert jmap.create("Account", **user(domain, **secret))  # it is stored, but not loaded yet
    jmap.set("Action", create={"k": {"@type": "ReloadSettings"}})
    assert jmap.refusal("Account", **user(domain, "bert", **secret))["type"] == "forbidden"
    assert jmap.create("Account", **user(domain, "bert"))
    # the directory of one domain counts only with a licence
    assert jmap.change("Authentication", "singleton", directoryId=None) is None
    assert jmap.create("Account", **user(domain, "carl", **secret))


def test_keys_can_appear_between_our_read_and_the_destroy(simulator: StalwartSimulator, jmap: Jmap) -> None:
    domain = jmap.create("Domain", name=ACME)
    assert jmap.ids("DkimSignature", domainId=domain) == []
    fault(simulator, kind="tasks_in_between", path="x:Domain/set", count=1)
    error = jmap.destroy("Domain", domain)
    assert {one["object"] for one in error["linkedObjects"]} == {"DkimSignature"}
    for signature in jmap.ids("DkimSignature", domainId=domain):
        assert jmap.destroy("DkimSignature", signature) is None
    assert jmap.destroy("Domain", domain) is None


def test_a_task_may_outlive_its_domain_and_fails_then(simulator: StalwartSimulator, jmap: Jmap) -> None:
    domain = jmap.create("Domain", name=ACME)
    assert jmap.destroy("Domain", domain) is None
    control(simulator, "run_tasks")
    assert len(jmap.ids("Task", status="Failed")) == 1


def test_in_recovery_mode_no_key_is_created(simulator: StalwartSimulator, jmap: Jmap) -> None:
    domain = jmap.create("Domain", name=ACME)
    control(simulator, "set_recovery_mode", on=True)
    assert control(simulator, "run_tasks") == 0
    control(simulator, "set_recovery_mode", on=False)
    control(simulator, "run_tasks")
    assert len(jmap.ids("DkimSignature", domainId=domain)) == 2


def test_changes_before_a_fault_in_the_middle_of_a_set_stay(simulator: StalwartSimulator, jmap: Jmap) -> None:
    fault(simulator, kind="partial_commit", path="x:Domain/set", count=1)
    bodies = {key: {"name": f"{key}.test", "dkimManagement": MANUAL} for key in ("first", "second")}
    assert jmap.set("Domain", create=bodies)["type"] == "serverUnavailable"
    assert (len(jmap.ids("Domain", name="first.test")), jmap.ids("Domain", name="second.test")) == (1, [])


def test_a_text_search_finds_words_skips_unknown_ones_before_them_and_sometimes_too_much(
    simulator: StalwartSimulator, jmap: Jmap
) -> None:
    acme = jmap.create("Tenant", name="Acme GmbH abc123")
    other = jmap.create("Tenant", name="Acmeville")
    assert jmap.ids("Tenant", text="ABC123") == jmap.ids("Tenant", text="acme") == [acme]
    assert jmap.ids("Tenant", text="unheard acme") == [acme]
    assert jmap.ids("Tenant", text="acme unheard") == jmap.ids("Tenant", text="unheard") == []
    fault(simulator, kind="text_surplus", count=1)
    assert sorted(jmap.ids("Tenant", text="abc123")) == sorted([acme, other])


def test_one_of_two_refusals_is_chosen_at_random(jmap: Jmap) -> None:
    domain = jmap.create("Domain", name=ACME)
    assert jmap.get("Domain", domain, "name")["name"] == ACME
    seen = {jmap.refusal("Domain", name=ACME, memberTenantId="zzz")["type"] for _ in range(40)}
    assert seen == {"primaryKeyViolation", "invalidForeignKey"}


def test_a_change_of_permissions_and_a_new_group_grant_what_the_account_has_then(
    simulator: StalwartSimulator, jmap: Jmap
) -> None:
    """The product checks the resulting permissions, also when one is taken."""
    domain = jmap.create("Domain", name=ACME)
    ann = jmap.create("Account", **user(domain, "ann"))
    lock = {"permissions": {"@type": "Merge", "disabledPermissions": {"authenticate": True}}}
    narrow = by_key(simulator, "API_narrow")
    control(simulator, "add_key", key="API_narrow", permissions=sorted(ALL_PERMISSIONS - {"imapAuthenticate"}))
    refused = narrow.set("Account", update={ann: lock})["notUpdated"][ann]
    assert (refused["type"], "imapAuthenticate" in refused["description"]) == ("forbidden", True)
    assert ann in narrow.set("Account", update={ann: {"description": "Ann"}})["updated"]
    assert narrow.create("Account", **{"@type": "Group"}, name="team", domainId=domain)
    control(simulator, "add_key", key="API_narrow", permissions=sorted(ALL_PERMISSIONS - {"emailReceive"}))
    assert narrow.refusal("Account", **{"@type": "Group"}, name="other", domainId=domain)["type"] == "forbidden"
