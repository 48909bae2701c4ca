"""Values of bulk operations: one action on all tenants that a selector finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.status.model import Target

#: limit of tenants in one bulk operation
MAX_TENANTS = 20_000
#: tenants listed in a response
MAX_NAMED = 20


class BulkAction(StrEnum):
    """`retry` runs failed steps again, `reconcile` all steps; `cancel` stops open operations."""

    RETRY = "retry"
    RECONCILE = "reconcile"
    CANCEL = "cancel"


class BulkStatus(StrEnum):
    """`dry_run`: tenants were found, nothing is changed before the start. `stopped`: somebody ended it for good."""

    DRY_RUN = "dry_run"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"


class ItemStatus(StrEnum):
    """State of one tenant's part. `refused`: the action was not possible; `detail` says why.

    `skipped`: the bulk operation was stopped before.
    """

    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Selector:
    """Criteria that a tenant must meet, all of them. `kind`, `integration`, `reason`: of its latest problem.

    `everything`: all tenants that the caller may change. An empty selector finds none.
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
        """Return the given criteria, as stored and shown."""
        return {name: value for name, value in vars(self).items() if value not in (None, False)}


@dataclass(frozen=True)
class Item:
    """One tenant of a bulk operation, and the result for it. `detail`: why it was refused, or which steps ran again."""

    bulk_id: str
    target: Target
    status: ItemStatus
    detail: str | None = None


@dataclass(frozen=True)
class BulkOperation:
    """A bulk operation on record. `created_by`, `surfaces`: the caller, whose rights are checked for each tenant."""

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
