"""A verified domain is set up automatically: the service starts one reconcile."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from shared.operations.model import Mode
from tests.domains.conftest import DomainFixture
from tests.simulators import withdraw


def verify(fixture: DomainFixture, *names: str) -> None:
    for name in names or ("acme.test",):
        fixture.publish_proof(name)
        fixture.check(name)


def make_waiting_due(fixture: DomainFixture) -> None:
    fixture.rows.update_many({"reconcileDueAt": {"$ne": None}}, [{"$set": {"reconcileDueAt": "$$NOW"}}])


def test_a_verified_domain_starts_a_reconcile_of_its_tenant_by_the_service(fixture: DomainFixture) -> None:
    fixture.create()
    fixture.finish()
    verify(fixture)
    assert fixture.monitor().start_reconciles() + fixture.monitor().start_reconciles() <= 1
    assert fixture.operations() == ["provision", "reconcile"]
    operation = fixture.services.tenants.get("acme", fixture.admin).operation
    assert operation is not None
    assert operation.requested_by is None
    assert operation.request_id.startswith("domain-")
    ((_, _, after),) = fixture.events("tenant.reconcile")
    assert after == {"operation": operation.id}


def test_while_another_operation_is_open_the_reconcile_waits_and_is_tried_again(fixture: DomainFixture) -> None:
    fixture.create()
    verify(fixture)
    fixture.monitor().start_reconciles()
    assert fixture.operations() == ["provision"]
    make_waiting_due(fixture)
    fixture.monitor().start_reconciles()
    fixture.finish()
    make_waiting_due(fixture)
    assert fixture.monitor().start_reconciles() == 1
    assert fixture.operations() == ["provision", "reconcile"]


def test_an_earlier_reconcile_does_not_replace_the_due_one(fixture: DomainFixture) -> None:
    fixture.create()
    fixture.finish()
    fixture.services.tenants.reconcile("acme", fixture.admin, Mode.APPLY)
    verify(fixture)
    fixture.monitor().start_reconciles()
    fixture.finish()
    make_waiting_due(fixture)
    assert fixture.monitor().start_reconciles() == 1
    assert fixture.operations() == ["provision", "reconcile", "reconcile"]


def test_several_domains_proven_together_and_several_schedulers_start_one_reconcile(fixture: DomainFixture) -> None:
    names = ("acme.test", "acme.org", "acme.net")
    fixture.create("acme", *names)
    verify(fixture, *names)
    fixture.finish()
    make_waiting_due(fixture)
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda _: fixture.monitor().start_reconciles(), range(4))) == 1
    assert fixture.operations() == ["provision", "reconcile"]
    assert fixture.rows.count_documents({"reconcileDueAt": {"$ne": None}}) == 0


def test_neither_a_lost_nor_a_restored_proof_starts_a_reconcile(fixture: DomainFixture) -> None:
    fixture.create()
    fixture.finish()
    verify(fixture)
    fixture.monitor().start_reconciles()
    fixture.finish()
    withdraw(fixture.dns, fixture.proof().name)
    fixture.check()
    verify(fixture)
    assert fixture.monitor().start_reconciles() == 0
    assert fixture.operations() == ["provision", "reconcile"]


def test_where_no_proof_is_required_a_proven_domain_starts_nothing(make_fixture: Callable[..., DomainFixture]) -> None:
    fixture = make_fixture(domain_proof="off")
    fixture.create()
    fixture.finish()
    verify(fixture)
    assert fixture.domain().ownership.is_proven
    assert fixture.monitor().start_reconciles() == 0
    assert fixture.operations() == ["provision"]


def test_the_reconcile_of_a_suspended_tenant_waits_until_the_tenant_is_active(fixture: DomainFixture) -> None:
    fixture.create()
    fixture.finish()
    tenants = fixture.store.connection.client[fixture.settings.mongodb_database]["tenants"]
    tenants.update_one({"slug": "acme"}, {"$set": {"status": "suspended"}})
    verify(fixture)
    assert fixture.monitor().start_reconciles() == 0
    tenants.update_one({"slug": "acme"}, {"$set": {"status": "active"}})
    make_waiting_due(fixture)
    assert fixture.monitor().start_reconciles() == 1
