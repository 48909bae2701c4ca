"""Request bodies: the fields that the API accepts when a record is created or changed."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from client.models import Address, Owner, PlatformRole, Role, Time


class BillingInfo(TypedDict, total=False):
    company: str
    vatId: str
    email: str
    address: Address


class NewTenant(TypedDict):
    """A tenant to create. Without a plan it gets the first of the catalogue."""

    slug: str
    name: str
    plan: NotRequired[str]
    domains: NotRequired[list[str]]
    billingInfo: NotRequired[BillingInfo | None]
    partnerId: NotRequired[str | None]
    owner: NotRequired[Owner | None]


class OwnerChanges(TypedDict, total=False):
    email: str
    name: str


class TenantChanges(TypedDict, total=False):
    """Changes to a tenant; an absent field stays, None removes it."""

    name: str
    plan: str
    domains: list[str]
    billingInfo: BillingInfo | None
    partnerId: str | None
    owner: OwnerChanges


class NewUser(TypedDict):
    authentikSubjectId: str
    email: str
    name: str
    role: NotRequired[Role]
    roles: NotRequired[dict[str, Role]]
    platformRole: NotRequired[PlatformRole | None]
    tenantIds: NotRequired[list[str]]
    partnerId: NotRequired[str | None]
    platformAdmin: NotRequired[bool]


class UserChanges(TypedDict, total=False):
    email: str
    name: str
    role: Role
    roles: dict[str, Role | None]
    platformRole: PlatformRole | None
    tenantIds: list[str]
    partnerId: str | None
    platformAdmin: bool


class NewPartner(TypedDict):
    slug: str
    name: str


class PartnerChanges(TypedDict, total=False):
    name: str


class NewSubscription(TypedDict):
    tenantId: str
    plan: str
    status: NotRequired[str]
    stripeCustomerId: NotRequired[str | None]
    stripeSubscriptionId: NotRequired[str | None]
    currentPeriodEnd: NotRequired[Time | None]


class SubscriptionChanges(TypedDict, total=False):
    plan: str
    status: str
    stripeCustomerId: str | None
    stripeSubscriptionId: str | None
    currentPeriodEnd: Time | None


class NewWebhook(TypedDict):
    """A receiver of events: a tenant's, a partner's, or with neither the platform's."""

    url: str
    actions: NotRequired[list[str]]
    tenantId: NotRequired[str | None]
    partnerId: NotRequired[str | None]
    enabled: NotRequired[bool]


class WebhookChanges(TypedDict, total=False):
    url: str
    actions: list[str]
    enabled: bool


class Selector(TypedDict, total=False):
    """Criteria for the tenants of a bulk operation; all must match. `everything`: all that the caller may change."""

    tenants: list[str]
    status: str
    plan: str
    partner: str
    q: str
    drift: str
    problem: str
    integration: str
    reason: str
    everything: bool
