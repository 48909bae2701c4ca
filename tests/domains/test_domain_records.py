"""Domain records follow the tenant's own list, and no domain ever has two owners."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from shared.core.errors import ActionNotPossible, DomainError, DomainTaken
from shared.domains.model import Terms
from shared.domains.verification import DomainState
from shared.tenants.model import TenantPatch
from tests.domains.conftest import World


def names(world: World) -> list[str]:
    return sorted(row["domain"] for row in world.rows.find())


def change(world: World, slug: str, *domains: str) -> None:
    world.plane.tenants.change(slug, TenantPatch(domains=domains), world.admin, None)


def test_each_domain_of_a_new_tenant_gets_a_record_that_is_due_for_a_check(world: World) -> None:
    world.create("acme", "acme.test", "acme.org")
    assert names(world) == ["acme.org", "acme.test"]
    domain = world.domain("acme.org")
    assert (domain.ownership.state, domain.is_watched) == (DomainState.UNVERIFIED, True)
    assert domain.due_at is not None
    assert domain.due_at > domain.since


def test_domain_records_follow_a_change_and_kept_domains_keep_their_state(world: World) -> None:
    world.create("acme", "acme.test", "old.test")
    world.publish_proof()
    world.look()
    world.finish()
    change(world, "acme", "new.test", "acme.test")
    assert names(world) == ["acme.test", "new.test"]
    assert world.domain().ownership.is_proven
    world.finish()
    change(world, "acme")
    assert names(world) == []


def test_a_change_that_is_refused_leaves_the_rows_as_they_were(world: World) -> None:
    world.create("acme")
    world.create("beta", "beta.test")
    world.finish("beta")
    with pytest.raises(DomainTaken):
        change(world, "beta", "new.test", "acme.test")
    assert names(world) == ["acme.test", "beta.test"]
    assert world.domain().tenant_slug == "acme"


def test_the_rows_refuse_a_second_owner_even_if_the_tenants_did_not(world: World) -> None:
    world.create("acme")
    beta = replace(world.create("beta"), domains=("acme.test",))
    with pytest.raises(DomainTaken):
        world.store.connection.transaction(
            lambda session: world.store.domains.add(beta, beta.domains, Terms(), world.store.connection.now(), session)
        )
    assert names(world) == ["acme.test", "beta.test"]


def test_one_of_many_concurrent_tenants_gets_a_domain(world: World) -> None:
    slugs = [f"acme{number}" for number in range(6)]

    def take(slug: str) -> str | None:
        try:
            return world.create(slug, "shared.test").slug
        except DomainError:
            return None

    with ThreadPoolExecutor(6) as pool:
        winners = [slug for slug in pool.map(take, slugs) if slug]
    assert len(winners) == 1
    assert (names(world), world.domain("shared.test").tenant_slug) == (["shared.test"], winners[0])


def test_a_domain_that_moves_to_another_tenant_must_be_verified_again(world: World) -> None:
    world.create("acme")
    world.publish_proof()
    assert world.look().ownership.is_proven
    old = world.proof()
    world.finish()
    change(world, "acme")
    world.create("beta", "acme.test")
    assert world.proof().value != old.value
    assert world.look().ownership.state is DomainState.UNVERIFIED


def test_where_no_proof_is_required_no_domain_is_checked_before_a_request(
    make_world: Callable[..., World],
) -> None:
    world = make_world(domain_proof="off")
    world.create()
    assert (world.domain().is_watched, world.domain().due_at) == (False, None)
    world.looks().run_once()
    assert list(world.dns.journal) == []
    world.plane.domains.request_check("acme", "acme.test", world.admin)
    assert world.domain().is_watched


def test_domains_of_an_older_version_get_records_and_are_checked_once_proofs_are_required(
    make_world: Callable[..., World],
) -> None:
    before, after = make_world(domain_proof="off"), make_world(domain_first_recheck_seconds=0.001)
    before.create()
    before.rows.delete_many({})
    before.plane.readiness.prepare()
    assert before.domain().due_at is None
    for _ in range(2):
        after.plane.readiness.prepare()
        assert after.store.domain_checks.claim(0) is not None
    after.publish_proof()
    assert after.look().ownership.is_proven
    after.plane.readiness.prepare()
    assert after.domain().ownership.is_proven


def test_domains_of_a_purged_tenant_stay_reserved_and_are_not_checked_any_more(world: World) -> None:
    world.create()
    world.publish_proof()
    world.look()
    world.finish()
    world.plane.lifecycle.delete("acme", world.admin)
    world.finish()
    world.watch().start_reconciles()
    world.plane.lifecycle.purge("acme", world.admin)
    world.finish()
    row = world.rows.find_one({"domain": "acme.test"})
    assert row is not None
    assert (row["dueAt"], row["reconcileDueAt"]) == (None, None)
    with pytest.raises(ActionNotPossible):
        world.plane.domains.request_check("acme", "acme.test", world.admin)
    with pytest.raises(DomainTaken):
        world.create("beta", "acme.test")


def test_due_domains_are_found_by_an_index(world: World) -> None:
    world.create()
    condition = {"$expr": {"$lte": ["$dueAt", "$$NOW"]}, "dueAt": {"$type": "date"}}
    plan = world.rows.find(condition).sort("dueAt", 1).explain()["queryPlanner"]["winningPlan"]
    assert "'indexName': 'due'" in str(plan)
    assert "SORT" not in str(plan)
