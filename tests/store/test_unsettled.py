"""A change settles an operation that has ended and is not settled yet; a purged tenant never changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from shared.application.parts import open_settlement
from shared.application.services import Services
from shared.application.store import Repositories
from shared.core.errors import ActionNotPossible, OperationInProgress
from shared.integrations.outcomes import ok
from shared.operations.model import Mode, Operation
from shared.rights.policy import Actor
from shared.subscriptions.model import NewSubscription, SubscriptionStatus
from shared.tenants.model import NewTenant, Owner, Status
from shared.tenants.views import TenantView

Change = Callable[[Services, Actor], TenantView]


def ended(store: Repositories, view: TenantView) -> Operation:
    """End every step, as workers that died before they settled the operation."""
    assert view.operation is not None
    for step in view.operation.steps:
        now = store.operations.find(view.operation.id)
        assert now is not None
        claim = store.operations.claim(now.id, step.name, now.dispatch, 60)
        assert claim is not None
        found = {"ownerSubject": "subject-olga"} if step.name == "access" else {}
        store.operations.record(claim, replace(ok(), found=found))
    return view.operation


@pytest.fixture
def provisioned(store: Repositories, services: Services, admin: Actor) -> Operation:
    """The provision of a tenant with an owner, which has ended and is not settled."""
    new = NewTenant("acme", "Acme", "starter", ("acme.test",), owner=Owner("olga@people.test", "Olga"))
    return ended(store, services.tenants.create(new, admin))


@pytest.mark.parametrize(
    "change",
    [
        lambda services, admin: services.tenants.change("acme", {"name": "Acme GmbH"}, admin, None),
        lambda services, admin: services.tenants.reconcile("acme", admin, Mode.APPLY),
        lambda services, admin: services.tenants.invite_owner("acme", admin),
    ],
    ids=["change", "reconcile", "invitation"],
)
def test_a_change_settles_an_ended_operation_first_so_that_its_effects_are_not_lost(
    store: Repositories, services: Services, admin: Actor, provisioned: Operation, change: Change
) -> None:
    view = change(services, admin)
    assert open_settlement(store).settle(provisioned.id) is None
    open_settlement(store).settle(ended(store, view).id)
    assert services.tenants.get("acme", admin).tenant.status is Status.ACTIVE
    olga = store.users.find_by_subject("subject-olga")
    assert olga is not None
    assert olga.role_in(view.tenant.id) == "owner"
    actions = [one.action for one in services.events.newest(admin, None, None, 50).items]
    assert actions.count("operation.succeeded") == 2


def test_the_owner_is_not_replaced_after_a_provision_that_is_not_settled_yet(
    store: Repositories, services: Services, admin: Actor, provisioned: Operation
) -> None:
    with pytest.raises(ActionNotPossible, match="until the tenant is active"):
        services.tenants.change("acme", {"owner": {"email": "bo@people.test"}}, admin, None)


def test_a_purged_tenant_and_its_subscriptions_change_no_more(
    store: Repositories, services: Services, admin: Actor, provisioned: Operation
) -> None:
    open_settlement(store).settle(provisioned.id)
    for action in (services.lifecycle.delete, services.lifecycle.purge):
        open_settlement(store).settle(ended(store, action("acme", admin)).id)
    tenant = services.tenants.get("acme", admin).tenant
    assert tenant.purged_at is not None
    (old,) = store.subscriptions.of_tenants((tenant.id,))
    for change in (
        lambda: services.tenants.change("acme", {"billing_info": {"email": "a@acme.test"}}, admin, None),
        lambda: services.subscriptions.create(NewSubscription(tenant.id, "starter"), admin),
        lambda: services.subscriptions.change(old.id, {"status": SubscriptionStatus.ACTIVE}, admin, None),
    ):
        with pytest.raises(ActionNotPossible, match="only its record is left"):
            change()
    assert services.tenants.get("acme", admin).tenant == tenant


def test_a_conflict_with_an_operation_that_has_just_ended_says_so() -> None:
    assert "has just ended" in str(OperationInProgress())
    assert "0f (suspend) is still running" in str(OperationInProgress("0f", "suspend"))
