"""Check that the mail step sets up every domain once, with our marker, keys, a postmaster and its records."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import requests

from sandbox.simulators.stalwart.callers import ALL_PERMISSIONS
from sandbox.simulators.stalwart.server import StalwartSimulator
from shared.config.integrations import Plan
from shared.integrations.outcomes import PermanentError, Result, TemporaryError
from shared.integrations.ownership_marker import MarkerSigner
from tests.simulators import API_TOKEN, OTHER_ID, STAMP_KEYS, TENANT_ID, MakeStep, Saved, fault, mail_treatment
from worker.http.json_client import BearerToken, JsonClient
from worker.integrations.stalwart.client import StalwartClient, TenantMode
from worker.integrations.stalwart.models import MailSetup
from worker.integrations.stalwart.protocol.jmap import Jmap
from worker.integrations.stalwart.provision import ensure_mail
from worker.integrations.stalwart.removal import remove_mail


def client(stalwart: StalwartSimulator, tenants: TenantMode = "auto", token: str = API_TOKEN) -> StalwartClient:
    return StalwartClient(Jmap(JsonClient(stalwart.url, authorize=BearerToken(token), call_seconds=2.0)), tenants)


@pytest.fixture
def mail(stalwart: StalwartSimulator) -> StalwartClient:
    return client(stalwart)


def control(stalwart: StalwartSimulator, name: str, **arguments: Any) -> Any:
    answer = requests.post(f"{stalwart.url}/__sim/call/{name}", json=arguments, timeout=5)
    assert answer.status_code == 200, answer.text
    return answer.json()


def objects(stalwart: StalwartSimulator, kind: str) -> list[dict[str, Any]]:
    return list(stalwart.snapshot()[kind])


def sets(stalwart: StalwartSimulator) -> list[str]:
    return [entry["body"] for entry in stalwart.journal if "/set" in entry["body"]]


def test_a_tenant_without_domains_is_skipped_with_its_reason(mail: StalwartClient, make_step: MakeStep) -> None:
    outcome = ensure_mail(make_step("stalwart", domains=()), mail)
    assert (outcome.result, outcome.reason) == (Result.SKIPPED, "no_domains")


def test_each_domain_gets_marker_keys_postmaster_and_records(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    assert ensure_mail(make_step("stalwart", domains=("acme.test", "acme.org")), mail).result is Result.OK
    domains = objects(stalwart, "Domain")
    assert [one["name"] for one in domains] == ["acme.test", "acme.org"]
    assert all(MarkerSigner("stalwart", STAMP_KEYS).tenant_id(one["description"]) == TENANT_ID for one in domains)
    assert saved["stalwartDomainId"] == domains[0]["id"]
    assert saved["stalwartDomains"] == [{"domain": one["name"], "id": one["id"]} for one in domains]
    assert [(one["@type"], one["emailAddress"]) for one in objects(stalwart, "Account")] == [
        ("Group", "postmaster@acme.test"),
        ("Group", "postmaster@acme.org"),
    ]
    assert objects(stalwart, "Tenant") == []
    keys = [r for r in saved["dnsRecords"] if "_domainkey" in r["name"] and r["domain"] == "acme.test"]
    assert {("k=rsa" in r["value"], r["value"].startswith("v=DKIM1")) for r in keys} == {(True, True), (False, True)}
    assert max(len(r["value"]) for r in keys) > 255
    assert {"domain": "acme.test", "name": "acme.test", "type": "MX", "value": "10 mail.platform.test."} in saved[
        "dnsRecords"
    ]


def test_a_new_domain_comes_with_its_postmaster_in_one_round_trip(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    (creating,) = sets(stalwart)
    assert "x:Domain/set" in creating
    assert "x:Account/set" in creating


def test_a_domain_name_in_use_gets_no_postmaster(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep
) -> None:
    fault(stalwart, kind="race_lost")
    with pytest.raises((PermanentError, TemporaryError)):
        ensure_mail(make_step("stalwart"), mail)
    assert objects(stalwart, "Account") == []


def test_a_second_run_writes_nothing(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    stalwart.journal.clear()
    again = Saved()
    ensure_mail(replace(make_step("stalwart"), save=again, found=again), mail)
    assert sets(stalwart) == []
    # the records are not saved again, so they keep their time
    assert "dnsRecords" in saved
    assert "dnsRecords" not in again


def test_a_licensed_server_gets_a_mail_tenant_that_owns_all_objects(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    stalwart.set_edition("enterprise")
    ensure_mail(make_step("stalwart"), mail)
    (tenant,) = objects(stalwart, "Tenant")
    assert tenant["name"] == f"Acme GmbH {TENANT_ID}"
    assert tenant["quotas"] == {"maxAccounts": 10, "maxDiskQuota": 10**9}
    created = [*objects(stalwart, "Domain"), *objects(stalwart, "Account"), *objects(stalwart, "DkimSignature")]
    assert {one["memberTenantId"] for one in created} == {tenant["id"]} == {saved["stalwartTenantId"]}
    ensure_mail(make_step("stalwart", name="Acme AG"), mail)
    assert objects(stalwart, "Tenant")[0]["name"] == f"Acme AG {TENANT_ID}"


def test_a_plan_below_the_used_mailboxes_is_reported_and_no_mailbox_is_lost(
    stalwart: StalwartSimulator, make_step: MakeStep, saved: Saved
) -> None:
    mail = client(stalwart, "require")
    ensure_mail(make_step("stalwart"), mail)
    owned = {"domainId": saved["stalwartDomainId"], "memberTenantId": saved["stalwartTenantId"], "@type": "User"}
    for name in ("ann", "bob"):
        control(stalwart, "create", kind="Account", given={**owned, "name": name})
    for account in stalwart.registry.objects["Account"].values():
        account["usedDiskQuota"] = 600
    small = ensure_mail(replace(make_step("stalwart"), plan=Plan(mailboxes=1, mail_bytes=1000)), mail)
    assert small.notes["over_quota"] == (
        "there are 2 mailboxes, the plan allows 1; 1800 bytes are used, the plan allows 1000"
    )
    assert len(objects(stalwart, "Account")) == 3
    assert "over_quota" not in ensure_mail(make_step("stalwart"), mail).notes


def test_a_plan_without_limits_removes_the_previous_limits(stalwart: StalwartSimulator, make_step: MakeStep) -> None:
    mail = client(stalwart, "require")
    ensure_mail(make_step("stalwart"), mail)
    limited = replace(make_step("stalwart"), plan=Plan(mailboxes=20))
    ensure_mail(limited, mail)
    assert objects(stalwart, "Tenant")[0]["quotas"] == {"maxAccounts": 20}
    free = replace(make_step("stalwart"), plan=Plan())
    ensure_mail(free, mail)
    assert objects(stalwart, "Tenant")[0]["quotas"] == {}
    free.changes.clear()
    ensure_mail(free, mail)
    assert free.changes == []


@pytest.mark.parametrize(("mode", "count"), [("require", 1), ("off", 0)])
def test_the_setting_decides_if_a_mail_tenant_is_created(
    stalwart: StalwartSimulator, make_step: MakeStep, mode: TenantMode, count: int
) -> None:
    ensure_mail(make_step("stalwart"), client(stalwart, mode))
    assert len(objects(stalwart, "Tenant")) == count


@pytest.mark.parametrize("what", ["x:Tenant/set", "x:Domain/set", "x:Account/set"])
@pytest.mark.parametrize(
    "rule",
    [{"kind": "lost"}, {"kind": "applied_then_status", "status": 500}, {"kind": "empty_body"}],
    ids=lambda rule: rule["kind"],
)
def test_an_object_whose_response_was_lost_is_found_and_not_created_twice(
    stalwart: StalwartSimulator, make_step: MakeStep, what: str, rule: dict[str, Any]
) -> None:
    fault(stalwart, contains=what, count=1, **rule)
    assert ensure_mail(make_step("stalwart"), client(stalwart, "require")).result is Result.OK
    counts = {kind: len(objects(stalwart, kind)) for kind in ("Tenant", "Domain", "Account", "DkimSignature")}
    assert counts == {"Tenant": 1, "Domain": 1, "Account": 1, "DkimSignature": 2}


def test_several_tenants_with_our_id_are_ambiguous(stalwart: StalwartSimulator, make_step: MakeStep) -> None:
    for name in ("Acme", "Acme again"):
        control(stalwart, "create", kind="Tenant", given={"name": f"{name} {TENANT_ID}"})
    with pytest.raises(PermanentError, match="ambiguous"):
        ensure_mail(make_step("stalwart"), client(stalwart, "require"))


def test_a_renamed_domain_gets_its_name_back_and_no_second_one(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    before = objects(stalwart, "Domain")
    patch = {"name": "other.test"}
    control(stalwart, "update", kind="Domain", id_=saved["stalwartDomainId"], patch=patch)
    run = make_step("stalwart")
    ensure_mail(run, mail)
    assert run.changes == ["set name of the mail domain other.test"]
    assert objects(stalwart, "Domain") == before


def test_a_renamed_mail_tenant_gets_its_name_back_or_is_removed_and_no_second_one_is_created(
    stalwart: StalwartSimulator, make_step: MakeStep, saved: Saved
) -> None:
    mail = client(stalwart, "require")
    ensure_mail(make_step("stalwart"), mail)
    before = objects(stalwart, "Tenant")
    renamed = {"kind": "Tenant", "id_": saved["stalwartTenantId"], "patch": {"name": "Acme"}}
    control(stalwart, "update", **renamed)
    ensure_mail(make_step("stalwart"), mail)
    assert objects(stalwart, "Tenant") == before
    control(stalwart, "update", **renamed)
    assert remove_mail(make_step("stalwart"), mail).result is Result.OK
    assert objects(stalwart, "Tenant") == []


@pytest.mark.parametrize("name", ["Others", f"Others {OTHER_ID}"])
def test_a_mail_tenant_on_record_that_nothing_proves_to_be_the_tenants_is_never_changed(
    stalwart: StalwartSimulator, make_step: MakeStep, saved: Saved, name: str
) -> None:
    """Another server may have taken the place of the first one, and counts its ids anew."""
    mail = client(stalwart, "require")
    theirs = control(stalwart, "create", kind="Tenant", given={"name": name})
    saved["stalwartTenantId"] = theirs["id"]
    for step in (ensure_mail, remove_mail):
        with nullcontext() if OTHER_ID in name else pytest.raises(PermanentError, match="taken"):
            step(make_step("stalwart"), mail)
        saved["stalwartTenantId"] = theirs["id"]
        assert theirs["name"] in [one["name"] for one in objects(stalwart, "Tenant")]


def test_another_tenant_whose_name_contains_our_id_keeps_its_mail_tenant(
    stalwart: StalwartSimulator, make_step: MakeStep, saved: Saved
) -> None:
    # customers choose their names; the suffix is ours
    theirs = control(stalwart, "create", kind="Tenant", given={"name": f"Beta {TENANT_ID} {OTHER_ID}"})
    assert ensure_mail(make_step("stalwart"), client(stalwart, "require")).result is Result.OK
    assert saved["stalwartTenantId"] != theirs["id"]
    names = [one["name"] for one in objects(stalwart, "Tenant")]
    assert names == [f"Beta {TENANT_ID} {OTHER_ID}", f"Acme GmbH {TENANT_ID}"]


@pytest.mark.parametrize("description", [None, "ours", MarkerSigner("stalwart", STAMP_KEYS).text(OTHER_ID)])
def test_a_domain_without_our_marker_is_never_adopted(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, description: str | None
) -> None:
    control(stalwart, "create", kind="Domain", given={"name": "acme.test", "description": description})
    stalwart.journal.clear()
    with pytest.raises(PermanentError, match="taken"):
        ensure_mail(make_step("stalwart"), mail)
    assert sets(stalwart) == []


def test_the_first_attempt_for_a_tenant_does_not_read_its_domain_and_adopts_none(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep
) -> None:
    ensure_mail(make_step("stalwart", is_first=True), mail)
    assert not any("x:Domain/query" in entry["body"] for entry in stalwart.journal)
    assert len(objects(stalwart, "Domain")) == 1

    control(stalwart, "create", kind="Domain", given={"name": "beta.test", "description": "theirs"})
    for name in ("acme.test", "beta.test"):
        other = make_step("stalwart", is_first=True, domains=(name,), id=OTHER_ID)
        with pytest.raises(PermanentError, match="taken"):
            ensure_mail(other, mail)
    assert len(objects(stalwart, "Account")) == 1


def test_a_name_that_is_another_domains_alias_is_in_use(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep
) -> None:
    control(stalwart, "create", kind="Domain", given={"name": "beta.test", "aliases": {"acme.test": True}})
    with pytest.raises(PermanentError, match="alias"):
        ensure_mail(make_step("stalwart"), mail)


def test_a_foreign_domain_created_at_the_same_moment_is_not_adopted(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep
) -> None:
    fault(stalwart, kind="race_lost", contains="x:Domain/set", count=1)
    with pytest.raises(PermanentError, match="taken"):
        ensure_mail(make_step("stalwart"), mail)


def test_two_concurrent_runs_create_each_object_once(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep
) -> None:
    with ThreadPoolExecutor(5) as pool:
        outcomes = list(pool.map(lambda _: ensure_mail(make_step("stalwart"), mail), range(5)))
    assert {outcome.result for outcome in outcomes} == {Result.OK}
    assert [len(objects(stalwart, kind)) for kind in ("Domain", "Account")] == [1, 1]


@pytest.mark.parametrize(
    ("kind", "holder"),
    [
        ("Account", {"@type": "User", "name": "ann", "aliases": {"0": {"name": "postmaster"}}}),
        ("MailingList", {"name": "postmaster"}),
        ("MailingList", {"name": "all", "aliases": {"0": {"name": "postmaster"}}}),
    ],
    ids=["mailbox", "list", "alias_of_list"],
)
def test_a_postmaster_that_the_tenant_created_is_used(
    stalwart: StalwartSimulator,
    mail: StalwartClient,
    make_step: MakeStep,
    saved: Saved,
    kind: str,
    holder: dict[str, Any],
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    domain = saved["stalwartDomainId"]
    control(stalwart, "destroy", kind="Account", id_=objects(stalwart, "Account")[0]["id"])
    aliases = {key: {**alias, "domainId": domain} for key, alias in holder.get("aliases", {}).items()}
    control(stalwart, "create", kind=kind, given={**holder, "domainId": domain, "aliases": aliases})
    stalwart.journal.clear()
    step = make_step("stalwart")
    assert ensure_mail(step, mail).result is Result.OK
    assert (step.changes, sets(stalwart)) == ([], [])


@pytest.mark.parametrize("kind", ["Account", "MailingList"])
def test_a_postmaster_that_is_an_alias_of_an_account_in_another_domain_is_used(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved, kind: str
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    control(stalwart, "destroy", kind="Account", id_=objects(stalwart, "Account")[0]["id"])
    elsewhere = control(stalwart, "create", kind="Domain", given={"name": "elsewhere.test"})["id"]
    alias = {"0": {"name": "postmaster", "domainId": saved["stalwartDomainId"]}}
    type_ = {"@type": "User"} if kind == "Account" else {}
    control(stalwart, "create", kind=kind, given={**type_, "name": "ann", "domainId": elsewhere, "aliases": alias})
    stalwart.journal.clear()
    for is_dry_run in (True, False):
        step = make_step("stalwart", is_dry_run=is_dry_run)
        assert ensure_mail(step, mail).result is Result.OK
        assert (step.changes, sets(stalwart)) == ([], [])


def test_a_tenant_with_its_own_abuse_address_still_gets_a_postmaster(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    control(stalwart, "destroy", kind="Account", id_=objects(stalwart, "Account")[0]["id"])
    given = {"@type": "User", "name": "abuse", "domainId": saved["stalwartDomainId"]}
    control(stalwart, "create", kind="Account", given=given)
    assert ensure_mail(make_step("stalwart"), mail).result is Result.OK
    assert [one["name"] for one in objects(stalwart, "Account")] == ["abuse", "postmaster"]


def test_a_deleted_domain_is_created_again_and_a_disabled_one_enabled(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    first = saved["stalwartDomainId"]
    control(stalwart, "update", kind="Domain", id_=first, patch={"isEnabled": False})
    ensure_mail(make_step("stalwart"), mail)
    assert objects(stalwart, "Domain")[0]["isEnabled"] is True
    for kind in ("Account", "DkimSignature", "Domain"):
        for one in objects(stalwart, kind):
            control(stalwart, "destroy", kind=kind, id_=one["id"])
    ensure_mail(make_step("stalwart"), mail)
    assert saved["stalwartDomainId"] == objects(stalwart, "Domain")[0]["id"] != first


def test_a_domain_that_left_the_tenant_is_closed_and_kept(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart", domains=("acme.test", "old.test")), mail)
    ensure_mail(make_step("stalwart", domains=("acme.test",)), mail)
    assert mail_treatment(stalwart) == {"acme.test": "delivered", "old.test": "refused"}
    assert [entry["domain"] for entry in saved["stalwartDomains"]] == ["acme.test"]
    assert [entry["domain"] for entry in saved["stalwartClosedDomains"]] == ["old.test"]


def test_a_tenant_without_domains_has_no_records_to_publish(
    mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    assert ensure_mail(make_step("stalwart", domains=()), mail).reason == "no_domains"
    assert (saved["stalwartDomains"], saved["stalwartDomainId"], saved["dnsRecords"]) == ([], None, [])


def test_keys_that_the_server_does_not_create_in_time_are_requested_and_awaited(
    make_step: MakeStep, saved: Saved
) -> None:
    with StalwartSimulator(api_key=API_TOKEN, dkim_delay=None).running() as slow:
        assert isinstance(slow, StalwartSimulator)
        with pytest.raises(TemporaryError, match="not_ready"):
            ensure_mail(make_step("stalwart"), client(slow))
        assert len(objects(slow, "Task")) == 2
        assert "dnsRecords" not in saved
        control(slow, "run_tasks")
        assert ensure_mail(make_step("stalwart"), client(slow)).result is Result.OK
        assert len(objects(slow, "DkimSignature")) == 2


class Clock:
    """A clock that only `sleep` and the test move; `pauses` records the sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(round(seconds, 3))
        self.now += seconds


