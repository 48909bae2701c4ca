"""A record that one job cannot read or write delays only itself: locked, or written by a newer release."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from bson import ObjectId
from prometheus_client import REGISTRY

from shared.application.parts import open_backfill, open_starter
from shared.bulk.model import BulkAction, BulkStatus, Selector
from shared.operations.dispatcher import Dispatcher
from shared.tenants.model import NewTenant, Status
from shared.webhooks.model import NewWebhook
from tests.platform_fixture import PlatformFixture
from worker.composition import open_bulk_job, open_ended_webhooks, open_outbox_relay, open_scheduler_loop
from worker.jobs.scheduler_loop import SchedulerLoop

MakePlatform = Callable[..., PlatformFixture]
UNKNOWN_ACTION = {"$set": {"action": "archive"}}


@contextmanager
def locked(platform: PlatformFixture, collection: str, record_id: str) -> Iterator[None]:
    """Lock a document, as a process that died within a transaction leaves it."""
    with platform.store.connection.client.start_session() as session, session.start_transaction():
        platform.rows[collection].update_one({"_id": ObjectId(record_id)}, {"$set": {"note": 1}}, session=session)
        yield
        session.abort_transaction()


def lifecycle_loop(platform: PlatformFixture, dispatcher: Dispatcher) -> SchedulerLoop:
    return open_scheduler_loop(
        platform.store, dispatcher, {"lifecycle": partial(platform.services.lifecycle.start_due, 200)}
    )


def deleted(platform: PlatformFixture, *slugs: str) -> None:
    """Delete new tenants, so that their purges are due, the first one's first."""
    for slug in slugs:
        platform.grown(slug)
        platform.finish(platform.services.lifecycle.delete(slug, platform.admin))
        time.sleep(0.02)


def purged(platform: PlatformFixture) -> set[str]:
    return {row["tenantSlug"] for row in platform.rows["operations"].find({"action": "purge"})}


def failures(job: str) -> float:
    return REGISTRY.get_sample_value("dezky_scheduler_job_failures_total", {"scheduler_job": job}) or 0


def test_an_operation_with_an_id_that_only_a_newer_release_knows_leaves_others_to_be_settled(
    make_platform: MakePlatform, dispatcher: Dispatcher
) -> None:
    platform = make_platform(dispatch_grace_seconds=0.05)
    for slug in ("acme", "beta"):
        view = platform.services.tenants.create(NewTenant(slug, slug.title(), "starter"), platform.admin)
        operation = platform.end_unsettled(view)
        if slug == "acme":
            newer = {"$set": {"found.stalwartRealmId": "r1"}}
            platform.rows["operations"].update_one({"_id": ObjectId(operation.id)}, newer)
        time.sleep(0.1)
    before = failures("settle")
    open_scheduler_loop(platform.store, dispatcher).run_once()
    assert platform.tenant("beta").status is Status.ACTIVE
    assert failures("settle") == before + 1


def test_a_tenant_whose_action_only_a_newer_release_knows_leaves_others_to_be_purged(
    make_platform: MakePlatform, dispatcher: Dispatcher
) -> None:
    platform = make_platform(delete_grace_days=0)
    deleted(platform, "acme", "beta")
    acme = platform.tenant("acme")
    platform.rows["operations"].update_one({"_id": ObjectId(acme.operation_id)}, UNKNOWN_ACTION)
    again = [{"$set": {"retryAt": "$$NOW"}}, {"$unset": "purgeAfter"}]
    platform.rows["tenants"].update_one({"slug": "acme"}, again)
    time.sleep(0.01)
    lifecycle_loop(platform, dispatcher).run_once()
    assert purged(platform) == {"beta"}


def test_a_tenant_that_a_dead_process_locked_leaves_others_to_be_purged(
    make_platform: MakePlatform, dispatcher: Dispatcher
) -> None:
    platform = make_platform(delete_grace_days=0)
    deleted(platform, "acme", "beta")
    with locked(platform, "tenants", platform.tenant("acme").id):
        lifecycle_loop(platform, dispatcher).run_once()
        assert purged(platform) == {"beta"}
    lifecycle_loop(platform, dispatcher).run_once()
    assert purged(platform) == {"acme", "beta"}


def test_a_webhook_that_a_dead_process_locked_leaves_others_to_get_their_events(make_platform: MakePlatform) -> None:
    platform = make_platform()
    webhooks = [
        platform.services.webhooks.create(NewWebhook(f"https://{name}.test/"), None, None, platform.admin)[0]
        for name in ("first", "second")
    ]
    relay = open_outbox_relay(platform.store, 7)
    with locked(platform, "webhooks", webhooks[0].id):
        platform.services.tenants.create(NewTenant("acme", "Acme", "starter"), platform.admin)
        relay.relay()
        assert set(platform.rows["deliveries"].distinct("webhookId")) == {webhooks[1].id}
    relay.relay()
    assert set(platform.rows["deliveries"].distinct("webhookId")) == {one.id for one in webhooks}


