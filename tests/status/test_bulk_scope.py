"""A bulk operation acts on, and names, only tenants that its author may see when it starts; a dry run expires."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.accounts.user import NewUser, Rights, Role
from shared.application.services import Services
from shared.application.store import Repositories
from shared.bulk.model import BulkAction, BulkStatus, ItemStatus, Selector
from shared.core.errors import ActionNotPossible, Forbidden
from shared.rights.policy import Actor
from tests.status.test_bulk import Create, job, run
from tests.status.test_problems import begun, end
from worker.jobs.bulk_operations import BulkJob

__all__ = ["job"]

EVERYTHING = Selector(everything=True)


@pytest.fixture
def owner(services: Services, admin: Actor, create: Create) -> Actor:
    """The owner of acme and beta."""
    tenant_ids = tuple(begun(create, slug).tenant_id for slug in ("acme", "beta"))
    new = NewUser("s-owner", "owner@acme.test", "O")
    user = services.users.create(new, {"role": Role.OWNER, "tenant_ids": tenant_ids}, admin)
    return Actor(user, frozenset({"portal"}))


def without_beta(owner: Actor) -> Actor:
    return replace(owner, user=owner.user.limited_to(owner.user.tenant_ids[:1]))


def test_a_dry_run_names_no_tenant_that_its_author_no_longer_sees(services: Services, owner: Actor) -> None:
    bulk = services.bulk.dry_run(BulkAction.CANCEL, EVERYTHING, owner)
    assert {item.target.slug for item in services.bulk.get(bulk.id, owner).named} == {"acme", "beta"}
    assert {item.target.slug for item in services.bulk.get(bulk.id, without_beta(owner)).named} == {"acme"}


def test_a_start_leaves_out_tenants_that_its_token_no_longer_lists(
    store: Repositories, services: Services, owner: Actor, admin: Actor, job: BulkJob
) -> None:
    bulk = services.bulk.dry_run(BulkAction.CANCEL, EVERYTHING, owner)
    services.bulk.start(bulk.id, without_beta(owner))
    run(job, store, bulk.id)
    ended = services.bulk.get(bulk.id, admin)
    assert {item.target.slug: item.status for item in ended.named} == {
        "acme": ItemStatus.DONE,
        "beta": ItemStatus.REFUSED,
    }
    beta = services.tenants.get("beta", admin).operation
    assert beta is not None
    assert beta.status == "running"


def test_a_start_with_a_token_that_lists_fewer_rights_acts_only_within_them(
    store: Repositories, services: Services, owner: Actor, admin: Actor, job: BulkJob
) -> None:
    lesser = Rights(owner.user.tenant_ids, {owner.user.tenant_ids[0]: Role.OWNER})
    bulk = services.bulk.dry_run(BulkAction.RECONCILE, EVERYTHING, owner)
    services.bulk.start(bulk.id, replace(owner, user=replace(owner.user, rights=lesser)))
    run(job, store, bulk.id)
    results = {item.target.slug: item.status for item in services.bulk.get(bulk.id, admin).named}
    assert results["beta"] is ItemStatus.REFUSED
    # a platform administrator whose token lists no platform role has none of its powers
    bulk = services.bulk.dry_run(BulkAction.CANCEL, EVERYTHING, admin)
    demoted = replace(admin, user=replace(admin.user, rights=Rights(owner.user.tenant_ids)))
    services.bulk.start(bulk.id, demoted)
    run(job, store, bulk.id)
    assert set(services.bulk.get(bulk.id, admin).counts) == {ItemStatus.REFUSED}


def test_an_owner_cancels_no_suspension_by_a_dry_run_made_with_more_rights(
    store: Repositories, services: Services, owner: Actor, admin: Actor, job: BulkJob
) -> None:
    for slug in ("acme", "beta"):
        operation = services.tenants.get(slug, admin).operation
        assert operation is not None
        end(store, operation)
    services.lifecycle.suspend("acme", None, admin)
    bulk = services.bulk.dry_run(BulkAction.CANCEL, EVERYTHING, admin)
    assert bulk.total == 1
    narrowed = replace(admin, user=replace(admin.user, rights=owner.user.rights))
    services.bulk.start(bulk.id, narrowed)
    run(job, store, bulk.id)
    assert set(services.bulk.get(bulk.id, admin).counts) == {ItemStatus.REFUSED}


def test_a_dry_run_is_not_started_with_a_token_for_fewer_surfaces(services: Services, admin: Actor) -> None:
    bulk = services.bulk.dry_run(BulkAction.CANCEL, EVERYTHING, admin)
    fewer = replace(admin, surfaces=frozenset({"portal"}))
    with pytest.raises(Forbidden, match="surfaces"):
        services.bulk.start(bulk.id, fewer)
    assert services.bulk.start(bulk.id, admin).status is BulkStatus.RUNNING


def test_an_expired_dry_run_is_not_started_and_leaves_no_item(
    store: Repositories, services: Services, admin: Actor, owner: Actor
) -> None:
    bulk = services.bulk.dry_run(BulkAction.CANCEL, EVERYTHING, owner)
    assert bulk.total == 2
    database = store.connection.database
    kept = database["bulk_operations"].distinct("expiresAt")
    assert database["bulk_items"].distinct("expiresAt") == kept
    database["bulk_operations"].update_many({}, [{"$set": {"expiresAt": "$$NOW"}}])
    with pytest.raises(ActionNotPossible, match="make a new one"):
        services.bulk.start(bulk.id, owner)