@pytest.mark.parametrize(("saving", "reading", "pauses"), [(0.05, 0.0, [0.1, 0.15]), (0.05, 0.1, [0.0, 0.05])])
def test_the_wait_for_keys_counts_time_spent_on_other_calls(
    make_step: MakeStep, monkeypatch: pytest.MonkeyPatch, saving: float, reading: float, pauses: list[float]
) -> None:
    clock = Clock()
    monkeypatch.setattr("worker.integrations.stalwart.provision.time", clock)
    monkeypatch.setattr("worker.integrations.stalwart.dkim.time", clock)

    def saves(**_: Any) -> None:
        clock.now += saving

    class Slow(StalwartClient):
        reads = 0

        def read_setup(self, domain: str, domain_id: str) -> MailSetup:
            self.reads += 1
            clock.now += reading
            return MailSetup(self.reads == 3, True, ())

    with StalwartSimulator(api_key=API_TOKEN, dkim_delay=None).running() as server:
        jmap = Jmap(JsonClient(server.url, authorize=BearerToken(API_TOKEN), call_seconds=2.0))
        ensure_mail(replace(make_step("stalwart", domains=("acme.test",)), save=saves), Slow(jmap, "off"))
    assert clock.pauses == pauses


def test_an_existing_postmaster_alias_is_enough(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    (group,) = objects(stalwart, "Account")
    control(stalwart, "destroy", kind="Account", id_=group["id"])
    person = {
        "@type": "User",
        "name": "person",
        "domainId": group["domainId"],
        "aliases": {"0": {"name": "postmaster", "domainId": group["domainId"]}},
    }
    control(stalwart, "create", kind="Account", given=person)
    assert ensure_mail(make_step("stalwart"), mail).result is Result.OK
    assert len(objects(stalwart, "Account")) == 1


@pytest.mark.parametrize("what", ["x:Domain/query", "x:Domain/set", "x:DkimSignature/query"])
def test_an_unavailable_store_behind_a_200_is_retried_later(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, what: str
) -> None:
    fault(stalwart, kind="server_unavailable", path=what)
    with pytest.raises(TemporaryError):
        ensure_mail(make_step("stalwart"), mail)


def test_a_400_for_too_many_concurrent_requests_is_retried(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep
) -> None:
    fault(stalwart, kind="max_concurrent_requests", count=2)
    assert ensure_mail(make_step("stalwart"), mail).result is Result.OK
    asked = [entry["status"] for entry in stalwart.journal if entry["path"].startswith("/jmap")]
    assert asked[:3] == [400, 400, 200]


def test_lasting_concurrency_refusals_end_the_attempt_with_a_delay(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.integrations.stalwart.protocol.jmap.BUSY_TIMEOUT", 0.4)
    fault(stalwart, kind="max_concurrent_requests")
    with pytest.raises(TemporaryError, match="throttled") as refusal:
        ensure_mail(make_step("stalwart"), mail)
    assert refusal.value.wait


def test_a_second_process_retries_when_slow_requests_fill_the_servers_limit(
    stalwart: StalwartSimulator, make_step: MakeStep
) -> None:
    control(stalwart, "add_key", key="API_limited", permissions=sorted(ALL_PERMISSIONS - {"unlimitedRequests"}))
    fault(stalwart, kind="latency", delay=0.2)
    clients = [client(stalwart, token="API_limited") for _ in range(8)]
    steps = [make_step("stalwart", domains=(f"acme{number}.test",)) for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(ensure_mail, steps, clients))
    assert {outcome.result for outcome in made} == {Result.OK}
    assert 400 in {entry["status"] for entry in stalwart.journal}


def test_wrong_credentials_are_reported_and_not_retried(stalwart: StalwartSimulator, make_step: MakeStep) -> None:
    for _ in range(2):
        with pytest.raises(PermanentError, match="bad_credentials"):
            ensure_mail(make_step("stalwart"), client(stalwart, token="wrong"))
    assert len(stalwart.journal) == 2
    stalwart.revoke_key()
    with pytest.raises(PermanentError, match="bad_credentials"):
        ensure_mail(make_step("stalwart"), client(stalwart))


def test_a_name_the_server_refuses_is_the_tenants_to_correct(mail: StalwartClient, make_step: MakeStep) -> None:
    with pytest.raises(PermanentError, match="invalid"):
        ensure_mail(make_step("stalwart", domains=("acme.example",)), mail)


def test_a_url_without_jmap_is_reported(stalwart: StalwartSimulator, make_step: MakeStep) -> None:
    api = JsonClient(f"{stalwart.url}/api", authorize=BearerToken(API_TOKEN))
    with pytest.raises(PermanentError, match="version 0"):
        ensure_mail(make_step("stalwart"), StalwartClient(Jmap(api), "off"))


def test_no_secret_is_logged(mail: StalwartClient, make_step: MakeStep, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ensure_mail(make_step("stalwart"), mail)
    assert API_TOKEN not in caplog.text