def test_an_ended_webhook_that_a_dead_process_locked_leaves_others_to_be_deleted(make_platform: MakePlatform) -> None:
    platform = make_platform()
    webhooks = [
        platform.services.webhooks.create(NewWebhook(f"https://{name}.test/"), None, None, platform.admin)[0]
        for name in ("first", "second")
    ]
    platform.rows["webhooks"].update_many({}, [{"$set": {"removeAt": "$$NOW"}}])
    time.sleep(0.01)
    with locked(platform, "webhooks", webhooks[0].id):
        assert open_ended_webhooks(platform.store).remove() == 1
    assert [str(row["_id"]) for row in platform.rows["webhooks"].find()] == [webhooks[0].id]


def test_a_bulk_operation_ends_though_it_fails_at_one_tenant(make_platform: MakePlatform) -> None:
    platform = make_platform(bulk_per_minute=6000)
    view = platform.services.tenants.create(NewTenant("acme", "Acme", "starter"), platform.admin)
    platform.grown("beta")
    bulk = platform.services.bulk.dry_run(BulkAction.RECONCILE, Selector(everything=True), platform.admin)
    platform.services.bulk.start(bulk.id, platform.admin)
    assert view.operation is not None
    platform.rows["operations"].update_one({"_id": ObjectId(view.operation.id)}, UNKNOWN_ACTION)
    open_bulk_job(platform.store, platform.services.bulk, platform.settings).run_once()
    ended = platform.services.bulk.get(bulk.id, platform.admin)
    assert ended.status is BulkStatus.FINISHED
    assert dict(ended.counts) == {"done": 1, "refused": 1}


def test_a_bulk_operation_of_an_action_that_only_a_newer_release_knows_is_left_to_it(
    make_platform: MakePlatform,
) -> None:
    platform = make_platform(bulk_per_minute=6000)
    for slug in ("acme", "beta"):
        platform.grown(slug)
    acme, beta = (
        platform.services.bulk.dry_run(BulkAction.RECONCILE, Selector(tenants=(slug,)), platform.admin)
        for slug in ("acme", "beta")
    )
    for bulk in (acme, beta):
        platform.services.bulk.start(bulk.id, platform.admin)
    platform.rows["bulk_operations"].update_one({"_id": ObjectId(acme.id)}, UNKNOWN_ACTION)
    assert open_bulk_job(platform.store, platform.services.bulk, platform.settings).run_once() == 1
    left = platform.services.bulk.get(acme.id, platform.admin)
    assert (left.status, dict(left.counts)) == (BulkStatus.RUNNING, {"pending": 1})
    assert platform.services.bulk.get(beta.id, platform.admin).status is BulkStatus.FINISHED


def test_a_tenant_at_which_a_backfill_fails_uses_up_no_others_rate(
    make_platform: MakePlatform, dispatcher: Dispatcher
) -> None:
    platform = make_platform(backfill_per_minute=10)
    for slug in ("acme", "beta"):
        platform.grown(slug)
    tenants, operations = platform.rows["tenants"], platform.rows["operations"]
    tenants.update_many({}, {"$unset": {"provisioningStatus.stalwart": ""}})
    # the one that comes first has an unsettled operation, with an id that only a newer release knows
    first = platform.store.backfill.candidates("stalwart", 1)[0]
    newer = {"$set": {"settled": False, "found.stalwartRealmId": "r1"}}
    operations.update_one({"_id": ObjectId(first.operation_id)}, newer)
    backfill = open_backfill(
        platform.store, open_starter(platform.store, dispatcher, platform.settings), platform.settings
    )
    assert backfill.run_once() == 0
    time.sleep(6.1)
    assert backfill.run_once() == 1


@pytest.mark.timeout(120)
def test_tenants_with_open_operations_delay_no_backfill_of_others(
    make_platform: MakePlatform, dispatcher: Dispatcher
) -> None:
    platform = make_platform(backfill_per_minute=6000)
    platform.grown("late")
    tenants = platform.rows["tenants"]
    view = platform.services.tenants.create(NewTenant("busy", "Busy", "starter"), platform.admin)
    busy = tenants.find_one({"slug": "busy"})
    assert busy is not None
    assert view.operation is not None
    operation = platform.rows["operations"].find_one({"_id": ObjectId(view.operation.id)})
    assert operation is not None
    for number in range(50):
        tenant_id, slug = ObjectId(), f"busy-{number}"
        copy = {"tenantId": str(tenant_id), "tenantSlug": slug}
        tenants.insert_one({**busy, "_id": tenant_id, "slug": slug, "domains": []})
        platform.rows["operations"].insert_one({**operation, **copy, "_id": ObjectId()})
    lacks = {"$unset": {"provisioningStatus.stalwart": ""}, "$set": {"status": "active"}}
    tenants.update_many({"slug": {"$ne": "busy"}}, lacks)
    starter = open_starter(platform.store, dispatcher, platform.settings)
    backfill = open_backfill(platform.store, starter, platform.settings)
    assert [backfill.run_once() for _ in range(2)] == [0, 1]
