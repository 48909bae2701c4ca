"""Bulk operations: selected by a dry run, run at a limited rate, with their author's current rights."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from shared.accounts.user import NewUser, PlatformRole, Rights, Role
from shared.application.services import Services
from shared.application.store import Repositories
from shared.bulk.model import BulkAction, BulkStatus, ItemStatus, Selector
from shared.config.settings import Settings
from shared.core.errors import ActionNotPossible, Forbidden, NotFound
from shared.integrations.outcomes import ok
from shared.operations.model import Operation
from shared.rights.policy import Actor
from shared.tenants.model import NewTenant, Owner
from shared.tenants.views import TenantView
from tests.attempts import expire
from tests.status.test_problems import LATER, REFUSED, attempt, begun, end
from worker.composition import open_bulk_job
from worker.jobs.bulk_operations import BulkJob

Create = Callable[..., TenantView]


@pytest.fixture
def job(store: Repositories, services: Services, make_settings: Callable[..., Settings]) -> BulkJob:
    return open_bulk_job(store, services.bulk, make_settings(bulk_per_minute=6000))


def run(job: BulkJob, store: Repositories, bulk_id: str) -> None:
    """Run the scheduler's bulk job until the bulk operation has ended."""
    for _ in range(300):
        job.run_once()
        bulk = store.bulk.find(bulk_id)
        assert bulk is not None
        if bulk.status is BulkStatus.FINISHED:
            return
    raise AssertionError(bulk)


def status_of(store: Repositories, operation: Operation) -> str:
    now = store.operations.find(operation.id)
    assert now is not None
    return now.status


def found(services: Services, actor: Actor, action: BulkAction, **criteria: Any) -> set[str]:
    bulk = services.bulk.dry_run(action, Selector(**criteria), actor)
    return {item.target.slug for item in bulk.named}


def test_a_dry_run_finds_its_tenants_and_changes_nothing(
    store: Repositories, services: Services, admin: Actor, create: Create, job: BulkJob
) -> None:
    end(store, begun(create), ocis=REFUSED)
    end(store, begun(create, "beta"))
    bulk = services.bulk.dry_run(BulkAction.RETRY, Selector(integration="ocis"), admin)
    assert (bulk.status, bulk.total) == (BulkStatus.DRY_RUN, 1)
    assert [(one.target.slug, one.target.steps) for one in bulk.named] == [("acme", ("ocis",))]
    assert job.run_once() == 0
    assert services.tenants.get("acme", admin).tenant.provisioning_status["ocis"] == "error"


def test_a_tenant_is_found_only_if_it_meets_every_criterion(
    store: Repositories, services: Services, admin: Actor, create: Create
) -> None:
    end(store, begun(create), ocis=REFUSED)
    retry = BulkAction.RETRY
    for kind in ("retrying", "paused", "deferred"):
        assert found(services, admin, retry, kind=kind) == set()
        assert found(services, admin, retry, kind=kind, integration="ocis") == set()
    assert found(services, admin, retry, kind="failed", integration="ocis", reason="taken") == {"acme"}
    # kind and reason are those of one problem
    mixed = begun(create, "beta")
    attempt(store, mixed, "stalwart", LATER)
    attempt(store, mixed, "ocis", REFUSED)
    assert found(services, admin, BulkAction.CANCEL, kind="failed", reason=REFUSED.reason) == {"beta"}
    assert found(services, admin, BulkAction.CANCEL, kind="failed", reason=LATER.reason) == set()


def test_a_started_retry_runs_the_failed_steps_again_and_keeps_its_progress_and_events(
    store: Repositories, services: Services, admin: Actor, create: Create, job: BulkJob
) -> None:
    operations = {slug: begun(create, slug) for slug in ("acme", "beta", "gamma")}
    for slug, operation in operations.items():
        end(store, operation, **({} if slug == "gamma" else {"ocis": REFUSED}))
    bulk = services.bulk.dry_run(BulkAction.RETRY, Selector(reason="taken"), admin)
    assert services.bulk.start(bulk.id, admin).status is BulkStatus.RUNNING
    rows = store.connection.database
    [kept] = rows["bulk_operations"].distinct("expiresAt")
    assert all(end >= kept for end in rows["bulk_items"].distinct("expiresAt"))
    run(job, store, bulk.id)
    ended = services.bulk.get(bulk.id, admin)
    assert (ended.counts, ended.total) == ({ItemStatus.DONE: 2}, 2)
    for slug in ("acme", "beta"):
        attempt(store, operations[slug], "ocis", ok())
        assert status_of(store, operations[slug]) == "succeeded"
    feed = services.events.newest(admin, None, None, 50).items
    actions = [one.action for one in reversed(feed) if one.action.startswith(("bulk.", "operation.retry"))]
    assert actions == ["bulk.started", "operation.retry", "operation.retry", "bulk.finished"]


