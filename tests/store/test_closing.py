"""A closing operation revokes access first, and runs the other steps whatever the outcome."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from shared.application.parts import open_settlement
from shared.application.services import Services
from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.integrations.outcomes import Outcome, PermanentError, Result, failed, ok
from shared.operations.model import Operation, OperationStatus
from shared.rights.policy import Actor
from shared.switches.model import Deferral
from shared.tenants.views import TenantView
from tests.attempts import attempt

LATER = Outcome(Result.RETRY, "unreachable", "It is away.")
Create = Callable[..., TenantView]


@pytest.fixture
def closing(store: Repositories, create: Create, services: Services, admin: Actor) -> Operation:
    provision = create().operation
    assert provision is not None
    for step in ("authentik", "stalwart", "ocis"):
        attempt(store, provision, step, ok())
    begun = services.lifecycle.suspend("acme", "unpaid", admin).operation
    assert begun is not None
    return begun


def names(operation: Operation) -> list[str]:
    return [step.name for step in operation.steps_of_dispatch()]


def test_access_is_revoked_before_any_other_step_closes(store: Repositories, closing: Operation) -> None:
    assert names(closing) == ["access"]
    assert store.operations.claim(closing.id, "stalwart", 9, 60) is None
    claim = store.operations.claim(closing.id, "access", 1, 60)
    assert claim is not None
    # the outcome is unknown while the attempt runs
    assert store.operations.claim(closing.id, "ocis", 9, 60) is None
    after = store.operations.record(claim, ok())
    assert after is not None
    assert names(after) == ["stalwart", "ocis"]
    attempt(store, after, "stalwart", ok())
    assert attempt(store, after, "ocis", ok()).status is OperationStatus.SUCCEEDED


@pytest.mark.parametrize("outcome", [LATER, failed(PermanentError("forbidden"))], ids=["away", "refused"])
def test_the_other_steps_close_although_access_could_not_be_revoked(
    store: Repositories, closing: Operation, outcome: Outcome
) -> None:
    after = attempt(store, closing, "access", outcome)
    assert (after.status, names(after)) == (OperationStatus.RUNNING, ["stalwart", "ocis"])
    attempt(store, after, "stalwart", ok())
    last = attempt(store, after, "ocis", ok())
    if outcome is LATER:
        assert last.status is OperationStatus.RUNNING
        last = attempt(store, after, "access", ok())
    assert last.status is (OperationStatus.SUCCEEDED if outcome is LATER else OperationStatus.FAILED)


def test_the_other_steps_close_while_a_breaker_defers_the_first(store: Repositories, closing: Operation) -> None:
    hold = Deferral("authentik", "unreachable", "Authentik is away.", 30.0)
    after = store.deferrals.defer(closing.id, "access", 1, hold)
    assert after is not None
    assert names(after) == ["stalwart", "ocis"]
    attempt(store, after, "stalwart", ok())
    last = attempt(store, after, "ocis", ok())
    assert (last.status, last.step("access").attempts) == (OperationStatus.RUNNING, 0)


def test_a_failed_first_step_that_is_tried_again_ends_the_operation_and_repeats_no_other(
    store: Repositories, closing: Operation, services: Services, admin: Actor
) -> None:
    after = attempt(store, closing, "access", failed(PermanentError("forbidden")))
    attempt(store, after, "stalwart", ok())
    assert attempt(store, after, "ocis", ok()).status is OperationStatus.FAILED
    again = services.operations.retry(closing.id, "access", admin)
    assert names(again) == ["access"]
    last = attempt(store, again, "access", ok())
    assert (last.status, last.step("ocis").attempts) == (OperationStatus.SUCCEEDED, 1)


@pytest.mark.parametrize("is_stopped", [False, True], ids=["came through", "was stopped"])
def test_a_manually_retried_close_is_not_started_again_by_the_scheduler(
    store: Repositories, settings: Settings, closing: Operation, services: Services, admin: Actor, is_stopped: bool
) -> None:
    after = attempt(store, closing, "access", failed(PermanentError("forbidden")))
    attempt(store, after, "stalwart", ok())
    attempt(store, after, "ocis", ok())
    assert open_settlement(store).settle(closing.id) is not None
    # five minutes have passed, and an operator was faster
    tenants = store.connection.client[settings.mongodb_database]["tenants"]
    assert tenants.update_one({"retryAt": {"$exists": True}}, [{"$set": {"retryAt": "$$NOW"}}]).modified_count == 1
    again = services.operations.retry(closing.id, "access", admin)
    assert services.lifecycle.start_due(10) == 0
    if is_stopped:
        services.operations.cancel(closing.id, admin)
    else:
        attempt(store, again, "access", ok())
        assert open_settlement(store).settle(closing.id) is not None
    assert services.lifecycle.start_due(10) == 0


def test_a_failure_that_is_recorded_concurrently_starts_the_next_stage_once(
    store: Repositories, closing: Operation
) -> None:
    claims = [store.operations.claim(closing.id, "access", 1, 60) for _ in range(2)]
    assert [claim is not None for claim in claims] == [True, False]
    claim = claims[0]
    assert claim is not None
    seen: list[Operation | None] = []
    threads = [threading.Thread(target=lambda: seen.append(store.operations.record(claim, LATER))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [operation for operation in seen if operation is not None]
    assert [(operation.stage, operation.dispatch) for operation in won] == [(1, 2)]
