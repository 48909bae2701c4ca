"""The billing steps keep one customer and one subscription per tenant through its lifecycle and all faults."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from shared.application.parts import open_billing_service
from shared.billing.model import Bill
from shared.core.errors import ActionNotPossible, OperationInProgress
from shared.operations.model import Mode, Operation, OperationStatus
from shared.operations.repository import OperationRepository
from shared.subscriptions.model import SubscriptionStatus
from shared.tenants.model import BillingInfo, NewTenant, Status
from shared.tenants.views import TenantView
from tests.billing.stripe_control import KEY, control
from tests.billing.tenancy import Tenancy
from tests.platform_fixture import PlatformFixture
from tests.simulators import fault, writes
from worker.integrations.stripe.client import connect


def test_a_new_tenant_gets_one_customer_and_one_subscription_and_both_are_on_record(
    tenancy: Tenancy,
) -> None:
    view = tenancy.set_up()
    tenant = tenancy.tenant().tenant
    assert (tenant.status, tenant.provisioning_status["billing"]) == (Status.ACTIVE, "ok")
    (upstream,) = tenancy.upstream()
    assert upstream["metadata"] == {"dezky_tenant": view.tenant.id}
    record = tenancy.record(view)
    assert record.stripe_subscription_id == upstream["id"]
    assert record.stripe_customer_id == upstream["customer"]
    assert (record.status, record.current_period_end is not None) == (SubscriptionStatus.PAST_DUE, True)
    (event,) = tenancy.events(view, "subscription.changed")
    assert event.after["stripeSubscriptionId"] == upstream["id"]


def test_the_first_attempt_writes_the_billing_information_of_a_new_tenant_to_stripe(tenancy: Tenancy) -> None:
    new = NewTenant("acme", "Acme", "starter", billing_info=BillingInfo("Acme GmbH", email="bills@acme.test"))
    assert tenancy.billed(tenancy.services.tenants.create(new, tenancy.admin), times=1).status == "ok"
    (customer,) = tenancy.server.objects.customers.values()
    assert customer["email"] == "bills@acme.test"


def test_a_reconcile_changes_nothing_and_a_dry_run_lists_the_changes(tenancy: Tenancy) -> None:
    view = tenancy.create()
    tenancy.run(view, client=None)
    before = writes(tenancy.server)
    assert tenancy.billed(tenancy.reconcile()).status == "ok"
    assert writes(tenancy.server) == before
    tenancy.server.reset()
    planned = tenancy.billed(tenancy.reconcile(mode=Mode.DRY_RUN))
    assert planned.changes == (
        "create a customer for Acme",
        "set the details on the invoices of Acme",
        "begin a subscription at the price price_starter",
    )
    assert writes(tenancy.server) == before


def test_without_stripe_nothing_of_billing_is_seen(create: Callable[..., TenantView]) -> None:
    view = create("acme")
    assert view.operation is not None
    assert "billing" not in view.tenant.provisioning_status
    assert "billing" not in {step.name for step in view.operation.steps}


def test_workers_without_the_key_skip_the_step_with_its_reason(tenancy: Tenancy) -> None:
    view = tenancy.create()
    runner = tenancy.make({})
    runner.run(tenancy.seen(view).id, "billing", 1)
    step = tenancy.seen(view).step("billing")
    assert (step.status, step.reason) == ("skipped", "not_configured")


def end_on(tenancy: Tenancy, *, days: int) -> datetime:
    """Set a date for the end of the only subscription, as a person does; `days` from the start of its period."""
    (upstream,) = tenancy.upstream()
    begin = datetime.fromtimestamp(upstream["items"]["data"][0]["current_period_start"], UTC)
    date = begin + timedelta(days=days)
    tenancy.server.objects.update_subscription(upstream["id"], {"cancel_at": str(int(date.timestamp()))})
    return date


def move(tenancy: Tenancy, plan: str) -> TenantView:
    return tenancy.services.tenants.change("acme", {"plan": plan}, tenancy.admin, None)


def test_a_plan_without_a_price_is_not_billed(tenancy: Tenancy) -> None:
    step = tenancy.billed(tenancy.create(plan="enterprise"))
    assert (step.status, step.reason) == ("skipped", "no_price")
    assert tenancy.upstream() == []


def test_a_subscription_ends_with_its_period_when_the_new_plan_has_no_price(tenancy: Tenancy) -> None:
    view = tenancy.set_up()
    step = tenancy.billed(move(tenancy, "enterprise"))
    assert (step.status, step.reason) == ("skipped", "no_price")
    assert step.notes == {"subscription": "ends with its period"}
    (upstream,) = tenancy.upstream()
    assert (upstream["cancel_at_period_end"], tenancy.record(view).plan) == (True, "enterprise")
    assert tenancy.billed(tenancy.reconcile()).changes == ()


def test_a_plan_with_a_price_continues_what_ended_for_one_without(tenancy: Tenancy) -> None:
    view = tenancy.set_up()
    tenancy.billed(move(tenancy, "enterprise"))
    assert tenancy.billed(move(tenancy, "business")).status == "ok"
    (upstream,) = tenancy.upstream()
    assert (upstream["cancel_at_period_end"], upstream["metadata"]) == (False, {"dezky_tenant": view.tenant.id})
    assert upstream["items"]["data"][0]["price"]["id"] == "price_business"
    assert tenancy.record(view).plan == "business"


def test_a_plan_with_a_price_begins_a_subscription_when_the_former_has_ended_for_one_without(tenancy: Tenancy) -> None:
    view = tenancy.set_up()
    tenancy.billed(move(tenancy, "enterprise"))
    control(tenancy.server, "set_status", subscription=tenancy.upstream()[0]["id"], status="canceled")
    assert tenancy.billed(tenancy.reconcile()).reason == "no_price"
    assert tenancy.record(view).status is SubscriptionStatus.CANCELED
    assert tenancy.billed(move(tenancy, "starter")).status == "ok"
    assert [one["status"] for one in tenancy.upstream()] == ["canceled", "incomplete"]
    assert tenancy.record(view).stripe_subscription_id == tenancy.upstream()[1]["id"]


def test_a_subscription_that_a_person_ended_stays_ended_through_a_plan_without_a_price(tenancy: Tenancy) -> None:
    tenancy.set_up()
    tenancy.client.end_with_period(tenancy.upstream()[0]["id"])
    tenancy.billed(move(tenancy, "enterprise"))
    assert tenancy.billed(move(tenancy, "starter")).notes["ends"] == "with its period"


def test_a_date_that_a_person_set_for_the_end_is_noted_and_stays(tenancy: Tenancy) -> None:
    tenancy.set_up()
    date = end_on(tenancy, days=400)
    step = tenancy.billed(tenancy.reconcile())
    assert (step.notes["ends"], step.changes) == (f"on {date:%Y-%m-%d}", ())
    assert tenancy.upstream()[0]["cancel_at"] == date.timestamp()


def test_a_date_at_the_end_of_the_period_is_an_end_with_the_period(tenancy: Tenancy) -> None:
    """So Stripe's customer portal writes it."""
    tenancy.set_up()
    end_on(tenancy, days=30)
    assert tenancy.billed(tenancy.reconcile()).notes["ends"] == "with its period"
    before = writes(tenancy.server)
    assert tenancy.billed(move(tenancy, "enterprise")).notes == {"subscription": "ends with its period"}
    assert tenancy.billed(move(tenancy, "starter")).notes["ends"] == "with its period"
    assert writes(tenancy.server) == before, "a person ended it, so it stays so"