def test_a_bulk_operation_that_is_started_twice_runs_once(
    store: Repositories, services: Services, admin: Actor, create: Create, job: BulkJob
) -> None:
    end(store, begun(create), ocis=REFUSED)
    bulk = services.bulk.dry_run(BulkAction.RETRY, Selector(everything=True), admin)
    services.bulk.start(bulk.id, admin)
    run(job, store, bulk.id)
    assert services.bulk.start(bulk.id, admin).status is BulkStatus.FINISHED
    assert job.run_once() == 0


def test_cancel_stops_open_operations_and_reconcile_starts_new_ones(
    store: Repositories, services: Services, admin: Actor, create: Create, job: BulkJob
) -> None:
    operation = begun(create)
    attempt(store, operation, "stalwart", LATER)
    end(store, begun(create, "beta"))
    cancel = services.bulk.dry_run(BulkAction.CANCEL, Selector(kind="retrying"), admin)
    services.bulk.start(cancel.id, admin)
    run(job, store, cancel.id)
    assert status_of(store, operation) == "cancelled"
    again = services.bulk.dry_run(BulkAction.RECONCILE, Selector(tenants=("beta",)), admin)
    services.bulk.start(again.id, admin)
    run(job, store, again.id)
    latest = services.tenants.get("beta", admin).operation
    assert latest is not None
    assert (latest.action, latest.requested_by) == ("reconcile", admin.user.id)


def test_an_action_that_became_impossible_is_refused_with_its_reason_and_others_continue(
    store: Repositories, services: Services, admin: Actor, create: Create, job: BulkJob
) -> None:
    operation = begun(create)
    begun(create, "beta")
    bulk = services.bulk.dry_run(BulkAction.CANCEL, Selector(everything=True), admin)
    end(store, operation)
    services.bulk.start(bulk.id, admin)
    run(job, store, bulk.id)
    ended = services.bulk.get(bulk.id, admin)
    assert ended.counts == {ItemStatus.DONE: 1, ItemStatus.REFUSED: 1}
    assert [(one.target.slug, "already ended" in (one.detail or "")) for one in ended.named[:1]] == [("acme", True)]


def test_a_tenant_that_a_dead_scheduler_claimed_is_claimed_again(
    store: Repositories, services: Services, admin: Actor, create: Create, job: BulkJob
) -> None:
    begun(create)
    bulk = services.bulk.dry_run(BulkAction.CANCEL, Selector(everything=True), admin)
    services.bulk.start(bulk.id, admin)
    assert store.bulk.claim(bulk.id, 0) is not None
    run(job, store, bulk.id)
    assert services.bulk.get(bulk.id, admin).counts == {ItemStatus.DONE: 1}


def test_the_rate_of_a_bulk_operation_is_limited(
    store: Repositories, services: Services, admin: Actor, create: Create, make_settings: Callable[..., Settings]
) -> None:
    for slug in ("acme", "beta", "gamma"):
        begun(create, slug)
    bulk = services.bulk.dry_run(BulkAction.CANCEL, Selector(everything=True), admin)
    services.bulk.start(bulk.id, admin)
    slow = open_bulk_job(store, services.bulk, make_settings(bulk_per_minute=1))
    assert sum(slow.run_once() for _ in range(3)) <= 1


