"""Proof of a domain before mail, through real workers and a real scheduler."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sandbox.simulators.dns.server import DnsSimulator
from shared.domains.model import DomainView
from shared.domains.verification import DomainState
from shared.events.model import Event
from shared.operations.model import Operation
from shared.tenants.model import NewTenant, Status
from tests.end_to_end.conftest import Platform
from tests.simulators import publish, withdraw
from tests.waiting import until


@pytest.fixture
def strict(make_platform: Callable[..., Platform], redis_url: str, dns: DnsSimulator) -> Platform:
    """A platform that requires proofs, with one worker and two schedulers."""
    platform = make_platform(
        redis_url, DOMAIN_PROOF="required", DNS_SERVERS=dns.address, DOMAIN_CHECK_INTERVAL_SECONDS="0"
    )
    platform.start_worker()
    platform.start_scheduler()
    platform.start_scheduler()
    return platform


def domains(platform: Platform) -> dict[str, DomainView]:
    return {view.domain.name: view for view in platform.services.domains.list("acme", platform.admin)}


def publish_all(platform: Platform, dns: DnsSimulator, name: str) -> None:
    """Publish the listed records, as the domain's owner does."""
    records = [wanted.record for wanted in domains(platform)[name].records]
    for record in records:
        withdraw(dns, record.name, record.type)
    publish(dns, *((record.name, record.type, record.value) for record in records))


def check(platform: Platform, name: str) -> DomainView:
    platform.services.domains.request_check("acme", name, platform.admin)
    view = platform.services.domains.wait_for("acme", name, platform.admin, 30)
    assert view.domain.requested_at is None, platform.logs()[-4000:]
    return view


def operations(platform: Platform) -> list[Operation]:
    return list(reversed(platform.services.operations.page("acme", platform.admin, 50, None).items))


def events(platform: Platform) -> list[Event]:
    feed = platform.services.events.following(platform.admin, "acme", 0, None, 200)
    # two schedulers record these events; those that are numbered together have no order of time
    return sorted((one for one in feed.items if one.action.startswith("domain.")), key=lambda one: one.time)


def in_mail(platform: Platform) -> list[str]:
    return sorted(one["name"] for one in platform.stalwart.snapshot()["Domain"])


def test_mail_waits_for_the_proof_and_is_then_provisioned_automatically(strict: Platform, dns: DnsSimulator) -> None:
    strict.services.tenants.create(NewTenant("acme", "Acme", "starter", ("acme.test", "acme.org")), strict.admin)
    view = strict.settled("acme")
    assert view.operation is not None
    step = view.operation.step("stalwart")
    assert (step.status, step.reason) == ("skipped", "domains_unverified")
    assert step.notes == {"waiting_for_proof": "acme.test, acme.org"}
    assert (view.tenant.status, in_mail(strict)) == (Status.ACTIVE, [])

    publish_all(strict, dns, "acme.test")
    assert check(strict, "acme.test").domain.ownership.state is DomainState.VERIFIED
    until(lambda: len(operations(strict)) == 2)
    view = strict.settled("acme")
    assert view.operation is not None
    assert (view.operation.action, view.operation.requested_by) == ("reconcile", None)
    assert view.operation.step("stalwart").notes == {"waiting_for_proof": "acme.org"}
    assert in_mail(strict) == ["acme.test"]

    # now the mail server's records are known and required
    before = check(strict, "acme.test").domain
    assert before.ownership.state is DomainState.DEGRADED
    publish_all(strict, dns, "acme.test")
    after = check(strict, "acme.test")
    assert after.domain.ownership.state is DomainState.VERIFIED
    assert len(after.records) > 5
    assert all(one.sighting and one.sighting.check.presence == "ok" for one in after.records)

    # a lost proof is shown and removes nothing
    withdraw(dns, "_dezky-challenge.acme.test")
    assert check(strict, "acme.test").domain.ownership.state is DomainState.DEGRADED
    strict.services.tenants.reconcile("acme", strict.admin, operations(strict)[0].mode)
    strict.settled("acme")
    assert in_mail(strict) == ["acme.test"]
    actions = [one.action for one in events(strict) if one.action != "domain.check_requested"]
    assert actions == ["domain.verified", "domain.degraded", "domain.verified", "domain.degraded"]
    assert domains(strict)["acme.org"].domain.ownership.state is DomainState.UNVERIFIED


def test_domains_of_many_tenants_that_are_proven_together_are_all_set_up(strict: Platform, dns: DnsSimulator) -> None:
    slugs = [f"acme{number}" for number in range(6)]
    for slug in slugs:
        strict.create(slug)
    for slug in slugs:
        (view,) = strict.services.domains.list(slug, strict.admin)
        record = view.records[0].record
        publish(dns, (record.name, record.type, record.value))
        strict.services.domains.request_check(slug, f"{slug}.test", strict.admin)
    until(lambda: in_mail(strict) == [f"{slug}.test" for slug in slugs], 60)
    for slug in slugs:
        assert strict.settled(slug).tenant.status is Status.ACTIVE
        assert strict.has_one_of_each(slug)