def test_a_later_date_gives_way_to_the_end_of_the_period_when_the_new_plan_has_no_price(tenancy: Tenancy) -> None:
    tenancy.set_up()
    end_on(tenancy, days=400)
    assert tenancy.billed(move(tenancy, "enterprise")).notes == {"subscription": "ends with its period"}
    (upstream,) = tenancy.upstream()
    assert upstream["cancel_at"] == upstream["items"]["data"][0]["current_period_end"]


def test_a_price_that_no_plan_has_stays_and_is_noted_when_the_plan_has_none(tenancy: Tenancy) -> None:
    tenancy.set_up()
    tenancy.billed(move(tenancy, "enterprise"))
    (upstream,) = tenancy.upstream()
    upstream |= {"cancel_at_period_end": False, "cancel_at": None}
    upstream["items"]["data"][0]["price"]["id"] = "price_agreed"
    step = tenancy.billed(tenancy.reconcile())
    assert (step.reason, step.changes) == ("no_price", ())
    assert "price_agreed" in step.notes["subscription"]
    tenancy.billed(tenancy.services.lifecycle.delete("acme", tenancy.admin))
    assert upstream["cancel_at_period_end"] is True
    tenancy.billed(tenancy.services.lifecycle.restore("acme", tenancy.admin))
    assert upstream["cancel_at_period_end"] is False


