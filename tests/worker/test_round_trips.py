"""The database commands of a new tenant's provisioning, and what its steps read of each other's results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pymongo
import pytest
from pymongo.monitoring import CommandListener, CommandStartedEvent

from shared.integrations.outcomes import ok
from shared.tenants.model import NewTenant
from shared.tenants.views import TenantView
from tests.platform_fixture import PlatformFixture

NEW = NewTenant("acme", "Acme GmbH", "starter", ("acme.test",))


class Commands(CommandListener):
    """The names of the commands, with their collections."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def started(self, event: CommandStartedEvent) -> None:
        of = event.command[event.command_name]
        self.seen.append(f"{event.command_name} {of}" if isinstance(of, str) else event.command_name)

    def succeeded(self, event: Any) -> None: ...

    def failed(self, event: Any) -> None: ...


@pytest.fixture
def commands() -> Iterator[Commands]:
    """Hears the commands of clients that are opened after this."""
    made = Commands()
    pymongo.monitoring.register(made)
    yield made
    pymongo.monitoring._LISTENERS.command_listeners.remove(made)


@pytest.fixture
def platform(commands: Commands, make_platform: Callable[..., PlatformFixture]) -> PlatformFixture:
    return make_platform()


def created(platform: PlatformFixture) -> TenantView:
    return platform.plane.tenants.create(NEW, platform.admin)


def run(platform: PlatformFixture, view: TenantView, *steps: str) -> None:
    assert view.operation is not None
    for step in steps:
        assert platform.runner.run(view.operation.id, step, view.operation.dispatch).summary == "ok"


def test_the_workers_of_a_new_tenant_need_these_commands(platform: PlatformFixture, commands: Commands) -> None:
    platform.store.switches.cached()
    view = created(platform)
    commands.seen.clear()
    run(platform, view, "authentik", "stalwart", "ocis")
    assert platform.tenant("acme").status == "active"
    assert Counter(commands.seen[:-1]) == {
        "findAndModify operations": 3 + 3 + 1,  # claims, outcomes, settled
        "find tenants": 3,
        "find domains": 1,
        "update tenants": 3 + 2,  # ids of outside objects, steps shown
        "findAndModify tenants": 1,
        "update events": 1,
        "commitTransaction": 1,
    }


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
