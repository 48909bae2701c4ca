"""What has been proven is set up without anybody asking: the service starts the reconcile, and only then."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from shared.operations.model import Mode
from tests.domains.conftest import World
from tests.simulators import withdraw


def verify(world: World, *names: str) -> None:
    for name in names or ("acme.test",):
        world.publish_proof(name)
        world.look(name)


def make_waiting_due(world: World) -> None:
    world.rows.update_many({"reconcileDueAt": {"$ne": None}}, [{"$set": {"reconcileDueAt": "$$NOW"}}])


def test_a_verified_domain_starts_a_reconcile_of_its_tenant_by_the_service(world: World) -> None:
    world.create()
    world.finish()
    verify(world)
    assert world.watch().start_reconciles() + world.watch().start_reconciles() <= 1
    assert world.operations() == ["provision", "reconcile"]
    operation = world.plane.tenants.get("acme", world.admin).operation
    assert operation is not None
    assert operation.requested_by is None
    assert operation.request_id.startswith("domain-")
    ((_, _, after),) = world.events("tenant.reconcile")
    assert after == {"operation": operation.id}


def test_while_another_operation_is_open_it_waits_and_is_tried_again(world: World) -> None:
    world.create()
    verify(world)
    world.watch().start_reconciles()
    assert world.operations() == ["provision"]
    make_waiting_due(world)
    world.watch().start_reconciles()
    world.finish()
    make_waiting_due(world)
    assert world.watch().start_reconciles() == 1
    assert world.operations() == ["provision", "reconcile"]


def test_an_earlier_reconcile_does_not_replace_the_due_one(world: World) -> None:
    world.create()
    world.finish()
    world.plane.tenants.reconcile("acme", world.admin, Mode.APPLY)
    verify(world)
    world.watch().start_reconciles()
    world.finish()
    make_waiting_due(world)
    assert world.watch().start_reconciles() == 1
    assert world.operations() == ["provision", "reconcile", "reconcile"]


def test_several_domains_proven_together_and_several_schedulers_start_one_reconcile(world: World) -> None:
    names = ("acme.test", "acme.org", "acme.net")
    world.create("acme", *names)
    verify(world, *names)
    world.finish()
    make_waiting_due(world)
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda _: world.watch().start_reconciles(), range(4))) == 1
    assert world.operations() == ["provision", "reconcile"]
    assert world.rows.count_documents({"reconcileDueAt": {"$ne": None}}) == 0


def test_neither_a_lost_nor_a_restored_proof_starts_a_reconcile(world: World) -> None:
    world.create()
    world.finish()
    verify(world)
    world.watch().start_reconciles()
    world.finish()
    withdraw(world.dns, world.proof().name)
    world.look()
    verify(world)
    assert world.watch().start_reconciles() == 0
    assert world.operations() == ["provision", "reconcile"]


def test_where_no_proof_is_required_a_proven_domain_starts_nothing(make_world: Callable[..., World]) -> None:
    world = make_world(domain_proof="off")
    world.create()
    world.finish()
    verify(world)
    assert world.domain().ownership.is_proven
    assert world.watch().start_reconciles() == 0
    assert world.operations() == ["provision"]


def test_a_tenant_whose_status_forbids_it_waits_until_it_does_not(world: World) -> None:
    world.create()
    world.finish()
    tenants = world.store.connection.client[world.settings.mongodb_database]["tenants"]
    tenants.update_one({"slug": "acme"}, {"$set": {"status": "suspended"}})
    verify(world)
    assert world.watch().start_reconciles() == 0
    tenants.update_one({"slug": "acme"}, {"$set": {"status": "active"}})
    make_waiting_due(world)
    assert world.watch().start_reconciles() == 1
