"""Domains over HTTP: records to publish, their state, and requested checks. The API sends no DNS queries."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sandbox.simulators.dns.server import DnsSimulator
from shared.application.store import Repositories
from shared.config.settings import Settings
from tests.api.conftest import Client, Issuer
from tests.domains.conftest import ZONE, DomainFixture
from tests.simulators import fault, publish
from tests.waiting import until

SignIn = Callable[..., Client]


@pytest.fixture
def api_settings(make_settings: Callable[..., Settings], issuer: Issuer, dns: DnsSimulator) -> Settings:
    return make_settings(
        oidc_issuers=f"{issuer.url('operator')}={issuer.url('operator')}jwks/,"
        f"{issuer.url('portal')}={issuer.url('portal')}jwks/",
        oidc_audiences="operator=operator,portal=portal",
        domain_proof="required",
        dns_servers=dns.address,
        domain_check_interval_seconds=5,
    )


@pytest.fixture
def fixture(
    api_settings: Settings, store: Repositories, dispatcher: Any, dns: DnsSimulator, admin: Any
) -> DomainFixture:
    return DomainFixture(api_settings, store, dispatcher, dns, admin)


@contextmanager
def running_checks(fixture: DomainFixture) -> Iterator[None]:
    """Run the domain check job until the block ends."""
    stop = threading.Event()

    def run() -> None:
        job = fixture.job()
        while not stop.wait(0.05):
            job.run_once()
        job.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def new(root: Client, slug: str = "acme", *domains: str) -> None:
    body = {"slug": slug, "name": slug, "domains": list(domains or ("acme.test",))}
    assert root("POST", "/tenants", json=body).status_code == 201


def publish_all(dns: DnsSimulator, domain: dict[str, Any]) -> None:
    publish(dns, *((one["name"], one["type"], one["value"]) for one in domain["records"]))


def test_before_the_first_check_only_the_proof_to_publish_is_shown(root: Client) -> None:
    new(root, "acme", "acme.test", "Bücher.test")
    first, second = root("GET", "/tenants/acme/domains").json()
    assert (first["domain"], second["domain"]) == ("acme.test", "xn--bcher-kva.test")
    assert first["state"] == "unverified"
    assert first["nextCheckAt"].endswith("Z")
    (record,) = first["records"]
    assert record["value"].startswith("dezky-verification=")
    assert {**record, "value": ""} == {
        "value": "",
        "purpose": "ownership",
        "name": "_dezky-challenge.acme.test",
        "type": "TXT",
        "ttl": 3600,
        "essential": True,
    }
    assert second["records"][0]["value"] != first["records"][0]["value"]
    assert {"verifiedAt", "checkedAt", "fault", "checkRequestedAt"} & set(first) == set()


def test_every_record_is_returned_with_its_last_dns_answer(root: Client, fixture: DomainFixture) -> None:
    new(root)
    fixture.save_mail_records()
    fixture.publish_proof()
    publish(fixture.dns, ("acme.test", "MX", "5 elsewhere.test."), ("acme.test", "TXT", "v=spf1 mx -all"))
    fixture.check()
    (domain,) = root("GET", "/tenants/acme/domains").json()
    shown = {one["type"] if one["purpose"] == "mail" else "proof": one for one in domain["records"]}
    assert {name: one["presence"] for name, one in shown.items()} == {
        "proof": "ok",
        "MX": "different",
        "TXT": "ok",
        "CNAME": "missing",
    }
    assert [one["value"] for one in domain["records"][1:]] == [one["value"] for one in ZONE]
    assert shown["MX"]["seen"] == ["5 elsewhere.test."]
    assert shown["TXT"]["lastSeenAt"] == domain["checkedAt"]
    assert "lastSeenAt" not in shown["MX"]
    assert {name: one["essential"] for name, one in shown.items()} == {
        "proof": True,
        "MX": True,
        "TXT": True,
        "CNAME": False,
    }
    assert (domain["state"], "verifiedAt" in domain) == ("degraded", True)


def test_a_check_is_recorded_at_once_and_the_api_itself_asks_nothing_of_dns(
    root: Client, fixture: DomainFixture
) -> None:
    new(root)
    answer = root("POST", "/tenants/acme/domains/acme.test/verify", headers={"X-Request-Id": "order-9"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (202, "1")
    assert answer.json()["checkRequestedAt"].endswith("Z")
    assert "nextCheckAt" not in answer.json()
    again = root("POST", "/tenants/acme/domains/ACME.test/verify?wait=0.3")
    assert (again.status_code, again.json()["checkRequestedAt"]) == (202, answer.json()["checkRequestedAt"])
    assert list(fixture.dns.journal) == []
    assert fixture.store.domain_checks.claim(60)
    events = [one for one in root("GET", "/events").json() if one["action"] == "domain.check_requested"]
    assert [(one["requestId"], one["after"]["domain"]) for one in events] == [("order-9", "acme.test")]


def test_waiting_answers_when_the_check_is_done(root: Client, fixture: DomainFixture) -> None:
    new(root)
    publish_all(fixture.dns, root("GET", "/tenants/acme/domains").json()[0])
    with running_checks(fixture):
        answer = root("POST", "/tenants/acme/domains/acme.test/verify?wait=30", headers={"X-Request-Id": "order-9"})
    assert (answer.status_code, answer.json()["state"]) == (202, "verified")
    assert "Retry-After" not in answer.headers
    assert answer.json()["records"][0]["presence"] == "ok"
    assert root("GET", "/tenants/acme/domains").json() == [answer.json()]
    (event,) = [one for one in root("GET", "/events").json() if one["action"] == "domain.verified"]
    assert event["requestId"] == "order-9"


def test_a_check_right_after_another_is_refused_with_the_time_to_wait(root: Client, fixture: DomainFixture) -> None:
    new(root)
    with running_checks(fixture):
        assert root("POST", "/tenants/acme/domains/acme.test/verify?wait=30").status_code == 202
        refused = root("POST", "/tenants/acme/domains/acme.test/verify")
    assert (refused.status_code, refused.json()["code"], refused.json()["retryable"]) == (429, "checked_recently", True)
    assert 1 <= int(refused.headers["Retry-After"]) <= 5
    assert len(fixture.dns.journal) == 1
    fixture.age("claimedAt", 1)
    assert root("POST", "/tenants/acme/domains/acme.test/verify").status_code == 202


def test_silence_of_dns_is_reported_as_a_timeout(root: Client, fixture: DomainFixture) -> None:
    new(root)
    fault(fixture.dns, kind="servfail")
    with running_checks(fixture):
        root("POST", "/tenants/acme/domains/acme.test/verify?wait=30")
    (domain,) = root("GET", "/tenants/acme/domains").json()
    assert (domain["state"], domain["fault"]) == ("unverified", "upstream_error")
    assert "presence" not in domain["records"][0]
    until(lambda: "nextCheckAt" in root("GET", "/tenants/acme/domains").json()[0])


def test_a_member_reads_domains_and_only_callers_who_may_reconcile_request_checks(root: Client, as_: SignIn) -> None:
    new(root)
    new(root, "beta", "beta.test")
    member = as_("member", "portal", "tenant-acme")
    assert [one["domain"] for one in member("GET", "/tenants/acme/domains").json()] == ["acme.test"]
    assert member("POST", "/tenants/acme/domains/acme.test/verify").status_code == 403
    for method, path in [("GET", "/tenants/beta/domains"), ("POST", "/tenants/beta/domains/beta.test/verify")]:
        assert member(method, path).status_code == 404
    user = next(one for one in root("GET", "/users").json() if one["email"] == "member@people.test")
    assert root("PATCH", f"/users/{user['_id']}", json={"role": "owner"}).status_code == 200
    assert member("POST", "/tenants/acme/domains/acme.test/verify").status_code == 202


@pytest.mark.parametrize("domain", ["beta.test", "nowhere.test", "not_a_domain", "%00", "*"])
def test_a_domain_of_another_tenant_is_not_found(root: Client, domain: str) -> None:
    new(root)
    new(root, "beta", "beta.test")
    answer = root("POST", f"/tenants/acme/domains/{domain}/verify")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_domains_follow_a_change_of_the_tenant(root: Client, fixture: DomainFixture) -> None:
    new(root)
    fixture.finish()
    assert root("PATCH", "/tenants/acme", json={"domains": ["acme.org"]}).status_code == 202
    assert [one["domain"] for one in root("GET", "/tenants/acme/domains").json()] == ["acme.org"]


def test_an_idempotency_key_asks_once_and_a_refusal_is_not_kept(root: Client, fixture: DomainFixture) -> None:
    new(root)
    headers = {"Idempotency-Key": "check-1"}
    first = root("POST", "/tenants/acme/domains/acme.test/verify", headers=headers)
    assert first.status_code == 202
    fixture.check()
    assert root("POST", "/tenants/acme/domains/acme.test/verify", headers=headers).headers["Idempotency-Replayed"]
    headers = {"Idempotency-Key": "check-2"}
    assert root("POST", "/tenants/acme/domains/acme.test/verify", headers=headers).status_code == 429
    fixture.age("claimedAt", 1)
    assert root("POST", "/tenants/acme/domains/acme.test/verify", headers=headers).status_code == 202
