"""The result of a domain check: found, missing, wrong, no answer, lost, and when the next check is due."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.domains.dns_records import Presence
from shared.domains.model import DomainCheck, TenantDomain
from shared.domains.verification import DomainState
from tests.domains.conftest import ZONE, World
from tests.simulators import fault, publish, withdraw

#: how long each kind of silence takes the resolver's client, kept short
SILENCES = ["servfail", "refused", "timeout"]


def presences(domain: TenantDomain) -> dict[str, Presence]:
    """Of each record, by its type; the proof as `proof`."""
    checks = [sighting.check for sighting in domain.sightings]
    return {"proof" if "challenge" in check.record.name else f"{check.record.type}": check.presence for check in checks}


def test_a_published_proof_verifies_the_domain_and_is_an_event(world: World) -> None:
    world.create()
    world.publish_proof()
    domain = world.look()
    assert (domain.ownership.state, domain.ownership.is_proven) == (DomainState.VERIFIED, True)
    assert presences(domain) == {"proof": Presence.OK}
    assert domain.sightings[0].last_seen_at == domain.checked_at == domain.ownership.verified_at
    ((action, before, after),) = world.events()
    assert (action, before["state"], after["state"]) == ("domain.verified", "unverified", "verified")


def test_a_missing_proof_leaves_it_unverified_without_an_event(world: World) -> None:
    world.create()
    domain = world.look()
    assert (domain.ownership.state, presences(domain)) == (DomainState.UNVERIFIED, {"proof": Presence.MISSING})
    assert domain.checked_at is not None
    assert world.events() == []


def test_a_wrong_proof_is_shown_beside_the_right_one(world: World) -> None:
    world.create()
    publish(world.dns, (world.proof().name, "TXT", "dezky-verification=of-somebody-else"))
    domain = world.look()
    assert (domain.ownership.state, presences(domain)) == (DomainState.UNVERIFIED, {"proof": Presence.DIFFERENT})
    assert domain.sightings[0].check.seen == ("dezky-verification=of-somebody-else",)


def test_the_proof_of_another_tenant_proves_nothing(world: World) -> None:
    world.create()
    other = world.create("beta")
    publish(world.dns, (world.proof().name, "TXT", world.watch().maker.record(other.id, "acme.test").value))
    assert not world.look().ownership.is_proven


@pytest.mark.parametrize("kind", SILENCES)
@pytest.mark.parametrize("was_proven", [False, True])
def test_without_an_answer_of_dns_the_state_stays(
    make_world: Callable[..., World], kind: str, was_proven: bool
) -> None:
    world = make_world(call_seconds=0.3, domain_proof_days=0.000001, domain_lost_proof_days=0.000001)
    world.create()
    if was_proven:
        world.publish_proof()
        world.look()
    before = world.domain()
    fault(world.dns, kind=kind)
    domain = world.look()
    assert domain.has_same_state(before)
    assert (domain.checked_at, domain.sightings) == (before.checked_at, before.sightings)
    assert (domain.fault, domain.faults) == ("timeout" if kind == "timeout" else "upstream_error", 1)
    assert world.look().faults == 2
    world.dns.faults.clear()
    assert (world.look().fault, world.domain().faults) == (None, 0)


def test_every_record_is_checked_by_itself(world: World) -> None:
    world.create()
    world.furnish()
    world.publish_proof()
    publish(world.dns, ("acme.test", "MX", "5 elsewhere.test."), ("acme.test", "TXT", "v=spf1 mx -all"))
    domain = world.look()
    assert presences(domain) == {
        "proof": Presence.OK,
        "MX": Presence.DIFFERENT,
        "TXT": Presence.OK,
        "CNAME": Presence.MISSING,
    }
    assert domain.ownership.state is DomainState.DEGRADED
    assert domain.ownership.is_proven
    ((action, _, after),) = world.events()
    assert action == "domain.verified"
    assert {(one["type"], one["presence"]) for one in after["records"]} == {("MX", "different"), ("CNAME", "missing")}


def test_a_record_that_dns_did_not_answer_for_stays_as_it_was_last_seen(world: World) -> None:
    world.create()
    world.furnish()
    world.publish_proof()
    world.publish_zone()
    first = world.look()
    fault(world.dns, kind="servfail", path="MX$")
    withdraw(world.dns, "autoconfig.acme.test")
    second = world.look()
    assert presences(second) == presences(first) | {"CNAME": Presence.MISSING}
    assert (second.ownership.state, second.fault) == (DomainState.VERIFIED, "upstream_error")
    seen = {one.check.record.type: one.last_seen_at for one in second.sightings[1:]}
    assert seen["MX"] == seen["CNAME"] == first.checked_at
    assert seen["TXT"] == second.checked_at
    tenant = world.tenant()
    fewer = [one for one in ZONE if one["type"] != "MX"]
    assert world.store.tenants.save_remote(tenant.id, tenant.generation, {"dnsRecords": fewer})
    fault(world.dns, kind="servfail", path="CNAME$")
    assert set(presences(world.look())) == {"proof", "TXT", "CNAME"}


def test_a_lost_proof_degrades_then_fails_the_domain_and_removes_nothing(world: World) -> None:
    world.create()
    world.publish_proof()
    world.look()
    world.finish()
    withdraw(world.dns, world.proof().name)
    assert world.look().ownership.state is DomainState.DEGRADED
    assert world.look().ownership.state is DomainState.DEGRADED
    world.age("proofLostAt", 3)
    assert world.look().ownership.state is DomainState.FAILED
    assert world.actions() == ["domain.verified", "domain.degraded", "domain.failed"]
    assert world.events()[1][2]["proofLostAt"]
    assert world.tenant().domains == ("acme.test",)
    world.publish_proof()
    assert world.look().ownership.state is DomainState.VERIFIED
    assert world.actions()[3:] == ["domain.verified"]


def test_a_proof_that_vanishes_from_a_degraded_domain_is_still_announced(world: World) -> None:
    world.create()
    world.furnish()
    world.publish_proof()
    world.look()
    withdraw(world.dns, world.proof().name)
    assert world.look().ownership.state is DomainState.DEGRADED
    assert world.actions() == ["domain.verified", "domain.degraded"]


def test_an_unpublished_proof_fails_and_a_new_request_restarts_its_time(world: World) -> None:
    world.create()
    world.age("askedAt", 14)
    assert world.look().ownership.state is DomainState.FAILED
    world.age("claimedAt", 1)
    asked = world.plane.domains.request_check("acme", "acme.test", world.admin).domain
    assert asked.ownership.state is DomainState.UNVERIFIED
    assert world.look().ownership.state is DomainState.UNVERIFIED
    assert world.actions() == ["domain.failed", "domain.check_requested"]


def test_check_intervals_depend_on_state_and_age_and_back_off_without_answers(
    make_world: Callable[..., World],
) -> None:
    world = make_world(domain_first_recheck_seconds=60, domain_recheck_seconds=3600, call_seconds=0.3)
    world.create()

    def wait() -> float:
        """Minutes, to within the tenth that spreads them."""
        domain = world.look()
        row = world.rows.find_one({"domain": "acme.test"})
        assert row is not None
        assert domain.due_at is not None
        return float((domain.due_at - row["claimedAt"]) / timedelta(minutes=1))

    assert 0.9 <= wait() <= 1.3
    world.age("since", 2 / 24)
    assert 13.5 <= wait() <= 17
    world.age("since", 10)
    assert 54 <= wait() <= 67
    fault(world.dns, kind="servfail")
    assert 0.9 <= wait() <= 1.3
    assert 1.8 <= wait() <= 2.4
    assert 3.6 <= wait() <= 4.6
    world.dns.faults.clear()
    world.age("askedAt", 20)
    assert 24 * 54 <= wait() <= 24 * 67


def test_a_check_requested_during_another_runs_after_it(world: World) -> None:
    world.create()
    world.make_due("acme.test")
    (errand,) = world.watch().claim(1)
    world.rows.update_one({"domain": "acme.test"}, [{"$set": {"requestedAt": "$$NOW", "requestId": "later"}}])
    assert world.watch().record(errand, DomainCheck(False)) is not None
    assert world.domain().requested_at is not None
    assert world.look().requested_at is None
    assert world.store.domain_checks.claim(60) is None


def test_the_check_of_a_domain_that_left_its_tenant_meanwhile_is_discarded(world: World) -> None:
    world.create()
    world.make_due("acme.test")
    (errand,) = world.watch().claim(1)
    world.rows.delete_many({})
    assert world.watch().record(errand, DomainCheck(True)) is None
    assert world.events() == []
