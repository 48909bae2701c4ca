"""What is wrong now, grouped; and how operations ended, hour by hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.operations.problems import Kind
from shared.switches.model import Switch

#: examples of each group: enough to see what it is about
EXAMPLES = 5


class Finding(StrEnum):
    """Kinds of groups beyond those of steps."""

    NOT_DISPATCHED = "not_dispatched"
    DRIFTED = "drifted"
    DEGRADED_DOMAIN = "degraded_domain"
    FAILING_WEBHOOK = "failing_webhook"
    STUCK_PURGE = "stuck_purge"


@dataclass(frozen=True)
class Example:
    """One of a group. `since`: when it began. `name`: the domain or the webhook's host, where it is about one."""

    tenant: str | None
    since: datetime | None
    operation: str | None = None
    step: str | None = None
    attempts: int | None = None
    next_attempt_at: datetime | None = None
    message: str | None = None
    remedy: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class Group:
    """All of one kind, integration and reason. `examples`: the oldest of them."""

    kind: Kind | Finding
    integration: str | None
    reason: str
    count: int
    oldest: datetime | None
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True)
class TenantPause:
    """A tenant whose steps an operator holds back."""

    tenant: str
    switch: Switch


@dataclass(frozen=True)
class Status:
    """Everything that is wrong within a scope. `tenants`: how many have a problem, by their most severe kind."""

    at: datetime
    tenants: Mapping[str, int]
    groups: Sequence[Group]
    breakers: Sequence[Switch]
    pauses: Sequence[Switch]
    tenant_pauses: Sequence[TenantPause]

    @property
    def is_ok(self) -> bool:
        """A pause is an operator's wish and no error."""
        return not self.breakers and all(group.kind is Kind.PAUSED for group in self.groups)


@dataclass(frozen=True)
class OperationQuery:
    """A list request over all operations. `problems`: integration to the kinds that its step must have."""

    limit: int = 50
    after: str | None = None
    status: str | None = None
    action: str | None = None
    kind: Kind | None = None
    reason: str | None = None
    problems: Mapping[str, Kind] | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Hour:
    """How operations ended within one hour: action and status to how many. Seconds are of provisions that succeeded."""

    begins: datetime
    outcomes: Mapping[tuple[str, str], int]
    active_p50: float | None
    active_p95: float | None


@dataclass(frozen=True)
class Summary:
    """`open`: running operations by action; `failing`: those by their most severe problem."""

    open: Mapping[str, int]
    failing: Mapping[str, int]
    hours: Sequence[Hour]


@dataclass(frozen=True)
class Target:
    """One tenant to act on. `operation_id`, `steps`: what is to be retried or cancelled."""

    tenant_id: str
    slug: str
    operation_id: str | None = None
    steps: tuple[str, ...] = ()
