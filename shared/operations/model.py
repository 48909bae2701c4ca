"""Operations and their steps: values without I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from shared.workflows.model import Action


class Mode(StrEnum):
    """`plan` is a dry run: its steps change nothing and report what `apply` would do."""

    APPLY = "apply"
    DRY_RUN = "plan"


class OperationStatus(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StepStatus(StrEnum):
    """`pending` waits for its next attempt, `running` has one under way; the others are final."""

    PENDING = "pending"
    RUNNING = "running"
    OK = "ok"
    SKIPPED = "skipped"
    ERROR = "error"


CLOSED = (OperationStatus.SUCCEEDED, OperationStatus.FAILED, OperationStatus.CANCELLED)
OPEN_STEP = (StepStatus.PENDING, StepStatus.RUNNING)
#: reasons of steps that wait because an operator stopped them
PAUSE_REASONS = ("paused", "observe_only")


# a NamedTuple: a page of tenants has hundreds of steps, and creating a frozen dataclass takes five times as long
class StepRecord(NamedTuple):
    """One step of an operation. Times are from the database's clock.

    `dispatch`: number of the latest dispatch that contains the step. `min_dispatch`: workers ignore messages of older
    dispatches; it rises whenever an earlier attempt may have started. `changes`: sentences about changes in the
    integration, or, in a dry run, changes that an apply would make. `deferred_by`: the switch that defers the step;
    `deferrals`: how many times in a row.
    """

    name: str
    stage: int
    status: StepStatus
    attempts: int = 0
    dispatch: int = 0
    min_dispatch: int = 1
    due_at: datetime | None = None
    lease_until: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    reason: str | None = None
    message: str | None = None
    remedy: str | None = None
    retryable: bool = False
    notes: Mapping[str, str] = MappingProxyType({})
    changes: tuple[str, ...] = ()
    deferred_by: str | None = None
    deferrals: int = 0

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STEP

    @property
    def next_attempt_at(self) -> datetime | None:
        """Return when the step runs again; None before its first attempt, unless it is deferred, and after its end.

        None also during a pause, whose end is not known: the scheduler then only looks again at `due_at`.
        """
        if not self.is_open or self.reason in PAUSE_REASONS:
            return None
        return self.due_at if self.attempts or self.deferred_by else None


@dataclass(frozen=True)
class Operation:
    """One action on one tenant. `generation` is the fencing token: the tenant's generation when it was accepted.

    `settled`: the tenant's record shows the result. `paused_at`: start of a pause, during which the deadline does not
    run. `allow_removals`: an approval to remove more than the safety limit. `found`: remote ids that the steps found;
    settling moves them to the tenant. `users_removed`: user records that a purge deleted before it was settled.
    `new_tenant`: document of the tenant that the operation provisions, as recorded with it but without personal data,
    until the operation is settled.
    """

    id: str
    tenant_id: str
    tenant_slug: str
    action: Action
    status: OperationStatus
    requested_by: str | None
    request_id: str
    generation: int
    dispatch: int
    stage: int
    settled: bool
    steps: tuple[StepRecord, ...]
    created_at: datetime
    deadline_at: datetime
    finished_at: datetime | None = None
    mode: Mode = Mode.APPLY
    paused_at: datetime | None = None
    allow_removals: bool = False
    found: Mapping[str, Any] = field(default_factory=dict)
    users_removed: int = 0
    new_tenant: Mapping[str, Any] | None = None

    @property
    def is_open(self) -> bool:
        return self.status is OperationStatus.RUNNING

    @property
    def is_dry_run(self) -> bool:
        return self.mode is Mode.DRY_RUN

    @property
    def is_retrying(self) -> bool:
        """Return whether an open step failed or waits for a breaker. A dry run never counts."""
        has_failed_step = any(step.is_open and step.reason not in (None, *PAUSE_REASONS) for step in self.steps)
        return self.is_open and not self.is_dry_run and has_failed_step

    @property
    def progress(self) -> tuple[int, int]:
        """Return a value that rises when a step ends or is dispatched again. It orders two reads of one operation."""
        return self.dispatch, sum(not step.is_open for step in self.steps)

    @property
    def shown_status(self) -> OperationStatus:
        """Return the status for clients: `running` until the tenant's record shows the result too."""
        return self.status if self.settled else OperationStatus.RUNNING

    @property
    def shown_finished_at(self) -> datetime | None:
        """Return the time of the end, shown with it."""
        return self.finished_at if self.settled else None

    def step(self, name: str) -> StepRecord:
        """Return the step of this name. Raises KeyError when there is none."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)

    def steps_of_dispatch(self) -> tuple[StepRecord, ...]:
        """Return the open steps of the latest dispatch."""
        return tuple(step for step in self.steps if step.is_open and step.dispatch == self.dispatch)


@dataclass(frozen=True)
class Claim:
    """A step that one worker leased for one attempt. Recording the outcome requires `token`."""

    operation: Operation
    step: StepRecord
    token: str

    @property
    def is_first(self) -> bool:
        """Return whether no attempt of this step can have started before, so that nothing of it exists outside.

        A retry of a failed step resets `attempts` but raises `min_dispatch`. Publishing a step again that no worker
        claimed raises neither.
        """
        is_first_operation = self.operation.action is Action.PROVISION and self.operation.generation == 1
        return is_first_operation and self.step.min_dispatch == 1 and self.step.attempts == 1

    @property
    def new_tenant(self) -> Mapping[str, Any] | None:
        """Return the document of a new tenant if this is the first attempt of a step of the first stage."""
        return self.operation.new_tenant if self.is_first and self.step.stage == 0 else None
