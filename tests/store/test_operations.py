"""An operation's document is its own outbox, lease and history."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from bson import ObjectId
from pymongo.collection import Collection

from shared.application.parts import open_drift_detector, open_settlement, open_starter
from shared.application.services import Services
from shared.application.store import Repositories, open_repositories
from shared.config.settings import Settings
from shared.core.errors import OperationInProgress
from shared.integrations.outcomes import Outcome, PermanentError, Result, failed, ok, skipped
from shared.operations.dispatcher import Dispatcher
from shared.operations.model import Claim, Mode, Operation, OperationStatus, StepStatus
from shared.rights.policy import Actor
from shared.tenants.views import TenantView

LATER = Outcome(Result.RETRY, "timeout", "It took too long.")
STEPS = ("authentik", "stalwart", "ocis")

Create = Callable[..., TenantView]


@pytest.fixture
def operation(create: Create) -> Operation:
    made = create().operation
    assert made is not None
    return made


def take(store: Repositories, operation: Operation, step: str, dispatch: int = 1, lease: float = 60) -> Claim:
    claim = store.operations.claim(operation.id, step, dispatch, lease)
    assert claim is not None
    return claim


def finish(store: Repositories, operation: Operation, **outcomes: Outcome) -> Operation:
    last = None
    for step, outcome in outcomes.items():
        last = store.operations.record(take(store, operation, step), outcome)
    assert last is not None
    return last


def raw(store: Repositories, settings: Settings) -> Collection[dict[str, Any]]:
    return store.connection.client[settings.mongodb_database]["operations"]


def test_a_new_operation_is_running_with_every_step_pending_and_already_dispatched(operation: Operation) -> None:
    assert operation.status is OperationStatus.RUNNING
    assert [(s.name, s.status, s.dispatch) for s in operation.steps] == [(n, StepStatus.PENDING, 1) for n in STEPS]
    assert operation.steps_of_dispatch() == operation.steps
    assert operation.deadline_at > operation.created_at


def test_a_claim_counts_the_attempt_and_sets_the_lease_before_any_work(
    store: Repositories, operation: Operation
) -> None:
    claim = take(store, operation, "ocis")
    seen = store.operations.find(operation.id)
    assert seen is not None
    assert (seen.step("ocis").status, seen.step("ocis").attempts) == (StepStatus.RUNNING, 1)
    assert seen.step("ocis").lease_until is not None
    assert claim.token


def test_of_many_claims_at_once_exactly_one_gets_the_step(store: Repositories, operation: Operation) -> None:
    barrier = threading.Barrier(12)

    def claim(_: int) -> Claim | None:
        barrier.wait()
        return store.operations.claim(operation.id, "authentik", 1, 60)

    with ThreadPoolExecutor(12) as pool:
        claims = list(pool.map(claim, range(12)))
    assert sum(claim is not None for claim in claims) == 1


def test_a_step_whose_lease_ran_out_can_be_claimed_again(store: Repositories, operation: Operation) -> None:
    take(store, operation, "ocis", lease=0.05)
    time.sleep(0.1)
    assert take(store, operation, "ocis").step.attempts == 2


def test_an_outcome_under_a_lost_lease_changes_nothing(store: Repositories, operation: Operation) -> None:
    lost = take(store, operation, "ocis", lease=0.05)
    time.sleep(0.1)
    claim = take(store, operation, "ocis")
    assert store.operations.record(lost, failed(PermanentError("taken"))) is None
    seen = store.operations.record(claim, ok())
    assert seen is not None
    assert seen.step("ocis").status is StepStatus.OK


@pytest.mark.parametrize("operation_id", ["", "nonsense", "0" * 24])
def test_a_claim_on_an_operation_that_does_not_exist_finds_nothing(store: Repositories, operation_id: str) -> None:
    assert store.operations.claim(operation_id, "ocis", 1, 60) is None


def test_an_unknown_step_or_an_older_dispatch_finds_nothing_to_claim(store: Repositories, operation: Operation) -> None:
    assert store.operations.claim(operation.id, "no-such-step", 1, 60) is None
    assert store.operations.claim(operation.id, "ocis", 0, 60) is None


def test_a_finished_step_is_never_claimed_again(store: Repositories, operation: Operation) -> None:
    finish(store, operation, ocis=ok())
    assert store.operations.claim(operation.id, "ocis", 1, 60) is None


def test_all_steps_ok_or_skipped_make_a_success(store: Repositories, operation: Operation) -> None:
    end = finish(store, operation, authentik=ok(), stalwart=skipped("no_domains"), ocis=ok(members="invited"))
    assert end.status is OperationStatus.SUCCEEDED
    assert end.finished_at is not None
    assert end.step("stalwart").reason == "no_domains"
    assert end.step("ocis").notes == {"members": "invited"}


def test_a_failed_step_fails_the_operation_once_the_others_have_ended(
    store: Repositories, operation: Operation
) -> None:
    middle = finish(store, operation, authentik=failed(PermanentError("taken")), stalwart=ok())
    assert middle.is_open
    end = finish(store, operation, ocis=ok())
    assert end.status is OperationStatus.FAILED
    assert end.step("authentik").remedy


def test_exactly_one_of_many_concurrent_finishes_sees_the_end(store: Repositories, create: Create) -> None:
    for number in range(10):
        operation = create(f"acme{number}").operation
        assert operation is not None
        claims = [take(store, operation, step) for step in STEPS]
        with ThreadPoolExecutor(3) as pool:
            ends = list(pool.map(lambda claim: store.operations.record(claim, ok()), claims))
        assert [end is not None and not end.is_open for end in ends].count(True) == 1


def test_a_retry_waits_for_its_time_and_keeps_the_last_reason(store: Repositories, operation: Operation) -> None:
    store.operations.record(take(store, operation, "ocis"), LATER, 0.3)
    assert store.operations.claim(operation.id, "ocis", 1, 60) is None
    seen = store.operations.find(operation.id)
    assert seen is not None
    assert (seen.step("ocis").reason, seen.step("ocis").retryable) == ("timeout", True)
    time.sleep(0.35)
    assert take(store, operation, "ocis").step.attempts == 2


def test_an_unclaimed_step_is_published_again_and_the_first_message_claims_it(
    make_settings: Callable[..., Settings], create: Create, operation: Operation
) -> None:
    impatient = open_repositories(make_settings(dispatch_grace_seconds=0.05))
    second = create("second").operation
    assert second is not None
    raw_rows = raw(impatient, make_settings())
    raw_rows.update_one(
        {"_id": ObjectId(second.id)},
        [
            {
                "$set": {
                    "dueAt": "$$NOW",
                    "steps": {
                        "$map": {"input": "$steps", "as": "s", "in": {"$mergeObjects": ["$$s", {"lookAt": "$$NOW"}]}}
                    },
                }
            }
        ],
    )
    assert list(impatient.operations.due(10)) == [second.id]
    (sent,) = impatient.operations.begin_dispatch([second.id])
    assert [step.name for step in sent.steps_of_dispatch()] == list(STEPS)
    assert sent.dispatch == 2
    early, late = (
        impatient.operations.claim(second.id, name, number, 60) for name, number in (("ocis", 1), ("stalwart", 2))
    )
    assert early is not None
    assert late is not None
    assert (early.is_first, late.is_first) == (True, True), "being sent again is no attempt"
    assert impatient.operations.claim(second.id, "ocis", 2, 60) is None
    impatient.close()


def test_a_message_from_before_a_lost_lease_is_stale(make_settings: Callable[..., Settings], create: Create) -> None:
    impatient = open_repositories(make_settings(dispatch_grace_seconds=0.05))
    operation = create().operation
    assert operation is not None
    take(impatient, operation, "ocis", lease=0.05)
    raw(impatient, make_settings()).update_one({"_id": ObjectId(operation.id)}, [{"$set": {"dueAt": "$$NOW"}}])
    time.sleep(0.1)
    (sent,) = impatient.operations.begin_dispatch([operation.id])
    assert [step.name for step in sent.steps_of_dispatch()] == ["ocis"]
    assert impatient.operations.claim(operation.id, "ocis", 1, 60) is None
    second = impatient.operations.claim(operation.id, "ocis", 2, 60)
    assert second is not None
    assert not second.is_first
    impatient.close()


def test_a_message_published_after_a_lost_lease_stays_valid_however_long_the_queue(
    make_settings: Callable[..., Settings], create: Create
) -> None:
    impatient = open_repositories(make_settings(dispatch_grace_seconds=0.01))
    operation = create().operation
    assert operation is not None
    lost = take(impatient, operation, "ocis", lease=0.05)
    for dispatch in (2, 3, 4):
        time.sleep(0.15)
        (sent,) = impatient.operations.begin_dispatch([operation.id])
        assert (sent.dispatch, "ocis" in {step.name for step in sent.steps_of_dispatch()}) == (dispatch, True)
    assert impatient.operations.claim(operation.id, "ocis", 1, 60) is None
    second = impatient.operations.claim(operation.id, "ocis", 2, 60)
    assert second is not None
    assert impatient.operations.claim(operation.id, "ocis", 4, 60) is None, "it is under a lease again"
    assert impatient.operations.record(lost, ok()) is None
    impatient.close()


def test_only_steps_without_a_live_lease_are_sent_again(make_settings: Callable[..., Settings], create: Create) -> None:
    impatient = open_repositories(make_settings(dispatch_grace_seconds=0.05))
    operation = create().operation
    assert operation is not None
    time.sleep(0.01)
    take(impatient, operation, "authentik", lease=60)
    rows = raw(impatient, make_settings())
    rows.update_one(
        {"_id": ObjectId(operation.id)},
        [
            {
                "$set": {
                    "dueAt": "$$NOW",
                    "steps": {
                        "$map": {
                            "input": "$steps",
                            "as": "s",
                            "in": {
                                "$cond": [
                                    {"$eq": ["$$s.name", "authentik"]},
                                    "$$s",
                                    {"$mergeObjects": ["$$s", {"lookAt": "$$NOW"}]},
                                ]
                            },
                        }
                    },
                }
            }
        ],
    )
    (sent,) = impatient.operations.begin_dispatch([operation.id])
    assert [step.name for step in sent.steps_of_dispatch()] == ["stalwart", "ocis"]
    impatient.close()


def test_two_schedulers_at_once_send_a_due_operation_once(
    make_settings: Callable[..., Settings], create: Create
) -> None:
    store = open_repositories(make_settings())
    operation = create().operation
    assert operation is not None
    raw(store, make_settings()).update_one({"_id": ObjectId(operation.id)}, [{"$set": {"dueAt": "$$NOW"}}])
    with ThreadPoolExecutor(8) as pool:
        sent = [
            one
            for each in pool.map(lambda _: store.operations.begin_dispatch([operation.id]), range(8))
            for one in each
        ]
    assert [one.id for one in sent] == [operation.id]
    store.close()


def test_an_operation_past_its_deadline_fails_and_names_its_open_steps(
    make_settings: Callable[..., Settings], services: Services, admin: Actor, create: Create, store: Repositories
) -> None:
    operation = create().operation
    assert operation is not None
    store.operations.record(take(store, operation, "ocis"), LATER, 30)
    raw(store, make_settings()).update_one({"_id": ObjectId(operation.id)}, [{"$set": {"deadlineAt": "$$NOW"}}])
    assert list(store.operations.overdue(10)) == [operation.id]
    end = store.operations.expire(operation.id)
    assert end is not None
    assert end.status is OperationStatus.FAILED
    assert end.step("ocis").reason == "deadline"
    assert "It took too long." in (end.step("ocis").message or "")
    assert store.operations.expire(operation.id) is None


def test_the_steps_of_a_new_operation_wait_for_a_live_lease_of_an_older_one(
    services: Services, admin: Actor, create: Create, store: Repositories, settings: Settings
) -> None:
    view = create()
    operation = view.operation
    assert operation is not None
    claim = take(store, operation, "authentik", lease=30)
    raw(store, settings).update_one({"_id": ObjectId(operation.id)}, [{"$set": {"deadlineAt": "$$NOW"}}])
    store.operations.expire(operation.id)
    newer = services.tenants.reconcile(view.tenant.slug, admin, Mode.APPLY).operation
    assert newer is not None
    assert store.operations.claim(newer.id, "authentik", 1, 60) is None
    assert store.operations.claim(newer.id, "ocis", 1, 60) is not None
    # the old attempt releases its lease, and its late outcome does not reopen the closed operation
    late = store.operations.record(claim, ok())
    assert late is not None
    assert late.status is OperationStatus.FAILED
    assert late.step("authentik").reason == "deadline"


@pytest.fixture
def under_way(services: Services, admin: Actor, create: Create, store: Repositories) -> Claim:
    """Return a claim of the step `authentik` whose operation was cancelled."""
    operation = create("acme").operation
    assert operation is not None
    claim = take(store, operation, "authentik", lease=60)
    services.operations.cancel(operation.id, admin)
    return claim


def reconciled(services: Services, admin: Actor) -> Operation:
    operation = services.tenants.reconcile("acme", admin, Mode.APPLY).operation
    assert operation is not None
    return operation


def test_a_live_lease_blocks_newer_steps_however_many_operations_came_between(
    services: Services, admin: Actor, store: Repositories, under_way: Claim
) -> None:
    for _ in range(8):
        newer = reconciled(services, admin)
        assert store.operations.claim(newer.id, "authentik", 1, 60) is None
        services.operations.cancel(newer.id, admin)


def test_no_step_waits_for_the_lease_of_a_dry_run(
    services: Services,
    admin: Actor,
    create: Create,
    store: Repositories,
    settings: Settings,
    dispatcher: Dispatcher,
) -> None:
    view = create("acme")
    assert view.operation is not None
    finish(store, view.operation, authentik=ok(), stalwart=ok(), ocis=ok())
    open_settlement(store).settle(view.operation.id)
    raw(store, settings).database["tenants"].update_one({"slug": "acme"}, [{"$set": {"driftDueAt": "$$NOW"}}])
    assert open_drift_detector(store, open_starter(store, dispatcher, settings), settings).run_once() == 1
    dry_run = store.operations.find_open(view.tenant.id)
    assert dry_run is not None
    take(store, dry_run, "authentik", lease=60)
    # the dry run is cancelled, and its running attempts change nothing outside
    suspension = services.lifecycle.suspend("acme", "unpaid", admin).operation
    assert suspension is not None
    assert store.operations.claim(suspension.id, "access", 1, 60) is not None


def test_a_dry_run_waits_for_no_lease_as_it_has_less_time_than_one_and_writes_nothing(
    services: Services, admin: Actor, store: Repositories, under_way: Claim
) -> None:
    dry_run = services.tenants.reconcile("acme", admin, Mode.DRY_RUN).operation
    assert dry_run is not None
    assert under_way.step.lease_until is not None
    assert store.operations.claim(dry_run.id, "authentik", 1, 60) is not None


def test_a_step_that_is_retried_waits_for_a_live_lease_of_another_operation(
    services: Services, admin: Actor, store: Repositories, settings: Settings, under_way: Claim
) -> None:
    newer = reconciled(services, admin)
    services.operations.cancel(newer.id, admin)
    again = services.operations.retry(newer.id, "authentik", admin)
    assert again.step("authentik").due_at == under_way.step.lease_until
    assert store.operations.claim(newer.id, "authentik", again.dispatch, 60) is None
    assert newer.id not in list(store.operations.due(10))
    # it is due: the scheduler publishes it, and the earlier message is valid too
    raw(store, settings).update_one({"_id": ObjectId(newer.id)}, [{"$set": {"dueAt": "$$NOW", "steps.dueAt": "$$NOW"}}])
    assert newer.id in list(store.operations.due(10))
    assert store.operations.claim(newer.id, "authentik", again.dispatch, 60) is not None


def test_a_second_stage_starts_after_the_first_and_is_blocked_by_its_failure(
    store: Repositories, create: Create, settings: Settings
) -> None:
    for slug, outcome, status in (("good", ok(), "running"), ("bad", failed(PermanentError("taken")), "failed")):
        operation = create(slug).operation
        assert operation is not None
        raw(store, settings).update_one(
            {"_id": ObjectId(operation.id)},
            {"$set": {"steps.2.phase": 1, "steps.2.dispatch": 0, "steps.2.lookAt": None}},
        )
        assert store.operations.claim(operation.id, "ocis", 9, 60) is None
        end = finish(store, operation, authentik=ok(), stalwart=outcome)
        assert end.status == status
        if status == "running":
            assert (end.stage, [s.name for s in end.steps_of_dispatch()]) == (1, ["ocis"])
            assert store.operations.record(take(store, end, "ocis", end.dispatch), ok()).status == "succeeded"
        else:
            assert end.step("ocis").reason == "blocked"


def test_another_action_on_a_tenant_with_an_open_operation_is_refused_and_names_it(
    services: Services, admin: Actor, create: Create
) -> None:
    operation = create().operation
    assert operation is not None
    with pytest.raises(OperationInProgress) as refusal:
        services.tenants.reconcile("acme", admin, Mode.APPLY)
    assert refusal.value.operation_id == operation.id


def test_the_search_for_unsettled_operations_does_not_read_open_ones(
    store: Repositories, settings: Settings, create: Create
) -> None:
    rows = raw(store, settings)
    operation = create().operation
    assert operation is not None
    row = rows.find_one({"_id": ObjectId(operation.id)})
    assert row is not None
    rows.insert_many([{**row, "_id": ObjectId(), "tenantId": str(ObjectId())} for _ in range(50)])
    rows.database.command({"profile": 2})
    try:
        assert list(store.operations.unsettled(10)) == []
    finally:
        rows.database.command({"profile": 0})
    seen = rows.database["system.profile"].find_one({"ns": rows.full_name, "op": "query", "command.sort.finishedAt": 1})
    rows.database.drop_collection("system.profile")
    assert seen is not None
    assert (seen["planSummary"], seen["docsExamined"]) == ("IXSCAN { finishedAt: 1 }", 0)


def test_the_search_for_due_operations_uses_an_index(store: Repositories, settings: Settings, create: Create) -> None:
    create()
    for field in ("dueAt", "deadlineAt"):
        condition = {"status": "running", "$expr": {"$lte": [f"${field}", "$$NOW"]}}
        plan = str(raw(store, settings).find(condition).sort(field, 1).explain()["queryPlanner"]["winningPlan"])
        assert "IXSCAN" in plan
        assert "COLLSCAN" not in plan
