"""Who may do what: one function for each right. The token says who; the user's record says what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.accounts.user import NewUser, Role, User
from shared.core.errors import Forbidden, NotFound
from shared.events.model import Author
from shared.tenants.model import Status, Tenant

RULES = (Role.OWNER, Role.ADMIN)


@dataclass(frozen=True)
class Caller:
    """What a verified token says. `groups` is None when the token carries no such claim."""

    subject: str
    email: str
    name: str
    groups: tuple[str, ...] | None
    surfaces: frozenset[str]


@dataclass(frozen=True)
class Actor:
    """The user behind a request, the front doors their token was made for, and the request's id.

    `read_at`: when their record was read for it, on the database's clock.
    """

    user: User
    surfaces: frozenset[str]
    request_id: str = ""
    read_at: datetime | None = None

    @property
    def author(self) -> Author:
        return Author(self.user.id, self.request_id)

    @property
    def is_platform_admin(self) -> bool:
        """Platform powers need the operator's front door as well as the record."""
        return self.user.platform_admin and "operator" in self.surfaces

    @property
    def is_partner_admin(self) -> bool:
        # a role that only a tenant's people gave says nothing about the partner
        given_by_platform = self.user.role_tenant_ids is None
        return self.user.partner_id is not None and self.user.role in RULES and given_by_platform

    @property
    def ruled_tenant_ids(self) -> tuple[str, ...]:
        """The tenants in which the user is an owner or administrator."""
        return tuple(one for one in self.user.tenant_ids if self.user.role_in(one) in RULES)

    def has_tenant(self, tenant: Tenant) -> bool:
        """A deleted tenant's own people are strangers to it at once, whatever their records still say."""
        return tenant.id in self.user.tenant_ids and tenant.status is not Status.DELETED

    def administers(self, tenant: Tenant) -> bool:
        return self.has_tenant(tenant) and self.user.role_in(tenant.id) in RULES

    def resells(self, tenant: Tenant) -> bool:
        return self.is_partner_admin and tenant.partner_id == self.user.partner_id

    def looks_after(self, tenant: Tenant) -> bool:
        """As its partner's administrator or its own."""
        return self.resells(tenant) or self.administers(tenant)


@dataclass(frozen=True)
class Scope:
    """Which tenants an actor may know of, in a form a query can carry. `everything` overrides the others."""

    everything: bool = False
    tenant_ids: tuple[str, ...] = ()
    partner_id: str | None = None


# -- tenants


def visible_tenants(actor: Actor) -> Scope:
    """The scope of every query for tenants, operations, events and subscriptions this actor makes."""
    if actor.is_platform_admin:
        return Scope(everything=True)
    return Scope(tenant_ids=actor.user.tenant_ids, partner_id=actor.user.partner_id if actor.is_partner_admin else None)


def may_see_tenant(actor: Actor, tenant: Tenant) -> bool:
    return actor.is_platform_admin or actor.resells(tenant) or actor.has_tenant(tenant)


def own_partner(actor: Actor) -> str | None:
    """The partner an actor creates tenants for without saying so; none for the platform's own people."""
    return actor.user.partner_id if actor.is_partner_admin and not actor.is_platform_admin else None


def may_create_tenant(actor: Actor, partner_id: str | None) -> bool:
    """A partner's administrator creates tenants of that partner; anybody's else is the platform's affair."""
    return actor.is_platform_admin or (actor.is_partner_admin and partner_id == actor.user.partner_id)


def may_change_tenant(actor: Actor, tenant: Tenant) -> bool:
    """Its name, billing information and domains."""
    return actor.is_platform_admin or actor.looks_after(tenant)


def may_change_terms(actor: Actor) -> bool:
    """A tenant's plan and partner; subscriptions."""
    return actor.is_platform_admin


def may_reconcile_tenant(actor: Actor, tenant: Tenant) -> bool:
    return actor.is_platform_admin or actor.looks_after(tenant)


def may_allow_removals(actor: Actor) -> bool:
    """Let one reconcile remove more than one run usually may."""
    return actor.is_platform_admin


def may_check_domains(actor: Actor, tenant: Tenant) -> bool:
    """Have the tenant's domains looked at now."""
    return may_reconcile_tenant(actor, tenant)


def may_steer(actor: Actor, tenant: Tenant) -> bool:
    """Cancel the tenant's operations and retry their steps."""
    return actor.is_platform_admin or actor.looks_after(tenant)


def may_end_tenant(actor: Actor, tenant: Tenant) -> bool:
    """Suspend, resume, delete and restore it."""
    return actor.is_platform_admin or actor.resells(tenant)


def may_purge_tenant(actor: Actor) -> bool:
    """Remove for good what no one can give back."""
    return actor.is_platform_admin


def may_export_tenant(actor: Actor, tenant: Tenant) -> bool:
    return actor.is_platform_admin or actor.looks_after(tenant)


# -- partners


def may_manage_partners(actor: Actor) -> bool:
    return actor.is_platform_admin


def visible_partners(actor: Actor) -> Scope:
    """The scope of every query for partners: all, or one's own."""
    return Scope(everything=True) if actor.is_platform_admin else Scope(partner_id=actor.user.partner_id)


# -- users


@dataclass(frozen=True)
class UserScope:
    """Which users an actor may know of: all; else themselves and the people of the tenants they look after."""

    everything: bool
    user_id: str
    tenants: Scope


def visible_users(actor: Actor) -> UserScope:
    resold = actor.user.partner_id if actor.is_partner_admin else None
    return UserScope(
        actor.is_platform_admin, actor.user.id, Scope(tenant_ids=actor.ruled_tenant_ids, partner_id=resold)
    )


def may_see_user(actor: Actor, user: User, tenants: Sequence[Tenant]) -> bool:
    """`tenants`: those the user belongs to."""
    return actor.is_platform_admin or user.id == actor.user.id or any(map(actor.looks_after, tenants))


def may_change_user(actor: Actor, user: User | NewUser, tenants: Sequence[Tenant]) -> bool:
    """Only of somebody who is wholly within the actor's reach: a record counts in all of its tenants at once."""
    return actor.is_platform_admin or (bool(tenants) and _reaches(actor, user, tenants))


def may_give_rights(actor: Actor, given: User, tenants: Sequence[Tenant]) -> bool:
    """Whether a changed record may say this, by this actor: nobody raises a right above their own.

    One who could change it may also take its last tenant away.
    """
    return actor.is_platform_admin or _reaches(actor, given, tenants)


def _reaches(actor: Actor, user: User | NewUser, tenants: Sequence[Tenant]) -> bool:
    if user.platform_admin or user.partner_id is not None or not all(map(actor.looks_after, tenants)):
        return False
    return all(map(actor.resells, tenants)) or user.role.rank <= actor.user.role.rank


# -- answers to "may I"


def require(allowed: bool, sentence: str) -> None:
    """Raises Forbidden with the sentence unless allowed."""
    if not allowed:
        raise Forbidden(sentence)


def require_sight(actor: Actor, tenant: Tenant | None, slug: str) -> Tenant:
    """The tenant, if the actor may know of it. Raises NotFound otherwise, in the same words for absent and hidden."""
    if tenant is None or not may_see_tenant(actor, tenant):
        raise no_tenant(slug)
    return tenant


def no_tenant(slug: str) -> NotFound:
    """What to raise for a tenant that is not there, or that the actor may not know of."""
    return NotFound(f"There is no tenant {slug!r}.")
