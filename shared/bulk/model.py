"""A bulk operation: an action on the tenants that a selector found, with its progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.status.model import Target

#: tenants of one bulk operation at most
MOST_TENANTS = 20_000
#: tenants named in an answer
NAMED = 20


class BulkAction(StrEnum):
    """`retry` runs failed steps again, `reconcile` all steps; `cancel` stops open operations."""

    RETRY = "retry"
    RECONCILE = "reconcile"
    CANCEL = "cancel"


class BulkStatus(StrEnum):
    """`dry_run` has found its tenants and changes nothing until it is started."""

    DRY_RUN = "dry_run"
    RUNNING = "running"
    FINISHED = "finished"


class ItemStatus(StrEnum):
    """One tenant's part. `refused`: the action was not possible any more; its reason is kept."""

    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True)
class Selector:
    """Which tenants; all criteria must hold. `kind`, `integration` and `reason` are of the latest operation's problems.

    `everything`: every tenant within reach, which no selector means by being empty.
    """

    tenants: tuple[str, ...] | None = None
    status: str | None = None
    plan: str | None = None
    partner: str | None = None
    search: str | None = None
    drifted: str | None = None
    kind: str | None = None
    integration: str | None = None
    reason: str | None = None
    everything: bool = False

    @property
    def names_problems(self) -> bool:
        return any(one is not None for one in (self.kind, self.integration, self.reason))

    @property
    def facts(self) -> dict[str, Any]:
        """The criteria that are given, as stored and shown."""
        return {name: value for name, value in vars(self).items() if value not in (None, False)}


@dataclass(frozen=True)
class Item:
    """A target with what became of it."""

    bulk_id: str
    target: Target
    status: ItemStatus
    detail: str | None = None


@dataclass(frozen=True)
class BulkOperation:
    """`surfaces`, `created_by`: on whose word, and through which surfaces; rights are checked anew for each tenant."""

    id: str
    action: BulkAction
    status: BulkStatus
    selector: Mapping[str, Any]
    created_by: str
    surfaces: tuple[str, ...]
    request_id: str
    total: int
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    counts: Mapping[ItemStatus, int] = field(default_factory=dict)
    named: Sequence[Item] = ()
