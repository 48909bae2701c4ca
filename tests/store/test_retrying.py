"""A retried step keeps its place: no step runs before the steps that it follows have succeeded."""

from __future__ import annotations

import pytest

from shared.application.parts import open_settlement
from shared.application.services import Services
from shared.application.store import Repositories
from shared.core.errors import ActionNotPossible
from shared.integrations.outcomes import Outcome, PermanentError, failed, ok
from shared.operations.model import Operation, OperationStatus
from shared.rights.policy import Actor
from shared.tenants.model import NewTenant, Owner
from tests.attempts import attempt, begun, expire, take

TAKEN = failed(PermanentError("taken"))


@pytest.fixture
def provision(services: Services, admin: Actor) -> Operation:
    """Return a running operation of a tenant whose owner gets access last."""
    new = NewTenant("acme", "Acme", "starter", ("acme.test",), owner=Owner("olga@home.test", "Olga"))
    return begun(services.tenants.create(new, admin))


def end(store: Repositories, operation: Operation, **outcomes: Outcome) -> Operation:
    last = None
    for step, outcome in outcomes.items():
        last = attempt(store, operation, step, outcome)
    assert last is not None
    open_settlement(store).settle(last.id)
    return last


def test_access_is_not_granted_while_an_earlier_step_has_failed(
    store: Repositories, provision: Operation, services: Services, admin: Actor
) -> None:
    assert end(store, provision, authentik=ok(), ocis=ok(), stalwart=TAKEN).step("access").reason == "blocked"
    with pytest.raises(ActionNotPossible, match="stalwart"):
        services.operations.retry(provision.id, "access", admin)
    again = services.operations.retry(provision.id, "stalwart", admin)
    after = end(store, again, stalwart=ok())
    assert [step.name for step in after.steps_of_dispatch()] == ["access"]
    assert end(store, after, access=ok()).status is OperationStatus.SUCCEEDED


def test_access_is_not_granted_while_an_earlier_step_was_cancelled_or_runs_again(
    store: Repositories, provision: Operation, services: Services, admin: Actor
) -> None:
    end(store, provision, authentik=ok(), ocis=ok())
    services.operations.cancel(provision.id, admin)
    with pytest.raises(ActionNotPossible, match="stalwart"):
        services.operations.retry(provision.id, "access", admin)
    again = services.operations.retry(provision.id, "stalwart", admin)
    with pytest.raises(ActionNotPossible, match="pending"):
        services.operations.retry(provision.id, "access", admin)
    assert store.operations.claim(provision.id, "access", again.dispatch, 60) is None
    last = end(store, again, stalwart=ok())
    assert end(store, last, access=ok()).status is OperationStatus.SUCCEEDED


def test_a_purge_keeps_the_group_while_anything_else_is_left(
    store: Repositories, provision: Operation, services: Services, admin: Actor
) -> None:
    services.operations.cancel(provision.id, admin)
    services.operations.cancel(begun(services.lifecycle.delete("acme", admin)).id, admin)
    purge = begun(services.lifecycle.purge("acme", admin))
    end(store, purge, ocis=ok(), stalwart=TAKEN)
    with pytest.raises(ActionNotPossible, match="stalwart"):
        services.operations.retry(purge.id, "authentik", admin)


def test_a_retry_after_a_deadline_or_a_cancel_completes_the_operation_with_its_later_stage(
    store: Repositories, provision: Operation, services: Services, admin: Actor
) -> None:
    end(store, provision, authentik=ok(), ocis=ok())
    expired = expire(store, provision)
    assert [(step.name, step.reason) for step in expired.steps if step.reason] == [
        ("stalwart", "deadline"),
        ("access", "blocked"),
    ]
    services.operations.retry(provision.id, "stalwart", admin)
    cancelled = services.operations.cancel(provision.id, admin)
    assert (cancelled.step("stalwart").reason, cancelled.step("access").reason) == ("cancelled", "blocked")
    again = services.operations.retry(provision.id, "stalwart", admin)
    after = end(store, again, stalwart=ok())
    assert end(store, after, access=ok()).status is OperationStatus.SUCCEEDED


def test_a_cancelled_suspension_runs_whole_after_the_retry_of_its_first_step(
    store: Repositories, provision: Operation, services: Services, admin: Actor
) -> None:
    services.operations.cancel(provision.id, admin)
    suspension = begun(services.lifecycle.suspend("acme", None, admin))
    services.operations.cancel(suspension.id, admin)
    again = services.operations.retry(suspension.id, "access", admin)
    after = end(store, again, access=ok())
    assert end(store, after, stalwart=ok(), ocis=ok()).status is OperationStatus.SUCCEEDED


def test_the_attempt_from_before_a_cancel_does_not_end_the_retried_step(
    store: Repositories, provision: Operation, services: Services, admin: Actor
) -> None:
    old = take(store, provision, "stalwart")
    services.operations.cancel(provision.id, admin)
    again = services.operations.retry(provision.id, "stalwart", admin)
    assert store.operations.record(old, TAKEN) is None
    now = store.operations.find(provision.id)
    assert now is not None
    assert (now.step("stalwart").status, now.step("stalwart").reason) == ("pending", None)
    # the new attempt still waits for the end of the old one's lease
    assert now.step("stalwart").due_at == old.step.lease_until
    assert store.operations.claim(provision.id, "stalwart", again.dispatch, 60) is None
