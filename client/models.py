"""Records as the API returns them. A response may have more fields than these; the client keeps them."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

#: an RFC 3339 time in UTC, such as 2030-01-31T00:00:00Z
Time = str
StepStatus = Literal["pending", "running", "ok", "skipped", "error"]
OperationStatus = Literal["running", "succeeded", "failed", "cancelled"]
TenantStatus = Literal["pending", "active", "suspended", "deleted"]
Role = Literal["owner", "admin", "member"]
PlatformRole = Literal["admin", "support"]


class Step(TypedDict):
    """One integration's part of an operation."""

    name: str
    status: StepStatus
    attempts: int
    retryable: bool
    startedAt: NotRequired[Time]
    finishedAt: NotRequired[Time]
    nextAttemptAt: NotRequired[Time]
    reason: NotRequired[str]
    message: NotRequired[str]
    remedy: NotRequired[str]
    notes: NotRequired[dict[str, str]]
    changes: NotRequired[list[str]]


class Operation(TypedDict):
    """One action on one tenant. `tenant`: its slug."""

    id: str
    tenant: str
    action: str
    mode: Literal["apply", "plan"]
    status: OperationStatus
    requestId: str
    generation: int
    steps: list[Step]
    createdAt: Time
    deadlineAt: Time
    requestedBy: NotRequired[str]
    pausedAt: NotRequired[Time]
    finishedAt: NotRequired[Time]
    allowRemovals: NotRequired[bool]


class Address(TypedDict, total=False):
    line1: str
    line2: str
    city: str
    postalCode: str
    country: str


class BillingInfo(TypedDict):
    address: Address
    company: NotRequired[str]
    vatId: NotRequired[str]
    email: NotRequired[str]


class Owner(TypedDict):
    email: str
    name: str


class Pause(TypedDict):
    reason: str
    since: Time
    by: NotRequired[str]


class NotChecked(TypedDict):
    """A step that the latest drift check left out. `lookedAt`: its last check, if any since the last change."""

    step: str
    lookedAt: NotRequired[Time]


class Drift(TypedDict):
    lookedAt: Time
    changes: dict[str, list[str]]
    notChecked: NotRequired[list[NotChecked]]


class Tenant(TypedDict):
    """A customer organisation with its latest operation. Further fields have its ids in the products."""

    _id: str
    slug: str
    name: str
    status: TenantStatus
    plan: str
    domains: list[str]
    provisioningStatus: dict[str, str]
    provisioningErrors: dict[str, str]
    health: Literal["ok", "degraded"]
    version: int
    createdAt: Time
    updatedAt: Time
    billingInfo: NotRequired[BillingInfo]
    partnerId: NotRequired[str]
    owner: NotRequired[Owner]
    suspendReason: NotRequired[str]
    purgeAfter: NotRequired[Time]
    purgedAt: NotRequired[Time]
    pause: NotRequired[Pause]
    drift: NotRequired[Drift]
    operation: NotRequired[Operation]
    authentikGroupId: NotRequired[str]
    stalwartDomainId: NotRequired[str]
    stalwartTenantId: NotRequired[str]
    ocisSpaceId: NotRequired[str]


class Availability(TypedDict, total=False):
    """The requested checks: whether the slug and the domain are free, and the e-mail address is valid for an owner."""

    slug: bool
    domain: bool
    email: bool


class TenantPause(TypedDict):
    tenant: str
    paused: bool
    pause: NotRequired[Pause]


class DomainRecord(TypedDict):
    """A DNS record that the domain's owner must publish."""

    purpose: Literal["ownership", "mail"]
    name: str
    type: str
    value: str
    ttl: int
    essential: bool
    presence: NotRequired[str]
    seen: NotRequired[list[str]]
    lastSeenAt: NotRequired[Time]


class Domain(TypedDict):
    """A domain of a tenant. `proofRequired`: mail waits until DNS proves that it is the tenant's."""

    domain: str
    proofRequired: bool
    state: Literal["unverified", "verified", "degraded", "failed"]
    records: list[DomainRecord]
    verifiedAt: NotRequired[Time]
    proofLostAt: NotRequired[Time]
    checkedAt: NotRequired[Time]
    checkRequestedAt: NotRequired[Time]
    nextCheckAt: NotRequired[Time]
    fault: NotRequired[str]


class User(TypedDict):
    """A person. `roles`: by tenant id; `role`: the highest of them; `platformRole`: in all tenants."""

    _id: str
    authentikSubjectId: str
    tenantIds: list[str]
    email: str
    name: str
    role: Role
    roles: dict[str, Role]
    platformAdmin: bool
    createdAt: Time
    updatedAt: Time
    partnerId: NotRequired[str]
    platformRole: NotRequired[PlatformRole]


class Partner(TypedDict):
    _id: str
    slug: str
    name: str
    createdAt: Time
    updatedAt: Time


class Subscription(TypedDict):
    _id: str
    tenantId: str
    plan: str
    status: Literal["trialing", "active", "past_due", "canceled"]
    createdAt: Time
    updatedAt: Time
    stripeCustomerId: NotRequired[str]
    stripeSubscriptionId: NotRequired[str]
    currentPeriodEnd: NotRequired[Time]


class Profile(TypedDict):
    """The caller's own page: their record, tenants and subscriptions."""

    profile: User
    tenants: list[Tenant]
    subscriptions: list[Subscription]


class Plan(TypedDict):
    """A plan of the catalogue. A quota of 0 is without limit."""

    name: str
    mailboxes: int
    mailBytes: int
    spaceBytes: int


class Event(TypedDict):
    id: str
    time: Time
    action: str
    requestId: str
    actor: NotRequired[str]
    tenant: NotRequired[str]
    before: NotRequired[dict[str, Any]]
    after: NotRequired[dict[str, Any]]
