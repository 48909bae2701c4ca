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
from tests.domains.conftest import DomainFixture


def names(fixture: DomainFixture) -> list[str]:
    return sorted(row["domain"] for row in fixture.rows.find())


def change(fixture: DomainFixture, slug: str, *domains: str) -> None:
    fixture.services.tenants.change(slug, TenantPatch(domains=domains), fixture.admin, None)


def test_each_domain_of_a_new_tenant_gets_a_record_that_is_due_for_a_check(fixture: DomainFixture) -> None:
    fixture.create("acme", "acme.test", "acme.org")
    assert names(fixture) == ["acme.org", "acme.test"]
    domain = fixture.domain("acme.org")
    assert (domain.ownership.state, domain.is_watched) == (DomainState.UNVERIFIED, True)
    assert domain.due_at is not None
    assert domain.due_at > domain.since


def test_domain_records_follow_a_change_and_kept_domains_keep_their_state(fixture: DomainFixture) -> None:
    fixture.create("acme", "acme.test", "old.test")
    fixture.publish_proof()
    fixture.check()
    fixture.finish()
    change(fixture, "acme", "new.test", "acme.test")
    assert names(fixture) == ["acme.test", "new.test"]
    assert fixture.domain().ownership.is_proven
    fixture.finish()
    change(fixture, "acme")
    assert names(fixture) == []


def test_a_change_that_is_refused_leaves_the_domain_documents_unchanged(fixture: DomainFixture) -> None:
    fixture.create("acme")
    fixture.create("beta", "beta.test")
    fixture.finish("beta")
    with pytest.raises(DomainTaken):
        change(fixture, "beta", "new.test", "acme.test")
    assert names(fixture) == ["acme.test", "beta.test"]
    assert fixture.domain().tenant_slug == "acme"


def test_the_domain_documents_refuse_a_second_owner_even_if_the_tenants_did_not(fixture: DomainFixture) -> None:
    fixture.create("acme")
    beta = replace(fixture.create("beta"), domains=("acme.test",))
    with pytest.raises(DomainTaken):
        fixture.store.connection.transaction(
            lambda session: fixture.store.domains.add(
                beta, beta.domains, Terms(), fixture.store.connection.now(), session
            )
        )
    assert names(fixture) == ["acme.test", "beta.test"]


def test_one_of_many_concurrent_tenants_gets_a_domain(fixture: DomainFixture) -> None:
    slugs = [f"acme{number}" for number in range(6)]

    def take(slug: str) -> str | None:
        try:
            return fixture.create(slug, "shared.test").slug
        except DomainError:
            return None

    with ThreadPoolExecutor(6) as pool:
        winners = [slug for slug in pool.map(take, slugs) if slug]
    assert len(winners) == 1
    assert (names(fixture), fixture.domain("shared.test").tenant_slug) == (["shared.test"], winners[0])


def test_a_domain_that_moves_to_another_tenant_must_be_verified_again(fixture: DomainFixture) -> None:
    fixture.create("acme")
    fixture.publish_proof()
    assert fixture.check().ownership.is_proven
    old = fixture.proof()
    fixture.finish()
    change(fixture, "acme")
    fixture.create("beta", "acme.test")
    assert fixture.proof().value != old.value
    assert fixture.check().ownership.state is DomainState.UNVERIFIED


def test_where_no_proof_is_required_no_domain_is_checked_before_a_request(
    make_fixture: Callable[..., DomainFixture],
) -> None:
    fixture = make_fixture(domain_proof="off")
    fixture.create()
    assert (fixture.domain().is_watched, fixture.domain().due_at) == (False, None)
    fixture.job().run_once()
    assert list(fixture.dns.journal) == []
    fixture.services.domains.request_check("acme", "acme.test", fixture.admin)
    assert fixture.domain().is_watched


def test_domains_of_an_older_version_get_records_and_are_checked_once_proofs_are_required(
    make_fixture: Callable[..., DomainFixture],
) -> None:
    before, after = make_fixture(domain_proof="off"), make_fixture(domain_first_recheck_seconds=0.001)
    before.create()
    before.rows.delete_many({})
    before.services.readiness.prepare()
    assert before.domain().due_at is None
    for _ in range(2):
        after.services.readiness.prepare()
        assert after.store.domain_checks.claim(0) is not None
    after.publish_proof()
    assert after.check().ownership.is_proven
    after.services.readiness.prepare()
    assert after.domain().ownership.is_proven


def test_domains_of_a_purged_tenant_stay_reserved_and_are_not_checked_any_more(fixture: DomainFixture) -> None:
    fixture.create()
    fixture.publish_proof()
    fixture.check()
    fixture.finish()
    fixture.services.lifecycle.delete("acme", fixture.admin)
    fixture.finish()
    fixture.monitor().start_reconciles()
    fixture.services.lifecycle.purge("acme", fixture.admin)
    fixture.finish()
    row = fixture.rows.find_one({"domain": "acme.test"})
    assert row is not None
    assert (row["dueAt"], row["reconcileDueAt"]) == (None, None)
    with pytest.raises(ActionNotPossible):
        fixture.services.domains.request_check("acme", "acme.test", fixture.admin)
    with pytest.raises(DomainTaken):
        fixture.create("beta", "acme.test")


def test_due_domains_are_found_by_an_index(fixture: DomainFixture) -> None:
    fixture.create()
    condition = {"$expr": {"$lte": ["$dueAt", "$$NOW"]}, "dueAt": {"$type": "date"}}
    plan = fixture.rows.find(condition).sort("dueAt", 1).explain()["queryPlanner"]["winningPlan"]
    assert "'indexName': 'due'" in str(plan)
    assert "SORT" not in str(plan)