def test_a_stopped_bulk_operation_begins_nothing_more(
    store: Repositories, services: Services, admin: Actor, create: Create, job: BulkJob
) -> None:
    operations = {slug: begun(create, slug) for slug in ("acme", "beta", "gamma")}
    bulk = services.bulk.dry_run(BulkAction.CANCEL, Selector(everything=True), admin)
    services.bulk.start(bulk.id, admin)
    under_way, overtaken = (store.bulk.claim(bulk.id, 60) for _ in range(2))
    assert under_way is not None
    assert overtaken is not None
    for _ in range(2):
        stopped = services.bulk.stop(bulk.id, admin)
        assert (stopped.status, stopped.counts) == (BulkStatus.STOPPED, {ItemStatus.SKIPPED: 3})
    assert stopped.finished_at is not None
    # a scheduler of an older release does not look at the bulk operation's state, and it records what it had begun
    assert store.bulk.claim(bulk.id, 60) is None
    store.bulk.record(under_way, ItemStatus.DONE, None)
    services.bulk.act(overtaken)
    assert job.run_once() == 0
    assert services.bulk.get(bulk.id, admin).counts == {ItemStatus.DONE: 1, ItemStatus.SKIPPED: 2}
    assert {status_of(store, one) for one in operations.values()} == {"running"}
    feed = [one.action for one in services.events.newest(admin, None, None, 50).items]
    assert [one for one in feed if one.startswith("bulk.")] == ["bulk.stopped", "bulk.started"]


def test_a_process_dies_while_it_stops_a_bulk_operation(
    store: Repositories, services: Services, admin: Actor, create: Create
) -> None:
    begun(create)
    bulk = services.bulk.dry_run(BulkAction.CANCEL, Selector(everything=True), admin)
    # only the first of the two writes of a stop
    assert store.connection.transaction(partial(store.bulk.stop, bulk.id))
    assert services.bulk.get(bulk.id, admin).counts == {ItemStatus.SKIPPED: 1}


def test_a_stopped_dry_run_cannot_be_started_and_a_finished_bulk_operation_not_be_stopped(
    store: Repositories, services: Services, admin: Actor, create: Create, job: BulkJob
) -> None:
    begun(create)
    first, second = (services.bulk.dry_run(BulkAction.CANCEL, Selector(everything=True), admin) for _ in range(2))
    services.bulk.stop(first.id, admin)
    with pytest.raises(ActionNotPossible):
        services.bulk.start(first.id, admin)
    services.bulk.start(second.id, admin)
    run(job, store, second.id)
    with pytest.raises(ActionNotPossible, match="already finished"):
        services.bulk.stop(second.id, admin)


def test_a_bulk_operation_of_many_tenants_does_not_hold_up_a_later_one(
    store: Repositories, services: Services, admin: Actor, create: Create, make_settings: Callable[..., Settings]
) -> None:
    slugs = tuple(f"acme{number}" for number in range(12))
    for slug in slugs:
        end(store, begun(create, slug))
    begun(create, "urgent")
    long = services.bulk.dry_run(BulkAction.RECONCILE, Selector(tenants=slugs), admin)
    services.bulk.start(long.id, admin)
    short = services.bulk.dry_run(BulkAction.CANCEL, Selector(tenants=("urgent",)), admin)
    services.bulk.start(short.id, admin)
    slow = open_bulk_job(store, services.bulk, make_settings(bulk_per_minute=1))
    while services.bulk.get(short.id, admin).counts != {ItemStatus.DONE: 1}:
        assert services.bulk.get(long.id, admin).counts.get(ItemStatus.PENDING)
        # each run may act on one tenant
        store.connection.database["paces"].update_many({}, [{"$set": {"nextAt": "$$NOW"}}])
        time.sleep(0.005)
        slow.run_once()


