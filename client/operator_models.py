"""Records for operators, as the API returns them: problems, integrations, orphans, bulk operations, diagnoses."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from client.models import Pause, Time


class Breaker(TypedDict):
    """A circuit breaker. `open`: steps are deferred until a probe succeeds."""

    state: Literal["closed", "open"]
    failures: int
    since: NotRequired[Time]
    openUntil: NotRequired[Time]
    reason: NotRequired[str]
    message: NotRequired[str]


class FailingTenant(TypedDict):
    """A tenant whose latest attempts found the integration unavailable."""

    tenant: str
    reason: str
    since: Time
    at: Time
    isolated: bool


class Reachability(TypedDict):
    """The result of the newest diagnosis that called the integration. `seconds`: the duration of the call."""

    status: Literal["ok", "warning", "failed", "not_configured"]
    message: str
    checkedAt: Time
    remedy: NotRequired[str]
    version: NotRequired[str]
    seconds: NotRequired[float]


class Integration(TypedDict):
    name: str
    paused: bool
    breaker: Breaker
    failing: list[FailingTenant]
    pause: NotRequired[Pause]
    reachability: NotRequired[Reachability]


class Example(TypedDict, total=False):
    """One problem of a group. `name`: the domain or the webhook's host with the problem."""

    tenant: str
    since: Time
    operation: str
    step: str
    attempts: int
    nextAttemptAt: Time
    message: str
    remedy: str
    name: str
    webhook: str


class Group(TypedDict):
    """All problems of one kind, integration and reason: their number, the oldest, and a few examples."""

    kind: str
    reason: str
    count: int
    examples: list[Example]
    integration: NotRequired[str]
    message: NotRequired[str]
    remedy: NotRequired[str]
    oldest: NotRequired[Time]


class OpenBreaker(Breaker):
    integration: str
    failing: list[FailingTenant]


class ActivePause(Pause):
    """A pause that is in effect. `integration`: a name, `all` or `observe-only`; a tenant's pause has `tenant`."""

    integration: NotRequired[str]
    tenant: NotRequired[str]


class Status(TypedDict):
    """The platform's problems at present. `tenants`: number of tenants with a problem, by its most severe kind."""

    at: Time
    ok: bool
    tenants: dict[str, int]
    groups: list[Group]
    breakers: list[OpenBreaker]
    pauses: list[ActivePause]


class OutcomeCount(TypedDict):
    action: str
    status: str
    count: int


class Hour(TypedDict):
    begins: Time
    outcomes: list[OutcomeCount]
    activeSecondsP50: NotRequired[float]
    activeSecondsP95: NotRequired[float]


class Summary(TypedDict):
    """Numbers of running operations and of those with problems, and the outcomes per hour."""

    open: dict[str, int]
    problems: dict[str, int]
    hours: list[Hour]


class ObserveOnly(TypedDict):
    observeOnly: bool
    reason: NotRequired[str]
    since: NotRequired[Time]
    by: NotRequired[str]


class PurgeQuota(TypedDict):
    """The daily limit of automatic purges, and its use."""

    perDay: int
    begun: int
    extra: int
    waiting: int
    heldSince: NotRequired[Time]


class OrphanRemoval(TypedDict):
    askedAt: Time
    attempts: int
    askedBy: NotRequired[str]
    nextAttemptAt: NotRequired[Time]
    reason: NotRequired[str]
    message: NotRequired[str]
    remedy: NotRequired[str]
    removed: NotRequired[list[str]]
    verified: NotRequired[str]
    endedAt: NotRequired[Time]


class Orphan(TypedDict):
    """An object in an integration with our ownership marker that belongs to no existing tenant."""

    _id: str
    integration: str
    kind: str
    objectId: str
    name: str
    tenantId: str
    cause: str
    message: str
    status: str
    firstSeenAt: Time
    lastSeenAt: Time
    removableAt: Time
    removal: NotRequired[OrphanRemoval]


class OrphanScan(TypedDict):
    """The latest scan of one integration for orphans."""

    integration: str
    stamped: int
    orphans: int
    doneAt: NotRequired[Time]
    nextLookAt: NotRequired[Time]
    reason: NotRequired[str]
    message: NotRequired[str]
    remedy: NotRequired[str]


class BulkItem(TypedDict):
    """One tenant's part of a bulk operation."""

    tenant: str
    status: Literal["pending", "done", "refused", "skipped"]
    operation: NotRequired[str]
    steps: NotRequired[list[str]]
    detail: NotRequired[str]


class BulkOperation(TypedDict):
    """One action on many tenants. `tenants`: the first few, refused ones first."""

    id: str
    action: Literal["retry", "reconcile", "cancel"]
    status: Literal["dry_run", "running", "finished", "stopped"]
    selector: dict[str, Any]
    requestedBy: str
    total: int
    pending: int
    done: int
    refused: int
    skipped: int
    tenants: list[BulkItem]
    createdAt: Time
    startedAt: NotRequired[Time]
    finishedAt: NotRequired[Time]


class Check(TypedDict):
    """One check of a diagnosis. `not_configured`: there was nothing to check.

    `version` and `seconds`: a product's version, and how long it took to answer.
    """

    area: str
    name: str
    status: Literal["ok", "warning", "failed", "not_configured"]
    message: str
    remedy: NotRequired[str]
    version: NotRequired[str]
    seconds: NotRequired[float]


class Diagnosis(TypedDict):
    """A run of the diagnostics. If it waits for more than a few seconds, no scheduler is running."""

    id: str
    status: Literal["waiting", "running", "finished"]
    createdAt: Time
    checks: list[Check]
    requestedBy: NotRequired[str]
    finishedAt: NotRequired[Time]


class Erasure(TypedDict):
    """The result of an erasure. `kept`: sentences that say what remains and why."""

    erasedEvents: int
    kept: list[str]
