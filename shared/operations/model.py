"""An operation and its steps, as read from the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from shared.workflows.model import Action


class Mode(StrEnum):
    """`plan` changes nothing anywhere: its steps say what `apply` would do."""

    APPLY = "apply"
    PLAN = "plan"


class OperationStatus(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StepStatus(StrEnum):
    """`pending` waits for its (next) attempt, `running` has one under way; the others are ends."""

    PENDING = "pending"
    RUNNING = "running"
    OK = "ok"
    SKIPPED = "skipped"
    ERROR = "error"


OPEN_STEP = (StepStatus.PENDING, StepStatus.RUNNING)
#: reasons of steps that wait because an operator said so
OPERATORS_WISH = ("paused", "observe_only")


# a frozen dataclass takes five times as long to make, and a page of tenants has hundreds of these
class StepRecord(NamedTuple):
    """One step of an operation. `dispatch`: number of the dispatch that last sent it. Times are the database's.

    `valid_from`: the oldest dispatch whose messages still count, raised whenever an attempt may have begun before.
    `changes`: sentences on what the step did outside, or in a plan would do. `deferred_by`: the switch that defers
    it, `deferrals`: how often in a row it did.
    """

    name: str
    phase: int
    status: StepStatus
    attempts: int = 0
    dispatch: int = 0
    valid_from: int = 1
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
        """When the step runs again; None before its first attempt, unless it is deferred, and after its end."""
        return self.due_at if self.is_open and (self.attempts or self.deferred_by) else None


@dataclass(frozen=True)
class Operation:
    """One action on one tenant. `generation` is the tenant's when it was accepted: it fences off older operations.

    `paused_at`: since when the deadline stands still. `allow_removals`: somebody allowed it to remove more than usual.
    `found`: remote fields that its steps found, kept until it is settled: by then they are on the tenant's record.
    `forgotten`: people whose records a removal has taken away before it is settled.
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
    phase: int
    settled: bool
    steps: tuple[StepRecord, ...]
    created_at: datetime
    deadline_at: datetime
    finished_at: datetime | None = None
    mode: Mode = Mode.APPLY
    paused_at: datetime | None = None
    allow_removals: bool = False
    found: Mapping[str, Any] = field(default_factory=dict)
    forgotten: int = 0

    @property
    def is_open(self) -> bool:
        return self.status is OperationStatus.RUNNING

    @property
    def is_plan(self) -> bool:
        return self.mode is Mode.PLAN

    @property
    def is_retrying(self) -> bool:
        """Whether an open step's last attempt failed, or its integration is not asked for a while. Not of a plan."""
        troubled = any(step.is_open and step.reason not in (None, *OPERATORS_WISH) for step in self.steps)
        return self.is_open and not self.is_plan and troubled

    @property
    def progress(self) -> tuple[int, int]:
        """Of two looks at one operation the later has the greater, once a step has ended or begun anew in between."""
        return self.dispatch, sum(not step.is_open for step in self.steps)

    @property
    def shown_status(self) -> OperationStatus:
        """Ended only once its tenant shows what came of it: whoever sees the end may look there at once."""
        return self.status if self.settled else OperationStatus.RUNNING

    @property
    def shown_finished_at(self) -> datetime | None:
        """The time of the end, shown with it."""
        return self.finished_at if self.settled else None

    def step(self, name: str) -> StepRecord:
        """Raises KeyError for a step this operation does not have."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)

    def steps_of_dispatch(self) -> tuple[StepRecord, ...]:
        """The steps that the latest dispatch is to send."""
        return tuple(step for step in self.steps if step.is_open and step.dispatch == self.dispatch)