@pytest.mark.parametrize("stop", ["pause", "observe"])
def test_a_pause_of_everything_stops_a_bulk_operation_but_none_that_cancels(
    store: Repositories, services: Services, admin: Actor, create: Create, job: BulkJob, stop: str
) -> None:
    end(store, begun(create), ocis=REFUSED)
    end(store, begun(create, "beta"))
    begun(create, "gamma")
    retry = services.bulk.dry_run(BulkAction.RETRY, Selector(tenants=("acme",)), admin)
    reconcile = services.bulk.dry_run(BulkAction.RECONCILE, Selector(tenants=("beta",)), admin)
    cancel = services.bulk.dry_run(BulkAction.CANCEL, Selector(tenants=("gamma",)), admin)
    for bulk in (retry, reconcile, cancel):
        services.bulk.start(bulk.id, admin)
    if stop == "pause":
        services.switches.pause("all", "it was the wrong selector", admin)
    else:
        services.observe_only.begin("a backup was restored", admin)
    run(job, store, cancel.id)
    for bulk in (retry, reconcile):
        assert services.bulk.get(bulk.id, admin).counts == {ItemStatus.PENDING: 1}
    if stop == "pause":
        services.switches.resume("all", admin)
    else:
        services.observe_only.end(admin)
    for bulk in (retry, reconcile):
        run(job, store, bulk.id)
        assert services.bulk.get(bulk.id, admin).counts == {ItemStatus.DONE: 1}


def test_a_bulk_operation_gives_no_more_rights_than_single_requests(
    store: Repositories, services: Services, admin: Actor, create: Create, job: BulkJob
) -> None:
    for slug in ("acme", "beta"):
        end(store, begun(create, slug), ocis=REFUSED)
    tenant = services.tenants.get("acme", admin).tenant
    people = {
        role: services.users.create(
            NewUser(f"s-{role}", f"{role}@acme.test", "O"), {"role": role, "tenant_ids": (tenant.id,)}, admin
        )
        for role in (Role.OWNER, Role.MEMBER)
    }
    owner, member = (Actor(people[role], frozenset({"portal"})) for role in (Role.OWNER, Role.MEMBER))
    assert found(services, owner, BulkAction.RETRY, everything=True) == {"acme"}
    assert found(services, owner, BulkAction.RECONCILE, tenants=("acme", "beta")) == {"acme"}
    assert found(services, member, BulkAction.RETRY, everything=True) == set()
    bulk = services.bulk.dry_run(BulkAction.RETRY, Selector(everything=True), owner)
    with pytest.raises(NotFound):
        services.bulk.get(bulk.id, member)
    services.bulk.start(bulk.id, owner)
    support = replace(admin, user=replace(admin.user, id="0" * 24, rights=Rights(platform_role=PlatformRole.SUPPORT)))
    for other, refusal in ((member, NotFound), (support, Forbidden)):
        with pytest.raises(refusal):
            services.bulk.stop(bulk.id, other)
    # the right is revoked before the scheduler runs the operation
    services.users.change(people[Role.OWNER].id, {"tenant_ids": ()}, admin, None)
    run(job, store, bulk.id)
    assert services.bulk.get(bulk.id, admin).counts == {ItemStatus.REFUSED: 1}


def test_a_selector_without_criteria_selects_no_tenant(
    services: Services, admin: Actor, create: Callable[..., TenantView]
) -> None:
    create("acme")
    assert services.bulk.dry_run(BulkAction.RECONCILE, Selector(), admin).total == 0
    assert services.bulk.dry_run(BulkAction.RECONCILE, Selector(everything=True), admin).total > 0


@pytest.mark.parametrize(
    ("text", "slugs"),
    [
        ("acm", {"acme"}),
        ("GmbH", {"acme"}),
        ("Bäck", {"beta"}),
        ("beta.te", {"beta"}),
        ("owner@be", {"beta"}),
        ("resell", {"acme"}),
        (".", set()),
    ],
)
def test_tenants_are_found_by_slug_name_domain_owner_and_partner(
    services: Services, admin: Actor, text: str, slugs: set[str]
) -> None:
    from shared.tenants.views import TenantQuery

    partner = services.partners.create("reseller", "R", admin)
    services.tenants.create(NewTenant("acme", "ACME GmbH", "starter", (), partner_id=partner.id), admin)
    owner = Owner("Owner@beta.test", "O")
    services.tenants.create(NewTenant("beta", "Beta Bäckerei", "starter", ("beta.test",), owner=owner), admin)
    page = services.tenants.page(admin, TenantQuery(search=text))
    assert {view.tenant.slug for view in page.items} == slugs
    assert len(services.tenants.page(admin, TenantQuery(partner="reseller")).items) == 1
    assert services.tenants.page(admin, TenantQuery(partner="nobody")).items == ()