def test_the_record_gets_a_plan_without_a_price_though_stripe_has_nothing_of_the_tenant(tenancy: Tenancy) -> None:
    view = tenancy.create(plan="enterprise")
    tenancy.billed(view)
    tenancy.services.subscriptions.change(tenancy.record(view).id, {"plan": "starter"}, tenancy.admin, None)
    assert tenancy.billed(tenancy.reconcile()).reason == "no_price"
    assert tenancy.record(view).plan == "enterprise"


def test_another_plan_and_another_address_reach_stripe(tenancy: Tenancy) -> None:
    view = tenancy.set_up()
    info = {"company": "Acme GmbH", "email": "bills@acme.test", "address": {"city": "Wien"}}
    changed = tenancy.services.tenants.change("acme", {"plan": "business", "billing_info": info}, tenancy.admin, None)
    assert tenancy.billed(changed).status == "ok"
    (upstream,) = tenancy.upstream()
    assert upstream["items"]["data"][0]["price"]["id"] == "price_business"
    assert tenancy.record(view).plan == "business"
    (customer,) = tenancy.server.objects.customers.values()
    assert (customer["name"], customer["email"], customer["address"]["city"]) == (
        *("Acme GmbH", "bills@acme.test"),
        "Wien",
    )
    later = tenancy.services.tenants.change("acme", {"billing_info": {"email": "new@acme.test"}}, tenancy.admin, None)
    assert tenancy.billed(later).status == "ok"
    assert customer["email"] == "new@acme.test"
    assert isinstance(tenancy.tenant().tenant.billing_info, BillingInfo)


def test_removed_billing_information_leaves_stripe_and_what_people_wrote_there_stays_without_any(
    tenancy: Tenancy,
) -> None:
    tenancy.set_up()
    (customer,) = tenancy.server.objects.customers.values()
    customer["email"] = "by-hand@acme.test"
    tenancy.billed(tenancy.services.tenants.change("acme", {"name": "Acme AG"}, tenancy.admin, None))
    assert (customer["name"], customer["email"]) == ("Acme AG", "by-hand@acme.test")
    info = {"company": "Old", "email": "old@acme.test", "vat_id": "DE123456789", "address": {"city": "Bonn"}}
    tenancy.billed(tenancy.services.tenants.change("acme", {"billing_info": info}, tenancy.admin, None))
    tenancy.billed(tenancy.services.tenants.change("acme", {"billing_info": None}, tenancy.admin, None))
    assert (customer["name"], customer["email"], any(customer["address"].values())) == ("Acme AG", None, False)
    assert tenancy.server.objects.tax_ids == {}
    assert tenancy.billed(tenancy.reconcile()).changes == ()


def test_an_address_with_an_international_domain_reaches_stripe_as_a_labels_and_is_no_drift(tenancy: Tenancy) -> None:
    tenancy.set_up()
    info = {"email": "bills@müller.example"}
    changed = tenancy.services.tenants.change("acme", {"billing_info": info}, tenancy.admin, None)
    assert tenancy.billed(changed).status == "ok"
    (customer,) = tenancy.server.objects.customers.values()
    assert customer["email"] == "bills@xn--mller-kva.example"
    assert tenancy.billed(tenancy.reconcile()).changes == ()


def test_a_stored_address_that_stripe_does_not_accept_is_named_with_a_remedy(tenancy: Tenancy) -> None:
    tenancy.set_up()
    info = {"email": "jürgen@acme.test"}
    step = tenancy.billed(tenancy.services.tenants.change("acme", {"billing_info": info}, tenancy.admin, None))
    assert (step.status, step.reason) == ("error", "invalid")
    assert "e-mail" in str(step.message)
    assert "billing information" in str(step.remedy)


# -- a tenant's end


