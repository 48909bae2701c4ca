"""The result of a domain check: found, missing, wrong, no answer, lost, and when the next check is due."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.domains.dns_records import Presence
from shared.domains.model import DomainCheck, TenantDomain
from shared.domains.verification import DomainState
from tests.domains.conftest import ZONE, DomainFixture
from tests.simulators import fault, publish, withdraw

#: timeout of the resolver's client for each kind of missing answer
SILENCES = ["servfail", "refused", "timeout"]


def presences(domain: TenantDomain) -> dict[str, Presence]:
    """Return the presence of each record by its type; the proof is `proof`."""
    checks = [sighting.check for sighting in domain.sightings]
    return {"proof" if "challenge" in check.record.name else f"{check.record.type}": check.presence for check in checks}


def test_a_published_proof_verifies_the_domain_and_is_an_event(fixture: DomainFixture) -> None:
    fixture.create()
    fixture.publish_proof()
    domain = fixture.check()
    assert (domain.ownership.state, domain.ownership.is_proven) == (DomainState.VERIFIED, True)
    assert presences(domain) == {"proof": Presence.OK}
    assert domain.sightings[0].last_seen_at == domain.checked_at == domain.ownership.verified_at
    ((action, before, after),) = fixture.events()
    assert (action, before["state"], after["state"]) == ("domain.verified", "unverified", "verified")


def test_a_missing_proof_leaves_it_unverified_without_an_event(fixture: DomainFixture) -> None:
    fixture.create()
    domain = fixture.check()
    assert (domain.ownership.state, presences(domain)) == (DomainState.UNVERIFIED, {"proof": Presence.MISSING})
    assert domain.checked_at is not None
    assert fixture.events() == []


def test_a_wrong_proof_is_shown_beside_the_right_one(fixture: DomainFixture) -> None:
    fixture.create()
    publish(fixture.dns, (fixture.proof().name, "TXT", "dezky-verification=of-somebody-else"))
    domain = fixture.check()
    assert (domain.ownership.state, presences(domain)) == (DomainState.UNVERIFIED, {"proof": Presence.DIFFERENT})
    assert domain.sightings[0].check.seen == ("dezky-verification=of-somebody-else",)


def test_the_proof_of_another_tenant_proves_nothing(fixture: DomainFixture) -> None:
    fixture.create()
    other = fixture.create("beta")
    publish(fixture.dns, (fixture.proof().name, "TXT", fixture.monitor().maker.record(other.id, "acme.test").value))
    assert not fixture.check().ownership.is_proven


@pytest.mark.parametrize("kind", SILENCES)
@pytest.mark.parametrize("was_proven", [False, True])
def test_without_an_answer_of_dns_the_state_stays(
    make_fixture: Callable[..., DomainFixture], kind: str, was_proven: bool
) -> None:
    fixture = make_fixture(call_seconds=0.3, domain_proof_days=0.000001, domain_lost_proof_days=0.000001)
    fixture.create()
    if was_proven:
        fixture.publish_proof()
        fixture.check()
    before = fixture.domain()
    fault(fixture.dns, kind=kind)
    domain = fixture.check()
    assert domain.has_same_state(before)
    assert (domain.checked_at, domain.sightings) == (before.checked_at, before.sightings)
    assert (domain.fault, domain.faults) == ("timeout" if kind == "timeout" else "upstream_error", 1)
    assert fixture.check().faults == 2
    fixture.dns.faults.clear()
    assert (fixture.check().fault, fixture.domain().faults) == (None, 0)


def test_every_record_is_checked_by_itself(fixture: DomainFixture) -> None:
    fixture.create()
    fixture.save_mail_records()
    fixture.publish_proof()
    publish(fixture.dns, ("acme.test", "MX", "5 elsewhere.test."), ("acme.test", "TXT", "v=spf1 mx -all"))
    domain = fixture.check()
    assert presences(domain) == {
        "proof": Presence.OK,
        "MX": Presence.DIFFERENT,
        "TXT": Presence.OK,
        "CNAME": Presence.MISSING,
    }
    assert domain.ownership.state is DomainState.DEGRADED
    assert domain.ownership.is_proven
    ((action, _, after),) = fixture.events()
    assert action == "domain.verified"
    assert {(one["type"], one["presence"]) for one in after["records"]} == {("MX", "different"), ("CNAME", "missing")}


def test_a_record_that_dns_did_not_answer_for_stays_as_it_was_last_seen(fixture: DomainFixture) -> None:
    fixture.create()
    fixture.save_mail_records()
    fixture.publish_proof()
    fixture.publish_zone()
    first = fixture.check()
    fault(fixture.dns, kind="servfail", path="MX$")
    withdraw(fixture.dns, "autoconfig.acme.test")
    second = fixture.check()
    assert presences(second) == presences(first) | {"CNAME": Presence.MISSING}
    assert (second.ownership.state, second.fault) == (DomainState.VERIFIED, "upstream_error")
    seen = {one.check.record.type: one.last_seen_at for one in second.sightings[1:]}
    assert seen["MX"] == seen["CNAME"] == first.checked_at
    assert seen["TXT"] == second.checked_at
    tenant = fixture.tenant()
    fewer = [one for one in ZONE if one["type"] != "MX"]
    assert fixture.store.tenants.save_remote(tenant.id, tenant.generation, {"dnsRecords": fewer})
    fault(fixture.dns, kind="servfail", path="CNAME$")
    assert set(presences(fixture.check())) == {"proof", "TXT", "CNAME"}


def test_a_record_is_compared_by_our_other_records_though_dns_did_not_answer_for_these(fixture: DomainFixture) -> None:
    fixture.create()
    fixture.save_mail_records()
    publish(fixture.dns, ("acme.test", "TXT", "v=spf1 a:mail.platform.test -all"))
    fault(fixture.dns, kind="servfail", path="MX$")
    assert presences(fixture.check())["TXT"] == Presence.OK


def test_the_dmarc_policy_of_the_organisation_covers_a_subdomain(fixture: DomainFixture) -> None:
    tenant = fixture.create("acme", "mail.acme.test")
    name = "_dmarc.mail.acme.test"
    row = {"domain": "mail.acme.test", "name": name, "type": "TXT", "value": "v=DMARC1; p=reject"}
    assert fixture.store.tenants.save_remote(tenant.id, tenant.generation, {"dnsRecords": [row]})
    publish(fixture.dns, ("_dmarc.acme.test", "TXT", "v=DMARC1; p=none"))
    assert presences(fixture.check("mail.acme.test"))["TXT"] == Presence.OK
    # without the organisation's answer the last result stays, unless the domain has a policy of its own
    fault(fixture.dns, kind="servfail", path="^_dmarc.acme.test")
    assert presences(fixture.check("mail.acme.test"))["TXT"] == Presence.OK
    publish(fixture.dns, (name, "TXT", "v=DMARC1; p=nonsense"))
    assert presences(fixture.check("mail.acme.test"))["TXT"] == Presence.DIFFERENT
    fixture.dns.faults.clear()
    withdraw(fixture.dns, "_dmarc.acme.test")
    withdraw(fixture.dns, name)
    assert presences(fixture.check("mail.acme.test"))["TXT"] == Presence.MISSING


def test_a_lost_proof_degrades_then_fails_the_domain_and_removes_nothing(fixture: DomainFixture) -> None:
    fixture.create()
    fixture.publish_proof()
    fixture.check()
    fixture.finish()
    withdraw(fixture.dns, fixture.proof().name)
    assert fixture.check().ownership.state is DomainState.DEGRADED
    assert fixture.check().ownership.state is DomainState.DEGRADED
    fixture.age("proofLostAt", 3)
    assert fixture.check().ownership.state is DomainState.FAILED
    assert fixture.actions() == ["domain.verified", "domain.degraded", "domain.failed"]
    assert fixture.events()[1][2]["proofLostAt"]
    assert fixture.tenant().domains == ("acme.test",)
    fixture.publish_proof()
    assert fixture.check().ownership.state is DomainState.VERIFIED
    assert fixture.actions()[3:] == ["domain.verified"]


def test_a_proof_that_vanishes_from_a_degraded_domain_is_still_announced(fixture: DomainFixture) -> None:
    fixture.create()
    fixture.save_mail_records()
    fixture.publish_proof()
    fixture.check()
    withdraw(fixture.dns, fixture.proof().name)
    assert fixture.check().ownership.state is DomainState.DEGRADED
    assert fixture.actions() == ["domain.verified", "domain.degraded"]


def test_an_unpublished_proof_fails_and_a_new_request_restarts_its_time(fixture: DomainFixture) -> None:
    fixture.create()
    fixture.age("askedAt", 14)
    assert fixture.check().ownership.state is DomainState.FAILED
    fixture.age("claimedAt", 1)
    asked = fixture.services.domains.request_check("acme", "acme.test", fixture.admin).domain
    assert asked.ownership.state is DomainState.UNVERIFIED
    assert fixture.check().ownership.state is DomainState.UNVERIFIED
    assert fixture.actions() == ["domain.failed", "domain.check_requested"]


def test_check_intervals_depend_on_state_and_age_and_back_off_without_answers(
    make_fixture: Callable[..., DomainFixture],
) -> None:
    fixture = make_fixture(domain_first_recheck_seconds=60, domain_recheck_seconds=3600, call_seconds=0.3)
    fixture.create()

    def wait() -> float:
        """Compare minutes, with the jitter of a tenth."""
        domain = fixture.check()
        row = fixture.rows.find_one({"domain": "acme.test"})
        assert row is not None
        assert domain.due_at is not None
        return float((domain.due_at - row["claimedAt"]) / timedelta(minutes=1))

    assert 0.9 <= wait() <= 1.3
    fixture.age("since", 2 / 24)
    assert 13.5 <= wait() <= 17
    fixture.age("since", 10)
    assert 54 <= wait() <= 67
    fault(fixture.dns, kind="servfail")
    assert 0.9 <= wait() <= 1.3
    assert 1.8 <= wait() <= 2.4
    assert 3.6 <= wait() <= 4.6
    fixture.dns.faults.clear()
    fixture.age("askedAt", 20)
    assert 24 * 54 <= wait() <= 24 * 67


def test_a_check_requested_during_another_runs_after_it(fixture: DomainFixture) -> None:
    fixture.create()
    fixture.make_due("acme.test")
    (claim,) = fixture.monitor().claim(1)
    fixture.rows.update_one({"domain": "acme.test"}, [{"$set": {"requestedAt": "$$NOW", "requestId": "later"}}])
    assert fixture.monitor().record(claim, DomainCheck(False)) is not None
    assert fixture.domain().requested_at is not None
    assert fixture.check().requested_at is None
    assert fixture.store.domain_checks.claim(60) is None


def test_the_check_of_a_domain_that_left_its_tenant_meanwhile_is_discarded(fixture: DomainFixture) -> None:
    fixture.create()
    fixture.make_due("acme.test")
    (claim,) = fixture.monitor().claim(1)
    fixture.rows.delete_many({})
    assert fixture.monitor().record(claim, DomainCheck(True)) is None
    assert fixture.events() == []