def test_a_cancelled_operation_is_retried_only_when_the_selector_says_so(
    store: Repositories, services: Services, admin: Actor, create: Create, job: BulkJob
) -> None:
    stopped, failing = begun(create), begun(create, "beta")
    services.operations.cancel(stopped.id, admin)
    attempt(store, failing, "ocis", REFUSED)
    assert found(services, admin, BulkAction.RETRY, everything=True) == {"beta"}
    assert found(services, admin, BulkAction.RETRY, reason="cancelled") == {"acme"}
    bulk = services.bulk.dry_run(BulkAction.RETRY, Selector(everything=True), admin)
    services.operations.cancel(failing.id, admin)
    services.bulk.start(bulk.id, admin)
    run(job, store, bulk.id)
    assert status_of(store, failing) == "cancelled"


def test_a_bulk_retry_says_which_steps_it_started_again(
    store: Repositories, services: Services, admin: Actor, create: Create, job: BulkJob
) -> None:
    for slug in ("acme", "beta"):
        end(store, begun(create, slug), ocis=REFUSED, stalwart=REFUSED)
    bulk = services.bulk.dry_run(BulkAction.RETRY, Selector(everything=True), admin)
    beta = services.tenants.get("beta", admin).operation
    assert beta is not None
    for step in ("ocis", "stalwart"):
        services.operations.retry(beta.id, step, admin)
    services.bulk.start(bulk.id, admin)
    run(job, store, bulk.id)
    details = {one.target.slug: one.detail or "" for one in services.bulk.get(bulk.id, admin).named}
    assert "stalwart" in details["acme"]
    assert "ocis" in details["acme"]
    assert "Nothing was started" in details["beta"]


def test_a_bulk_retry_of_steps_past_their_deadline_also_runs_the_later_stage(
    store: Repositories, services: Services, admin: Actor, job: BulkJob
) -> None:
    new = NewTenant("acme", "Acme", "starter", (), owner=Owner("olga@home.test", "Olga"))
    operation = services.tenants.create(new, admin).operation
    assert operation is not None
    attempt(store, operation, "authentik", ok())
    attempt(store, operation, "ocis", ok())
    expire(store, operation)
    bulk = services.bulk.dry_run(BulkAction.RETRY, Selector(reason="deadline"), admin)
    assert [one.target.steps for one in bulk.named] == [("stalwart",)]
    services.bulk.start(bulk.id, admin)
    run(job, store, bulk.id)
    (item,) = services.bulk.get(bulk.id, admin).named
    assert (item.status, item.detail) == (ItemStatus.DONE, "Started again: stalwart.")
    attempt(store, operation, "stalwart", ok())
    attempt(store, operation, "access", ok())
    assert status_of(store, operation) == "succeeded"


def test_a_scheduler_that_dies_before_the_record_starts_no_second_reconcile(
    store: Repositories, services: Services, admin: Actor, create: Create, job: BulkJob
) -> None:
    end(store, begun(create))
    user = replace(admin, request_id="request-of-the-dry-run")
    bulk = services.bulk.dry_run(BulkAction.RECONCILE, Selector(everything=True), user)
    services.bulk.start(bulk.id, admin)
    item = store.bulk.claim(bulk.id, 60)
    started = store.bulk.find(bulk.id)
    assert item is not None
    assert started is not None
    services.bulk._run_action(started, item.target, user)
    reconcile = services.tenants.get("acme", admin).operation
    assert reconcile is not None
    end(store, reconcile)
    rows = store.connection.database
    rows["bulk_items"].update_many({}, [{"$set": {"dueAt": "$$NOW"}}])
    run(job, store, bulk.id)
    assert services.bulk.get(bulk.id, admin).counts == {ItemStatus.DONE: 1}
    assert rows["operations"].count_documents({"action": "reconcile"}) == 1
    # another bulk operation of the same request reconciles the tenant again
    second = services.bulk.dry_run(BulkAction.RECONCILE, Selector(everything=True), user)
    services.bulk.start(second.id, admin)
    run(job, store, second.id)
    assert rows["operations"].count_documents({"action": "reconcile"}) == 2