def test_a_deleted_tenants_subscription_ends_with_its_period_unless_it_is_restored(tenancy: Tenancy) -> None:
    tenancy.set_up()
    assert tenancy.billed(tenancy.services.lifecycle.delete("acme", tenancy.admin)).status == "ok"
    assert tenancy.upstream()[0]["cancel_at_period_end"] is True
    assert tenancy.billed(tenancy.services.lifecycle.restore("acme", tenancy.admin)).status == "ok"
    (upstream,) = tenancy.upstream()
    assert upstream["cancel_at_period_end"] is False


@pytest.mark.parametrize(("days", "changes"), [(10, 0), (30, 0), (400, 1)])
def test_a_deleted_tenants_subscription_ends_with_its_period_at_the_latest_and_goes_on_when_it_is_restored(
    tenancy: Tenancy, days: int, changes: int
) -> None:
    tenancy.set_up()
    date = end_on(tenancy, days=days)
    (upstream,) = tenancy.upstream()
    period_ends_at = datetime.fromtimestamp(upstream["items"]["data"][0]["current_period_end"], UTC)
    closed = tenancy.billed(tenancy.services.lifecycle.delete("acme", tenancy.admin))
    assert closed.notes == {"ends": min(date, period_ends_at).isoformat()}
    assert (len(closed.changes), upstream["cancel_at"]) == (changes, min(date, period_ends_at).timestamp())
    restored = tenancy.billed(tenancy.services.lifecycle.restore("acme", tenancy.admin))
    assert "ends" not in restored.notes
    assert (upstream["cancel_at_period_end"], upstream["cancel_at"]) == (False, None)


def test_a_suspended_tenant_continues_to_pay(tenancy: Tenancy) -> None:
    tenancy.set_up()
    before = writes(tenancy.server)
    operation = tenancy.run(tenancy.services.lifecycle.suspend("acme", "unpaid", tenancy.admin))
    assert "billing" not in {step.name for step in operation.steps}
    assert writes(tenancy.server) == before
    assert tenancy.tenant().tenant.provisioning_status["billing"] == "ok"


@pytest.mark.parametrize("close", ["suspend", "delete"])
def test_billing_information_of_a_closed_tenant_may_be_corrected_and_reaches_stripe_when_it_reopens(
    tenancy: Tenancy, close: str
) -> None:
    tenancy.set_up()
    lifecycle, (customer,) = tenancy.services.lifecycle, tenancy.server.objects.customers.values()
    is_suspended = close == "suspend"
    reason = ("unpaid",) if is_suspended else ()
    tenancy.run(getattr(lifecycle, close)("acme", *reason, tenancy.admin))
    info = {"billing_info": {"email": "new@acme.test"}}
    view = tenancy.services.tenants.change("acme", info, tenancy.admin, None)
    assert (view.operation, customer["email"]) == (None, None)
    reopening = (lifecycle.resume if is_suspended else lifecycle.restore)("acme", tenancy.admin)
    with pytest.raises(OperationInProgress):
        tenancy.services.tenants.change("acme", {"billing_info": {"email": "late@acme.test"}}, tenancy.admin, None)
    tenancy.run(reopening)
    assert customer["email"] == "new@acme.test"


@pytest.mark.parametrize("close", ["suspend", "delete"])
def test_billing_information_corrected_after_a_failed_reopening_takes_a_new_one_instead_of_a_retry(
    tenancy: Tenancy, close: str
) -> None:
    tenancy.set_up()
    lifecycle, (customer,) = tenancy.services.lifecycle, tenancy.server.objects.customers.values()
    reason, reopen = (("unpaid",), lifecycle.resume) if close == "suspend" else ((), lifecycle.restore)
    tenancy.run(getattr(lifecycle, close)("acme", *reason, tenancy.admin))
    failed = reopen("acme", tenancy.admin).operation
    assert failed is not None
    runner = tenancy.make({"billing": tenancy.client})
    assert runner.run(failed.id, "billing", failed.dispatch).summary == "ok"
    tenancy.services.operations.cancel(failed.id, tenancy.admin)
    tenancy.services.tenants.change("acme", {"billing_info": {"email": "new@acme.test"}}, tenancy.admin, None)
    with pytest.raises(ActionNotPossible, match=f"changed after this operation; {failed.action} the tenant again"):
        tenancy.services.operations.retry(failed.id, "ocis", tenancy.admin)
    assert tenancy.run(reopen("acme", tenancy.admin)).status is OperationStatus.SUCCEEDED
    assert customer["email"] == "new@acme.test"


