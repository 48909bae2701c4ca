"""A runner over the real database whose step functions and clients the test chooses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.integrations.outcomes import Outcome, ok
from shared.operations.dispatcher import Dispatcher
from shared.operations.model import Operation
from shared.tenants.views import TenantView
from shared.workflows.model import Action
from worker.composition import open_runner
from worker.execution.bulkhead import Bulkhead
from worker.execution.runner import Runner
from worker.integrations.step_context import StepContext

Function = Callable[[StepContext, Any], Outcome]
STEPS = ("authentik", "stalwart", "ocis")


def fine(context: StepContext, client: Any) -> Outcome:
    return ok()


class RunnerFixture:
    """A runner over the real database whose step functions and clients the test chooses."""

    def __init__(self, store: Repositories, dispatcher: Dispatcher, settings: Settings) -> None:
        self.store = store
        self._dispatcher = dispatcher
        self._settings = settings

    def runner(
        self, clients: Mapping[str, Any] | None = None, bulkhead: Bulkhead | None = None, **functions: Function | None
    ) -> Runner:
        """`functions`: step name to its function; None for a step that the runner does not know."""
        table = {name: found for name in {*STEPS, *functions} if (found := functions.get(name, fine)) is not None}
        steps = {Action.PROVISION: table, Action.RECONCILE: table}
        chosen = clients if clients is not None else dict.fromkeys(STEPS, "client")
        return open_runner(self.store, self._dispatcher, steps, chosen, self._settings, bulkhead)

    def seen(self, operation: Operation) -> Operation:
        found = self.store.operations.find(operation.id)
        assert found is not None
        return found


@pytest.fixture
def runners(store: Repositories, dispatcher: Dispatcher, settings: Settings) -> RunnerFixture:
    return RunnerFixture(store, dispatcher, settings)


@pytest.fixture
def view(create: Callable[..., TenantView]) -> TenantView:
    return create("acme", "acme.test")


@pytest.fixture
def operation(view: TenantView) -> Operation:
    assert view.operation is not None
    return view.operation


def run_all(runner: Runner, operation: Operation) -> None:
    for step in STEPS:
        runner.run(operation.id, step, operation.dispatch)


def raising(problem: Exception) -> Function:
    def step(context: StepContext, client: Any) -> Outcome:
        raise problem

    return step
