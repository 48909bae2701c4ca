"""Tenants older than billing are backfilled by the scheduler at a limited rate, one operation at a time."""

from __future__ import annotations

import time
from collections.abc import Callable

from shared.application.parts import open_backfill, open_starter
from shared.config.settings import Settings
from shared.db.connection import open_database
from shared.db.documents import Document
from shared.operations.dispatcher import Dispatcher
from shared.operations.model import Operation
from shared.provisioning.backfill import Backfill
from shared.tenants.backfill_repository import candidate_conditions
from shared.tenants.model import Status
from shared.tenants.views import TenantView
from shared.workflows.model import Action
from tests.billing.tenancy import Tenancy


def backfill(tenancy: Tenancy, dispatcher: Dispatcher, per_minute: float = 6000) -> Backfill:
    settings: Settings = tenancy.settings.model_copy(update={"backfill_per_minute": per_minute})
    return open_backfill(tenancy.store, open_starter(tenancy.store, dispatcher, settings), settings)


def ended(tenancy: Tenancy, view: TenantView) -> TenantView:
    """Run the tenant's open operation to its end by workers without any integration."""
    runner = tenancy.make({})
    for _ in range(2):  # stages
        operation = tenancy.seen(view)
        for step in operation.steps:
            runner.run(operation.id, step.name, operation.dispatch)
    assert not tenancy.seen(view).is_open
    return view


def test_a_tenant_from_before_billing_gets_one_reconcile_with_its_reason(
    tenancy: Tenancy, dispatcher: Dispatcher, create: Callable[..., TenantView]
) -> None:
    view = ended(tenancy, create("acme"))
    assert "billing" not in tenancy.tenant().tenant.provisioning_status
    backfill_job = backfill(tenancy, dispatcher)
    assert (backfill_job.run_once(), backfill_job.run_once()) == (1, 0)
    started = tenancy.tenant()
    assert started.operation is not None
    assert started.operation.action is Action.RECONCILE
    assert started.operation.request_id.startswith("backfill-billing-")
    assert started.tenant.provisioning_status["billing"] == "pending"
    (event,) = tenancy.events(view, "tenant.reconcile")
    assert event.after["reason"] == "billing was not configured before"
    assert tenancy.billed(started).status == "ok"
    assert tenancy.record(view).stripe_subscription_id is not None
    assert backfill_job.run_once() == 0


def test_steps_skipped_for_lack_of_the_key_are_backfilled_and_others_are_not(
    tenancy: Tenancy, dispatcher: Dispatcher
) -> None:
    ended(tenancy, tenancy.create("keyless"))
    priceless = tenancy.create("priceless", plan="enterprise")
    assert tenancy.billed(priceless).reason == "no_price"
    assert backfill(tenancy, dispatcher).run_once() == 1
    assert tenancy.tenant("keyless").tenant.provisioning_status["billing"] == "pending"
    assert tenancy.tenant("priceless").tenant.provisioning_status["billing"] == "skipped"


def test_workers_that_still_lack_the_key_do_not_repeat_the_backfill(tenancy: Tenancy, dispatcher: Dispatcher) -> None:
    ended(tenancy, tenancy.create())
    backfill_job = backfill(tenancy, dispatcher)
    assert backfill_job.run_once() == 1
    ended(tenancy, tenancy.tenant())
    assert backfill_job.run_once() == 0


def test_all_schedulers_share_the_backfills_rate_and_zero_disables_it(
    tenancy: Tenancy, dispatcher: Dispatcher, create: Callable[..., TenantView]
) -> None:
    for number in range(4):
        ended(tenancy, create(f"acme-{number}"))
    assert backfill(tenancy, dispatcher, 0).run_once() == 0
    slow = [backfill(tenancy, dispatcher, 0.1) for _ in range(3)]
    assert sum(one.run_once() for one in slow) == 1


def test_a_tenant_that_is_closed_or_has_an_open_operation_is_not_backfilled(
    tenancy: Tenancy, dispatcher: Dispatcher, create: Callable[..., TenantView]
) -> None:
    create("busy")
    ended(tenancy, create("closed"))
    ended(tenancy, tenancy.services.lifecycle.suspend("closed", "unpaid", tenancy.admin))
    assert tenancy.tenant("closed").tenant.status is Status.SUSPENDED
    assert backfill(tenancy, dispatcher).run_once() == 0


def test_the_search_for_tenants_to_backfill_scans_no_collection(tenancy: Tenancy) -> None:
    rows = open_database(tenancy.store.connection.client, tenancy.settings.mongodb_database)["tenants"]
    for condition in candidate_conditions("billing"):
        plan: Document = rows.find(condition).limit(50).explain()
        assert "COLLSCAN" not in str(plan["queryPlanner"]["winningPlan"])


def test_two_schedulers_at_once_start_one_reconcile(
    tenancy: Tenancy, dispatcher: Dispatcher, create: Callable[..., TenantView]
) -> None:
    view = ended(tenancy, create("acme"))
    assert sum(one.run_once() for one in [backfill(tenancy, dispatcher) for _ in range(2)]) == 1
    assert len(tenancy.services.operations.page("acme", tenancy.admin, 10, None).items) == 2
    assert len(tenancy.events(view, "tenant.reconcile")) == 1


def test_a_tenant_that_another_scheduler_backfilled_is_not_reconciled_again(
    tenancy: Tenancy, dispatcher: Dispatcher, create: Callable[..., TenantView]
) -> None:
    slugs = {"acme", "globex"}
    for slug in slugs:
        ended(tenancy, create(slug))
    backfill_job, done = backfill(tenancy, dispatcher), []

    class Slow(Dispatcher):
        """Delay the job after its first tenant, while another backfills the second."""

        def publish(self, operation: Operation) -> bool:
            done.append(operation.tenant_slug)
            if len(done) == 1:
                time.sleep(0.05)
                assert backfill_job.run_once() == 1
                ended(tenancy, tenancy.tenant(*slugs.difference(done)))
                time.sleep(0.05)
            return False

    assert backfill(tenancy, Slow(tenancy.settings.broker)).run_once() == 1
    for slug in slugs:
        assert len(tenancy.services.operations.page(slug, tenancy.admin, 10, None).items) == 2