def test_a_retry_that_is_accepted_during_a_correction_refuses_it(
    tenancy: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenancy.set_up()
    services, admin = tenancy.services, tenancy.admin
    tenancy.run(services.lifecycle.suspend("acme", "unpaid", admin))
    resume = services.lifecycle.resume("acme", admin).operation
    assert resume is not None
    services.operations.cancel(resume.id, admin)
    find = OperationRepository.find

    def find_and_retry(repository: OperationRepository, operation_id: str) -> Operation | None:
        monkeypatch.undo()
        found = find(repository, operation_id)
        services.operations.retry(operation_id, "ocis", admin)
        return found

    monkeypatch.setattr(OperationRepository, "find", find_and_retry)
    with pytest.raises(OperationInProgress):
        services.tenants.change("acme", {"billing_info": {"email": "new@acme.test"}}, admin, None)
    assert tenancy.tenant().tenant.billing_info is None


def test_a_correction_during_a_suspend_does_not_prevent_its_end(tenancy: Tenancy) -> None:
    tenancy.set_up()
    suspend = tenancy.services.lifecycle.suspend("acme", "unpaid", tenancy.admin)
    tenancy.services.tenants.change("acme", {"billing_info": {"email": "new@acme.test"}}, tenancy.admin, None)
    assert tenancy.run(suspend).status is OperationStatus.SUCCEEDED
    assert tenancy.tenant().operation == tenancy.seen(suspend)


def test_without_stripe_billing_information_changes_while_a_tenant_reopens(platform: PlatformFixture) -> None:
    services, admin = platform.services, platform.admin
    platform.finish(services.tenants.create(NewTenant("acme", "Acme", "starter"), admin))
    platform.finish(services.lifecycle.suspend("acme", "unpaid", admin))
    resume = services.lifecycle.resume("acme", admin)
    changed = services.tenants.change("acme", {"billing_info": {"email": "new@acme.test"}}, admin, None)
    assert changed.tenant.billing_info == BillingInfo(email="new@acme.test")
    assert platform.finish(resume).status is OperationStatus.SUCCEEDED
    assert platform.tenant("acme").status is Status.ACTIVE


def test_a_purge_ends_the_subscription_at_once_and_records_the_verification(tenancy: Tenancy) -> None:
    view = tenancy.set_up()
    tenancy.run(tenancy.services.lifecycle.delete("acme", tenancy.admin))
    operation = tenancy.run(tenancy.services.lifecycle.purge("acme", tenancy.admin))
    assert operation.status is OperationStatus.SUCCEEDED
    assert "verified" in operation.step("billing").notes
    assert tenancy.upstream()[0]["status"] == "canceled"
    assert tenancy.record(view).status is SubscriptionStatus.CANCELED


def test_a_subscription_ended_in_stripe_is_not_renewed_by_a_reconcile_but_by_a_restore(tenancy: Tenancy) -> None:
    view = tenancy.set_up()
    control(tenancy.server, "set_status", subscription=tenancy.upstream()[0]["id"], status="canceled")
    step = tenancy.billed(tenancy.reconcile())
    assert (step.status, step.reason) == ("skipped", "subscription_ended")
    assert tenancy.record(view).status is SubscriptionStatus.CANCELED
    tenancy.run(tenancy.services.lifecycle.delete("acme", tenancy.admin))
    assert tenancy.billed(tenancy.services.lifecycle.restore("acme", tenancy.admin)).status == "ok"
    assert [one["status"] for one in tenancy.upstream()] == ["canceled", "incomplete"]
    assert tenancy.record(view).stripe_subscription_id == tenancy.upstream()[1]["id"]


def test_a_subscription_whose_first_invoice_was_not_paid_in_time_is_replaced_by_a_reconcile(tenancy: Tenancy) -> None:
    view = tenancy.set_up()
    control(tenancy.server, "set_status", subscription=tenancy.upstream()[0]["id"], status="incomplete_expired")
    assert tenancy.billed(tenancy.reconcile()).status == "ok"
    assert [one["status"] for one in tenancy.upstream()] == ["incomplete_expired", "incomplete"]
    assert tenancy.record(view).stripe_subscription_id == tenancy.upstream()[1]["id"]


def test_a_customer_deleted_in_stripe_is_replaced_by_a_restore(tenancy: Tenancy) -> None:
    view = tenancy.set_up()
    (customer,) = tenancy.server.objects.customers
    tenancy.server.objects.delete_customer(customer)
    assert tenancy.billed(tenancy.reconcile()).reason == "subscription_ended"
    assert tenancy.record(view).status is SubscriptionStatus.CANCELED
    tenancy.run(tenancy.services.lifecycle.delete("acme", tenancy.admin))
    assert tenancy.billed(tenancy.services.lifecycle.restore("acme", tenancy.admin)).status == "ok"
    assert tenancy.record(view).stripe_customer_id != customer


def test_a_foreign_subscription_on_record_is_not_changed(tenancy: Tenancy) -> None:
    tenancy.set_up()
    tenancy.upstream()[0]["metadata"] = {}
    step = tenancy.billed(tenancy.reconcile())
    assert (step.status, step.reason) == ("error", "taken")


# -- faults of Stripe


@pytest.mark.parametrize("path", ["/v1/customers", "/v1/subscriptions"])
@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "lost"},
        {"kind": "made_500"},
        {"kind": "saved_500"},
        {"kind": "key_in_use"},
        {"kind": "lock_timeout"},
        {"kind": "status", "status": 503},
        {"kind": "applied_then_status", "status": 502},
    ],
    ids=lambda rule: rule["kind"],
)
def test_faults_of_stripe_leave_one_customer_and_one_subscription(
    tenancy: Tenancy, rule: dict[str, object], path: str
) -> None:
    view = tenancy.create()
    fault(tenancy.server, method="POST", path=path, count=4, **rule)
    step = tenancy.finish(view).step("billing")
    assert step.status == "ok", step
    assert [len(tenancy.server.objects.customers), len(tenancy.upstream())] == [1, 1]


