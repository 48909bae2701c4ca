"""The problems of operations are derived on the record, and /status groups them within the caller's scope."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.database import Database

from shared.accounts.user import NewUser, Role
from shared.application.parts import open_settlement
from shared.application.services import Services
from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.integrations.outcomes import Outcome, PermanentError, Result, failed, ok
from shared.operations.model import Mode, Operation
from shared.operations.problems import Kind
from shared.rights.policy import Actor
from shared.status.model import Finding, Group, OperationQuery
from shared.switches.model import Deferral, OpenDuration, TenantRef
from shared.tenants.views import TenantView

LATER = Outcome(Result.RETRY, "timeout", "It took too long.")
REFUSED = failed(PermanentError("taken", "A space of that name is another tenant's."))
BREAKER = Deferral("ocis", "unreachable", "OCIS is not asked.", 30)
PAUSE = Deferral("ocis", "paused", "An operator paused it.", 30, stops_deadline=True)
STEPS = ("authentik", "stalwart", "ocis")

Create = Callable[..., TenantView]


@pytest.fixture
def database(store: Repositories, settings: Settings) -> Database[dict[str, Any]]:
    return store.connection.client[settings.mongodb_database]


def begun(create: Create, slug: str = "acme") -> Operation:
    made = create(slug).operation
    assert made is not None
    return made


def attempt(store: Repositories, operation: Operation, step: str, outcome: Outcome, retry_in: float = 30) -> Operation:
    claim = store.operations.claim(operation.id, step, 99, 60)
    assert claim is not None
    recorded = store.operations.record(claim, outcome, retry_in)
    assert recorded is not None
    return recorded


def end(store: Repositories, operation: Operation, **outcomes: Outcome) -> None:
    """End every step: ok, unless given otherwise."""
    for step in STEPS:
        attempt(store, operation, step, outcomes.get(step, ok()))
    open_settlement(store).settle(operation.id)


def groups(services: Services, actor: Actor) -> dict[tuple[str, str | None, str], Group]:
    found = services.status.status(actor).groups
    return {(one.kind.value, one.integration, one.reason): one for one in found}


def test_a_step_that_failed_is_grouped_by_integration_and_reason_with_its_tenant_and_remedy(
    store: Repositories, services: Services, admin: Actor, create: Create
) -> None:
    for slug in ("acme", "beta"):
        end(store, begun(create, slug), ocis=REFUSED)
    end(store, begun(create, "gamma"))
    status = services.status.status(admin)
    (group,) = status.groups
    assert (group.kind, group.integration, group.reason, group.count) == (Kind.FAILED, "ocis", "taken", 2)
    assert [one.tenant for one in group.examples] == ["acme", "beta"]
    assert group.oldest == services.tenants.get("acme", admin).tenant.created_at
    assert group.examples[0].remedy
    assert (status.is_ok, status.tenants) == (False, {"failed": 2})


def test_the_most_severe_problems_come_first_and_of_those_the_most_frequent(
    store: Repositories, services: Services, admin: Actor, create: Create
) -> None:
    retried = begun(create, "delta")
    attempt(store, retried, "authentik", LATER, retry_in=90)
    assert store.deferrals.defer(retried.id, "ocis", 1, PAUSE) is not None
    end(store, begun(create), ocis=REFUSED)
    for slug in ("beta", "gamma"):
        end(store, begun(create, slug), stalwart=REFUSED)
    found = [(str(one.kind), one.integration, one.count) for one in services.status.status(admin).groups]
    assert found == [
        ("failed", "stalwart", 2),
        ("failed", "ocis", 1),
        ("retrying", "authentik", 1),
        ("paused", "ocis", 1),
    ]


def test_a_retrying_step_is_listed_with_attempts_next_attempt_and_last_reason(
    store: Repositories, services: Services, admin: Actor, create: Create
) -> None:
    operation = begun(create)
    attempt(store, operation, "stalwart", LATER, retry_in=0)
    attempt(store, operation, "stalwart", LATER, retry_in=90)
    group = groups(services, admin)[("retrying", "stalwart", "timeout")]
    (example,) = group.examples
    assert (example.tenant, example.step, example.attempts, example.operation) == ("acme", "stalwart", 2, operation.id)
    assert example.next_attempt_at is not None
    assert example.next_attempt_at > store.connection.now() + timedelta(seconds=60)


def test_a_retried_step_stays_listed_while_its_next_attempt_runs(
    store: Repositories, services: Services, admin: Actor, create: Create
) -> None:
    operation = begun(create)
    attempt(store, operation, "stalwart", LATER, retry_in=0)
    assert store.operations.claim(operation.id, "stalwart", 99, 60) is not None
    assert ("retrying", "stalwart", "timeout") in groups(services, admin)


def test_a_problem_is_gone_once_its_step_is_ok(
    store: Repositories, services: Services, admin: Actor, create: Create
) -> None:
    operation = begun(create)
    attempt(store, operation, "stalwart", LATER, retry_in=0)
    attempt(store, operation, "stalwart", ok())
    assert groups(services, admin) == {}


def test_a_step_behind_an_open_breaker_is_a_problem_and_one_behind_a_pause_is_none(
    store: Repositories, services: Services, admin: Actor, create: Create
) -> None:
    operation = begun(create)
    assert store.deferrals.defer(operation.id, "ocis", 1, PAUSE) is not None
    status = services.status.status(admin)
    assert [(one.kind, one.reason) for one in status.groups] == [(Kind.PAUSED, "paused")]
    assert status.is_ok
    # nobody knows when the pause will end
    assert status.groups[0].examples[0].next_attempt_at is None
    deferred = begun(create, "beta")
    assert store.deferrals.defer(deferred.id, "ocis", 1, BREAKER) is not None
    found = groups(services, admin)
    assert found[("deferred", "ocis", "unreachable")].examples[0].attempts == 0
    assert not services.status.status(admin).is_ok
    store.deferrals.release([], 10)
    assert groups(services, admin) == {}


def test_a_step_that_no_worker_claims_is_overdue_after_several_dispatches(
    store: Repositories, services: Services, admin: Actor, create: Create, database: Database[dict[str, Any]]
) -> None:
    operation = begun(create)
    for _ in range(2):
        database["operations"].update_one(
            {"tenantSlug": "acme"}, [{"$set": {"dueAt": "$createdAt"}}, _due_before("$createdAt")]
        )
        assert store.operations.begin_dispatch([operation.id])
    assert {key for key, _ in groups(services, admin).items()} == {("overdue", step, "not_taken") for step in STEPS}
    # the worker that deferred the step took it: it is not overdue when the breaker closes
    assert store.deferrals.defer(operation.id, "ocis", 1, BREAKER) is not None
    store.deferrals.release([], 10)
    assert store.operations.begin_dispatch([operation.id])
    assert {integration for _, integration, _ in groups(services, admin)} == {"authentik", "stalwart"}


def _due_before(at: str) -> dict[str, Any]:
    each = {"$mergeObjects": ["$$step", {"lookAt": at}]}
    return {"$set": {"steps": {"$map": {"input": "$steps", "as": "step", "in": each}}}}


def test_unpublished_operations_are_listed_without_a_scheduler(
    store: Repositories, services: Services, admin: Actor, create: Create, database: Database[dict[str, Any]]
) -> None:
    begun(create)
    late = {"$subtract": ["$$NOW", 120_000]}
    database["operations"].update_one({"tenantSlug": "acme"}, [{"$set": {"dueAt": late}}])
    group = groups(services, admin)[("not_dispatched", None, "not_dispatched")]
    assert (group.count, group.examples[0].tenant) == (1, "acme")


def test_a_newer_operation_clears_the_problems_of_the_previous_one(
    store: Repositories, services: Services, admin: Actor, create: Create
) -> None:
    end(store, begun(create), ocis=REFUSED)
    view = services.tenants.reconcile("acme", admin, Mode.APPLY)
    assert groups(services, admin) == {}
    assert view.operation is not None
    end(store, view.operation)
    assert services.status.status(admin).is_ok


def test_a_failed_dry_run_is_no_problem_of_its_tenant(
    store: Repositories, services: Services, admin: Actor, create: Create
) -> None:
    end(store, begun(create))
    view = services.tenants.reconcile("acme", admin, Mode.DRY_RUN)
    assert view.operation is not None
    end(store, view.operation, ocis=REFUSED)
    assert groups(services, admin) == {}


def test_a_blocked_step_is_not_listed_beside_the_one_that_blocks_it(
    store: Repositories, services: Services, admin: Actor, create: Create
) -> None:
    end(store, begun(create))
    view = services.lifecycle.suspend("acme", "unpaid", admin)
    assert view.operation is not None
    for step, outcome in (("access", REFUSED), ("stalwart", ok()), ("ocis", ok())):
        attempt(store, view.operation, step, outcome)
    assert set(groups(services, admin)) == {("failed", "authentik", "taken")}


def test_a_caller_with_one_tenant_sees_only_its_problems(
    store: Repositories, services: Services, admin: Actor, create: Create
) -> None:
    for slug in ("acme", "beta"):
        end(store, begun(create, slug), ocis=REFUSED)
    other = services.tenants.get("beta", admin).tenant
    beta = TenantRef(other.id, "beta")
    switch = store.switches.record_failure(
        "ocis", beta, "unreachable", "beta's space did not answer", 1, OpenDuration(30, 60)
    )
    assert switch.is_open
    owner = Actor(_owner_of(services, admin, "acme"), frozenset({"portal"}))
    status = services.status.status(owner)
    (group,) = status.groups
    assert (group.count, [one.tenant for one in group.examples]) == (1, ["acme"])
    breakers = [(one.name, one.cause, one.detail, one.failing) for one in status.breakers]
    assert breakers == [("ocis", "unreachable", "", ())]
    assert [one.tenant.slug for one in services.status.status(admin).breakers[0].failing] == ["beta"]
    page = services.status.page(owner, None, OperationQuery())
    assert {one.tenant_slug for one in page.items} == {"acme"}


def _owner_of(services: Services, admin: Actor, slug: str) -> Any:
    tenant = services.tenants.get(slug, admin).tenant
    new = NewUser("s1", "o@acme.test", "O")
    return services.users.create(new, {"role": Role.OWNER, "tenant_ids": (tenant.id,)}, admin)


def test_drift_failed_domains_failing_webhooks_and_waiting_purges_are_listed(
    store: Repositories, services: Services, admin: Actor, create: Create, database: Database[dict[str, Any]]
) -> None:
    view = create("acme", "acme.test")
    assert view.operation is not None
    end(store, view.operation)
    dry_run = services.tenants.reconcile("acme", admin, Mode.DRY_RUN).operation
    assert dry_run is not None
    end(store, dry_run, stalwart=Outcome(Result.OK, changes=("create the domain",)))
    database["domains"].update_one(
        {"domain": "acme.test"}, {"$set": {"state": "degraded", "since": store.connection.now()}}
    )
    database["tenants"].update_one({"slug": "acme"}, [{"$set": {"purgeAfter": {"$subtract": ["$$NOW", 7_200_000]}}}])
    webhook = {
        "url": "https://hooks.acme.test/secret",
        "failingSince": store.connection.now(),
        "tenantId": None,
        "partnerId": None,
        "tenantSlug": None,
        "disabledReason": None,
        "enabled": True,
    }
    database["webhooks"].insert_one(webhook)
    found = groups(services, admin)
    assert found[(Finding.DRIFTED.value, "stalwart", "drifted")].examples[0].message == "create the domain"
    assert found[(Finding.DEGRADED_DOMAIN.value, "stalwart", "degraded")].examples[0].name == "acme.test"
    assert found[(Finding.STUCK_PURGE.value, None, "not_begun")].count == 1
    assert found[(Finding.FAILING_WEBHOOK.value, None, "failing")].examples[0].name == "hooks.acme.test"
    webhook = database["webhooks"].find_one({})
    assert webhook is not None
    assert found[(Finding.FAILING_WEBHOOK.value, None, "failing")].examples[0].webhook == str(webhook["_id"])
    reconciled = services.tenants.reconcile("acme", admin, Mode.APPLY).operation
    assert reconciled is not None
    end(store, reconciled)
    assert (Finding.DRIFTED.value, "stalwart", "drifted") not in groups(services, admin)


def test_failing_webhooks_are_shown_to_those_who_may_see_them(
    store: Repositories, services: Services, admin: Actor, create: Create, database: Database[dict[str, Any]]
) -> None:
    tenant_id = begun(create).tenant_id
    roles = {"owner": Role.OWNER, "member": Role.MEMBER}
    people = {
        name: services.users.create(
            NewUser(name, f"{name}@acme.test", name), {"role": role, "tenant_ids": (tenant_id,)}, admin
        )
        for name, role in roles.items()
    }
    owner, member = (Actor(people[name], frozenset({"portal"})) for name in roles)
    failing = {"failingSince": store.connection.now(), "disabledReason": None, "partnerId": None}
    database["webhooks"].insert_one(
        {"url": "https://hooks.acme.test/", "tenantId": tenant_id, "tenantSlug": "acme", **failing}
    )
    kind = (Finding.FAILING_WEBHOOK.value, None, "failing")
    assert kind in groups(services, owner)
    assert kind not in groups(services, member)
    database["tenants"].update_one({"slug": "acme"}, {"$set": {"status": "deleted"}})
    assert kind not in groups(services, owner)
    assert kind in groups(services, admin)


def test_records_from_before_the_fields_and_those_of_older_processes_are_repaired(
    store: Repositories, services: Services, admin: Actor, create: Create, database: Database[dict[str, Any]]
) -> None:
    end(store, begun(create), ocis=REFUSED)
    end(store, begun(create, "beta"))
    database["operations"].update_many({"tenantSlug": "acme"}, {"$unset": {"problems": ""}})
    database["operations"].update_many(
        {"tenantSlug": "beta"}, {"$set": {"problems": {"ocis": "retrying/timeout", "any": "retrying/"}}}
    )
    drift = {"lookedAt": store.connection.now(), "changes": {"access": ["add a member"]}}
    database["tenants"].update_one({"slug": "beta"}, {"$set": {"drift": drift}})
    assert store.status_repair.run_once() == 3
    assert set(groups(services, admin)) == {("failed", "ocis", "taken"), ("drifted", "authentik", "drifted")}
    database["paces"].delete_many({})
    assert store.status_repair.run_once() == 0


@pytest.mark.parametrize(
    ("query", "slugs"),
    [
        (OperationQuery(), ["gamma", "beta", "acme"]),
        (OperationQuery(status="failed"), ["acme"]),
        (OperationQuery(status="running", action="provision"), ["gamma", "beta"]),
        (OperationQuery(kind=Kind.RETRYING), ["beta"]),
        (OperationQuery(reason="taken"), ["acme"]),
        (OperationQuery(problems={"ocis": Kind.FAILED}), ["acme"]),
        (OperationQuery(problems={"ocis": Kind.RETRYING}), []),
        (OperationQuery(problems={"stalwart": Kind.RETRYING}, reason="timeout"), ["beta"]),
    ],
)
def test_all_operations_are_listed_newest_first_by_status_action_problem_and_reason(
    store: Repositories, services: Services, admin: Actor, create: Create, query: OperationQuery, slugs: list[str]
) -> None:
    end(store, begun(create), ocis=REFUSED)
    attempt(store, begun(create, "beta"), "stalwart", LATER)
    begun(create, "gamma")
    assert [one.tenant_slug for one in services.status.page(admin, None, query).items] == slugs


def test_a_list_starts_at_a_time_and_continues_at_its_cursor(
    store: Repositories, services: Services, admin: Actor, create: Create
) -> None:
    begun(create)
    between = store.connection.now() + timedelta(milliseconds=1)
    begun(create, "beta")
    page = services.status.page(admin, None, OperationQuery(limit=1))
    assert [one.tenant_slug for one in page.items] == ["beta"]
    rest = services.status.page(admin, None, OperationQuery(limit=1, after=page.next))
    assert [one.tenant_slug for one in rest.items] == ["acme"]
    late = services.status.page(admin, None, OperationQuery(since=between))
    assert [one.tenant_slug for one in late.items] in (["beta"], [])


@pytest.mark.parametrize("year", [2000, 2106, 2107, 2200])
def test_a_list_may_start_at_any_time_that_a_request_may_name(
    services: Services, admin: Actor, create: Create, year: int
) -> None:
    begun(create)
    page = services.status.page(admin, None, OperationQuery(since=datetime(year, 12, 31, tzinfo=UTC)))
    assert len(page.items) == (1 if year == 2000 else 0)


def test_the_summary_counts_outcomes_and_the_time_to_active_by_the_hour(
    store: Repositories, services: Services, admin: Actor, create: Create
) -> None:
    end(store, begun(create))
    end(store, begun(create, "beta"), ocis=REFUSED)
    attempt(store, begun(create, "gamma"), "ocis", LATER)
    summary = services.status.summary(admin, None, 24)
    assert (summary.open, summary.failing) == ({"provision": 1}, {"failed": 1, "retrying": 1})
    outcomes: dict[tuple[str, str], int] = {}
    for hour in summary.hours:
        for key, count in hour.outcomes.items():
            outcomes[key] = outcomes.get(key, 0) + count
    assert outcomes == {("provision", "succeeded"): 1, ("provision", "failed"): 1}
    assert all(0 < (hour.active_p50 or 1) < 60 for hour in summary.hours)
    assert services.status.summary(admin, "gamma", 24).hours == []
