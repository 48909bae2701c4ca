"""The database commands of a new tenant's provisioning, and what its steps read of each other's results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.application.services import Services, open_services
from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.integrations.outcomes import Outcome, TemporaryError, failed, ok
from shared.operations.dispatcher import Dispatcher
from shared.operations.model import Mode
from shared.rights.policy import Actor
from shared.tenants.model import BillingInfo, NewTenant, Owner, Tenant
from shared.tenants.views import TenantView
from tests.database_commands import DatabaseCommands
from tests.platform_fixture import PlatformFixture
from tests.worker.conftest import RunnerFixture
from worker.integrations.step_context import StepContext

NEW = NewTenant("acme", "Acme GmbH", "starter", ("acme.test",))


@pytest.fixture
def platform(commands: DatabaseCommands, make_platform: Callable[..., PlatformFixture]) -> PlatformFixture:
    return make_platform()


def created(platform: PlatformFixture) -> TenantView:
    return platform.services.tenants.create(NEW, platform.admin)


def run(platform: PlatformFixture, view: TenantView, *steps: str) -> None:
    assert view.operation is not None
    for step in steps:
        assert platform.runner.run(view.operation.id, step, view.operation.dispatch).summary == "ok"


def test_the_workers_of_a_new_tenant_need_these_commands(platform: PlatformFixture, commands: DatabaseCommands) -> None:
    view = created(platform)
    commands.sent.clear()
    run(platform, view, "authentik", "stalwart", "ocis")
    # every process reads the switches once a second
    assert Counter(one for one in commands.names_with_collections if one != "find switches") == {
        "findAndModify operations": 3 + 3 + 1,  # claims, outcomes, settled
        "update tenants": 3 + 2,  # ids of outside objects, steps shown
        "findAndModify tenants": 1,
        "insert events": 1,
        "commitTransaction": 1,
    }
    assert platform.tenant("acme").status == "active"


def test_the_first_attempts_see_the_tenant_as_it_was_recorded_and_later_ones_as_it_is(
    runners: RunnerFixture, store: Repositories, services: Services, admin: Actor
) -> None:
    new = NewTenant("acme", "Acme GmbH", "starter", ("acme.test",), BillingInfo("Acme"), owner=Owner("o@acme.org", "O"))
    operation = services.tenants.create(new, admin).operation
    assert operation is not None
    found = store.tenants.find("acme")
    assert found is not None
    # no step of the first stage needs personal data, except that of billing, which reads the record
    recorded = replace(found, billing_info=None, owner=None)
    seen: list[tuple[str, Tenant]] = []

    def step(context: StepContext, client: Any) -> Outcome:
        seen.append((client, context.tenant))
        context.found.update({f"{client}GroupId": "1"} if client != "stalwart" else {"stalwartDomainId": "1"})
        return failed(TemporaryError("timeout", wait=0.0)) if client == "ocis" and len(seen) < 4 else ok()

    clients = {name: name for name in ("authentik", "stalwart", "ocis")}
    runner = runners.runner(clients=clients, authentik=step, stalwart=step, ocis=step, access=step)
    for name in ("authentik", "stalwart", "ocis"):
        runner.run(operation.id, name, 1)
    assert seen == [("authentik", recorded), ("stalwart", recorded), ("ocis", recorded)]
    while runners.seen(operation).step("ocis").is_open:
        runner.run(operation.id, "ocis", 1)
    runner.run(operation.id, "access", 2)
    everything = {"authentikGroupId": "1", "stalwartDomainId": "1", "ocisGroupId": "1"}
    assert [(client, context.remote) for client, context in seen[3:]] == [
        ("ocis", everything),
        ("authentik", everything),
    ]


def test_the_first_attempt_sees_which_domains_wait_for_a_proof(
    store: Repositories, dispatcher: Dispatcher, make_settings: Callable[..., Settings], admin: Actor
) -> None:
    seen: list[frozenset[str] | None] = []

    def step(context: StepContext, client: Any) -> Outcome:
        seen.append(context.proven)
        return failed(TemporaryError("timeout", wait=0.0)) if len(seen) == 1 else ok()

    settings = make_settings(domain_proof="required")
    operation = open_services(store, dispatcher, settings).tenants.create(NEW, admin).operation
    assert operation is not None
    runner = RunnerFixture(store, dispatcher, settings).runner(stalwart=step)
    while len(seen) < 2:
        runner.run(operation.id, "stalwart", 1)
    assert seen == [frozenset(), frozenset()]


def test_the_group_is_invited_as_soon_as_the_outcome_of_its_step_is_on_record(platform: PlatformFixture) -> None:
    view = created(platform)
    assert view.operation is not None
    claim = platform.store.operations.claim(view.operation.id, "authentik", 1, 60)
    assert claim is not None
    group = platform.clients["authentik"].create_group("tenant-acme", {})
    # a worker that is delayed here has not shown the outcome on the tenant yet
    assert platform.store.operations.record(claim, replace(ok(), found={"authentikGroupId": group.id})) is not None
    run(platform, view, "ocis")
    assert platform.finish(view).step("ocis").notes == {"members": "invited"}
    assert platform.tenant("acme").remote["authentikGroupId"] == group.id


def test_other_tenants_add_no_command_to_a_tenants_operations(
    platform: PlatformFixture, commands: DatabaseCommands
) -> None:
    def reads(slug: str) -> dict[str, int]:
        """Return how many reads of tenants' records each action on a new tenant makes."""
        platform.grown(slug)
        tenants, lifecycle = platform.services.tenants, platform.services.lifecycle
        counts = {}
        for action, start in {
            "reconcile": lambda: tenants.reconcile(slug, platform.admin, Mode.APPLY),
            "dry run": lambda: tenants.reconcile(slug, platform.admin, Mode.DRY_RUN),
            "suspend": lambda: lifecycle.suspend(slug, "unpaid", platform.admin),
            "resume": lambda: lifecycle.resume(slug, platform.admin),
            "delete": lambda: lifecycle.delete(slug, platform.admin),
            "purge": lambda: lifecycle.purge(slug, platform.admin),
        }.items():
            view = start()
            commands.sent.clear()
            assert platform.finish(view).status == "succeeded"
            counts[action] = commands.names_with_collections.count("find tenants")
        return counts

    alone = reads("acme")
    for number in range(4):
        platform.grown(f"other{number}")
    assert reads("globex") == alone