def test_a_request_that_outlives_its_attempt_makes_nothing_twice(tenancy: Tenancy) -> None:
    view = tenancy.create()
    fault(tenancy.server, kind="slow", delay=1.0, method="POST", path="/v1/subscriptions", count=1)
    impatient = connect(KEY, url=tenancy.server.url, call_seconds=0.3)
    first = tenancy.billed(view, times=1, client=impatient)
    assert first.is_open
    tenancy.finish(view)
    assert [len(tenancy.server.objects.customers), len(tenancy.upstream())] == [1, 1]


def test_objects_that_an_attempt_created_before_its_process_died_are_found_by_the_next(tenancy: Tenancy) -> None:
    view = tenancy.create()
    assert view.operation is not None
    assert tenancy.store.operations.claim(view.operation.id, "billing", 1, lease_seconds=0.01) is not None
    made = tenancy.client.create_customer(view.tenant.id, key="of-the-dead")
    tenancy.client.create_subscription(made.id, view.tenant.id, "price_starter", key="of-the-dead-too")
    assert tenancy.finish(view).step("billing").status == "ok"
    assert [len(tenancy.server.objects.customers), len(tenancy.upstream())] == [1, 1]
    assert tenancy.record(view).stripe_customer_id == made.id


def test_the_first_attempt_of_a_new_tenant_does_not_read_other_customers(tenancy: Tenancy) -> None:
    tenancy.set_up("globex")
    tenancy.server.journal.clear()
    tenancy.set_up("acme")
    reads = [urlsplit(entry["path"]).path for entry in tenancy.server.journal if entry["method"] == "GET"]
    assert reads == ["/v1/subscriptions"]


def test_values_of_an_older_operation_do_not_overwrite_a_newer_change(tenancy: Tenancy) -> None:
    view = tenancy.create()
    old = tenancy.seen(view)
    tenancy.store.connection.transaction(lambda session: tenancy.store.operations.cancel(old.id, session))
    tenancy.reconcile()
    bill = Bill("cus_old", "sub_old", SubscriptionStatus.ACTIVE, None)
    assert open_billing_service(tenancy.store).save(old, bill) is False
    assert tenancy.record(view).stripe_subscription_id is None


def test_a_refused_key_ends_the_step_with_a_remedy(tenancy: Tenancy) -> None:
    view = tenancy.create()
    control(tenancy.server, "revoke_key")
    step = tenancy.billed(view)
    assert (step.status, step.reason, bool(step.remedy)) == ("error", "bad_credentials", True)
