"""Who may do what: one function for each right. The token says who; the user's record says what."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.domain.errors import Forbidden, NotFound
from shared.domain.tenant import Tenant
from shared.domain.user import Role, User


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
    """The user behind a request, and the front doors their token was made for."""

    user: User
    surfaces: frozenset[str]

    @property
    def is_platform_admin(self) -> bool:
        """Platform powers need the operator's front door as well as the record."""
        return self.user.platform_admin and "operator" in self.surfaces

    @property
    def is_partner_admin(self) -> bool:
        return self.user.partner_id is not None and self.user.role in (Role.OWNER, Role.ADMIN)

    def has_tenant(self, tenant: Tenant) -> bool:
        return tenant.id in self.user.tenant_ids

    def administers(self, tenant: Tenant) -> bool:
        return self.has_tenant(tenant) and self.user.role in (Role.OWNER, Role.ADMIN)

    def resells(self, tenant: Tenant) -> bool:
        return self.is_partner_admin and tenant.partner_id == self.user.partner_id


@dataclass(frozen=True)
class Scope:
    """Which tenants an actor may know of, in a form a query can carry. `everything` overrides the others."""

    everything: bool = False
    tenant_ids: tuple[str, ...] = ()
    partner_id: str | None = field(default=None)


def visible_tenants(actor: Actor) -> Scope:
    """The scope of every tenant query this actor makes."""
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


def may_reconcile_tenant(actor: Actor, tenant: Tenant) -> bool:
    return actor.is_platform_admin or actor.resells(tenant) or actor.administers(tenant)


def require(allowed: bool, sentence: str) -> None:
    """Raises Forbidden with the sentence unless allowed."""
    if not allowed:
        raise Forbidden(sentence)


def require_sight(actor: Actor, tenant: Tenant | None, slug: str) -> Tenant:
    """The tenant, if the actor may know of it. Raises NotFound otherwise, in the same words for absent and hidden."""
    if tenant is None or not may_see_tenant(actor, tenant):
        raise NotFound(f"There is no tenant {slug!r}.")
    return tenant
