"""Values of the status: groups of current problems, and results of operations by hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.operations.problems import Kind
from shared.switches.model import Switch
from shared.workflows.model import Action

#: upper limit of examples in a group
EXAMPLES = 5


class Finding(StrEnum):
    """Kinds of problems that are not problems of steps."""

    NOT_DISPATCHED = "not_dispatched"
    DRIFTED = "drifted"
    DEGRADED_DOMAIN = "degraded_domain"
    FAILING_WEBHOOK = "failing_webhook"
    STUCK_PURGE = "stuck_purge"


#: the order of groups: first what only a person can resolve, then what goes on by itself, last what is meant
SEVERITY: tuple[Kind | Finding, ...] = (
    Finding.NOT_DISPATCHED,
    Kind.FAILED,
    Finding.STUCK_PURGE,
    Kind.OVERDUE,
    Kind.RETRYING,
    Kind.DEFERRED,
    Finding.FAILING_WEBHOOK,
    Finding.DEGRADED_DOMAIN,
    Finding.DRIFTED,
    Kind.PAUSED,
)


def severity(kind: Kind | Finding) -> int:
    """Return the place among groups. A kind that only a newer release knows comes last."""
    return SEVERITY.index(kind) if kind in SEVERITY else len(SEVERITY)


@dataclass(frozen=True)
class Example:
    """One problem of a group. `since`: its start. `name`: the domain, or the webhook's host."""

    tenant: str | None
    since: datetime | None
    operation: str | None = None
    step: str | None = None
    attempts: int | None = None
    next_attempt_at: datetime | None = None
    message: str | None = None
    remedy: str | None = None
    name: str | None = None
    webhook: str | None = None


@dataclass(frozen=True)
class Group:
    """Problems of the same kind, integration and reason. `examples`: the oldest ones."""

    kind: Kind | Finding
    integration: str | None
    reason: str
    count: int
    oldest: datetime | None
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True)
class TenantPause:
    """A tenant that an operator has paused."""

    tenant: str
    switch: Switch


@dataclass(frozen=True)
class Status:
    """All problems within a scope. `tenants`: number of tenants by their most severe kind of problem."""

    at: datetime
    tenants: Mapping[str, int]
    groups: Sequence[Group]
    breakers: Sequence[Switch]
    pauses: Sequence[Switch]
    tenant_pauses: Sequence[TenantPause]

    @property
    def is_ok(self) -> bool:
        """Return true without open breakers and problems. A pause is not a problem."""
        return not self.breakers and all(group.kind is Kind.PAUSED for group in self.groups)


@dataclass(frozen=True)
class OperationQuery:
    """A list query over all operations. `problems`: integration to the kind of problem that its step must have.

    `not_status`: excluded status.
    """

    limit: int = 50
    after: str | None = None
    status: str | None = None
    not_status: str | None = None
    action: str | None = None
    kind: Kind | None = None
    reason: str | None = None
    problems: Mapping[str, Kind] | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Hour:
    """Operations that ended within one hour.

    `outcomes`: (action, status) to their number. `active_p50`, `active_p95`: percentiles of the duration of successful
    provisions, in seconds.
    """

    begins: datetime
    outcomes: Mapping[tuple[str, str], int]
    active_p50: float | None
    active_p95: float | None


@dataclass(frozen=True)
class Summary:
    """Counts of operations. `open`: running ones by action; `failing`: those with a problem, by the most severe."""

    open: Mapping[str, int]
    failing: Mapping[str, int]
    hours: Sequence[Hour]


@dataclass(frozen=True)
class Target:
    """A tenant of a bulk operation. `operation_id`, `steps`: to retry or cancel; `action`: the operation's."""

    tenant_id: str
    slug: str
    operation_id: str | None = None
    steps: tuple[str, ...] = ()
    action: Action | None = None
