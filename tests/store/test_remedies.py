"""The remedy of each failed step can be followed: it names requests that the tenant's status allows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.application.parts import open_settlement
from shared.application.services import Services
from shared.application.store import Repositories
from shared.core.errors import ActionNotPossible
from shared.integrations.outcomes import Outcome, PermanentError, Result, TemporaryError, failed, ok
from shared.integrations.reasons import REASONS
from shared.operations.model import Mode, Operation, StepRecord
from shared.rights.policy import Actor
from shared.tenants.transitions import ESTABLISHED_BY, TRANSITIONS
from shared.tenants.views import TenantView
from shared.workflows.model import Action
from shared.workflows.remedies import REPEATS, how_to_repeat, remedy_of_outcome
from tests.attempts import attempt, begun, expire

Create = Callable[..., TenantView]


def record(store: Repositories, operation: Operation, step: str, outcome: Outcome) -> StepRecord:
    return attempt(store, operation, step, outcome).step(step)


def failing(reason: str) -> Outcome:
    return failed(PermanentError(reason))


def test_the_last_sentence_names_the_operations_own_action(
    store: Repositories, services: Services, admin: Actor, create: Create
) -> None:
    provision = begun(create())
    step = record(store, provision, "ocis", failing("tls"))
    assert (step.remedy or "").endswith("Then reconcile the tenant.")
    services.operations.cancel(provision.id, admin)
    suspension = begun(services.lifecycle.suspend("acme", None, admin))
    step = record(store, suspension, "access", failing("missing_permission"))
    assert "suspend the tenant again, or wait" in (step.remedy or "")
    services.operations.cancel(suspension.id, admin)
    resume = begun(services.lifecycle.resume("acme", admin))
    for name, reason in (("ocis", "invalid"), ("stalwart", "too_many_removals"), ("authentik", "quota")):
        step = record(store, resume, name, failing(reason))
        assert (step.remedy or "").endswith("Then resume the tenant again.")
        assert "allow_removals" not in (step.remedy or "")
        assert "plan here" not in (step.remedy or "")
        assert "Correct the tenant's name" not in (step.remedy or "")


@pytest.mark.parametrize("action", Action)
def test_no_remedy_asks_for_a_reconcile_of_a_tenant_that_refuses_it(action: Action) -> None:
    may_reconcile = (TRANSITIONS[action].accepted or min(TRANSITIONS[action].starts)) in TRANSITIONS[
        Action.RECONCILE
    ].starts
    for reason in REASONS:
        text = remedy_of_outcome(Outcome(Result.ERROR, reason), action, is_dry_run=False) or ""
        assert may_reconcile or "reconcile" not in text, (reason, text)


def test_a_temporary_failure_says_that_the_step_runs_again_until_the_operation_ends(
    store: Repositories, create: Create
) -> None:
    operation = begun(create())
    step = record(store, operation, "ocis", failed(TemporaryError("unreachable")))
    assert (step.remedy or "").endswith("It then runs again automatically.")
    record(store, operation, "authentik", failed(TemporaryError("throttled")))
    expired = expire(store, operation)
    ends = {one.name: (one.message or "", one.remedy or "") for one in expired.steps}
    assert ends["ocis"][1] == f"{REASONS['unreachable'].remedy} Then reconcile the tenant."
    assert ends["authentik"][1] == "Remove the cause of the last fault. Then reconcile the tenant."
    assert ends["stalwart"][0].endswith("No worker took it.")
    assert ends["stalwart"][1] == (
        "Check that workers run and read this integration's queue. Then reconcile the tenant."
    )


def test_a_cancelled_suspension_is_requested_again_and_not_by_a_reconcile(
    store: Repositories, services: Services, admin: Actor, create: Create
) -> None:
    services.operations.cancel(begun(create()).id, admin)
    suspension = begun(services.lifecycle.suspend("acme", None, admin))
    cancelled = services.operations.cancel(suspension.id, admin)
    assert cancelled.step("access").remedy == "Nothing is wrong with the step. Then suspend the tenant again."
    assert begun(services.lifecycle.suspend("acme", None, admin)).id != suspension.id


def test_a_refused_retry_names_a_request_that_the_tenants_status_allows(
    store: Repositories, services: Services, admin: Actor, create: Create
) -> None:
    provision = begun(create())
    record(store, provision, "ocis", failing("taken"))
    services.operations.cancel(provision.id, admin)
    services.operations.cancel(begun(services.lifecycle.suspend("acme", None, admin)).id, admin)
    with pytest.raises(ActionNotPossible, match="suspend the tenant again instead"):
        services.operations.retry(provision.id, "ocis", admin)
    for status, action in ESTABLISHED_BY.items():
        assert status in TRANSITIONS[action].starts


def test_the_remedy_of_a_dry_run_repeats_the_dry_run(
    store: Repositories, services: Services, admin: Actor, create: Create
) -> None:
    operation = begun(create())
    for name in ("authentik", "stalwart", "ocis"):
        record(store, operation, name, ok())
    open_settlement(store).settle(operation.id)
    dry_run = begun(services.tenants.reconcile("acme", admin, Mode.DRY_RUN))
    assert "dry run again" in (record(store, dry_run, "ocis", failing("tls")).remedy or "")
    assert "dry run again" in (expire(store, dry_run).step("stalwart").remedy or "")


def test_a_step_without_attempts_left_has_the_remedy_of_its_last_failure() -> None:
    error = Outcome(Result.ERROR, "attempts_exhausted", cause="unreachable")
    text = remedy_of_outcome(error, Action.RESUME, is_dry_run=False)
    assert text == f"{REASONS['unreachable'].remedy} {how_to_repeat(Action.RESUME)}"
    assert set(REPEATS) == set(Action)
