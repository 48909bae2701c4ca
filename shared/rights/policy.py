"""Who may do what: one function for each right. The token says who; the user's record says what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.accounts.scope import Scope
from shared.accounts.user import PlatformRole, Rights, Role, User
from shared.core.errors import Forbidden, NotFound
from shared.events.model import Author
from shared.tenants.model import Status, Tenant

RULING = (Role.OWNER, Role.ADMIN)


@dataclass(frozen=True)
class Caller:
    """What a verified token says. `groups` is None when the token carries no such claim.

    `issued_at`: its `iat`, in seconds; a token without one counts as older than any other. `expires_at`: its `exp`.
    """

    subject: str
    email: str
    name: str
    groups: tuple[str, ...] | None
    surfaces: frozenset[str]
    issued_at: float = 0.0
    expires_at: float = 0.0


@dataclass(frozen=True)
class Actor:
    """The user behind a request, the surfaces their token was made for, and the request's id.

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
        """Platform powers need the operator's surface as well as the record."""
        return self.user.platform_admin and "operator" in self.surfaces

    @property
    def reads_everything(self) -> bool:
        """A platform administrator, or support, who may read the same and change nothing."""
        is_support = self.user.platform_role is PlatformRole.SUPPORT and "operator" in self.surfaces
        return self.is_platform_admin or is_support

    @property
    def is_partner_admin(self) -> bool:
        return self.user.partner_id is not None and self.user.rights.partner_role in RULING

    @property
    def administered_tenant_ids(self) -> tuple[str, ...]:
        """The tenants in which the user is an owner or administrator."""
        return tuple(one for one in self.user.tenant_ids if self.user.role_in(one) in RULING)

    def has_tenant(self, tenant: Tenant) -> bool:
        """Whether the user belongs to the tenant. To a deleted one nobody belongs, whatever the records still say."""
        return tenant.id in self.user.tenant_ids and tenant.status is not Status.DELETED

    def administers(self, tenant: Tenant) -> bool:
        return self.has_tenant(tenant) and self.user.role_in(tenant.id) in RULING

    def resells(self, tenant: Tenant) -> bool:
        return self.is_partner_admin and tenant.partner_id == self.user.partner_id

    def looks_after(self, tenant: Tenant) -> bool:
        """As its partner's administrator or its own."""
        return self.resells(tenant) or self.administers(tenant)

    def outranks(self, role: Role, tenant: Tenant) -> bool:
        """Whether the actor may give this role in the tenant, or take it there."""
        own = self.user.role_in(tenant.id)
        return self.resells(tenant) or (self.administers(tenant) and own is not None and role.rank <= own.rank)


# -- tenants


def visible_tenants(actor: Actor) -> Scope:
    """The scope of every query for tenants, operations, events and subscriptions this actor makes."""
    if actor.reads_everything:
        return Scope(everything=True)
    return Scope(tenant_ids=actor.user.tenant_ids, partner_id=actor.user.partner_id if actor.is_partner_admin else None)


def may_see_tenant(actor: Actor, tenant: Tenant) -> bool:
    return actor.reads_everything or actor.resells(tenant) or actor.has_tenant(tenant)


def own_partner(actor: Actor) -> str | None:
    """The partner that new tenants of this actor belong to by default; none for a platform administrator."""
    return actor.user.partner_id if actor.is_partner_admin and not actor.is_platform_admin else None


def may_create_tenant(actor: Actor, partner_id: str | None) -> bool:
    """A partner's administrator creates tenants of that partner, a platform administrator any."""
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
    """Let one reconcile remove more than one run usually may (an approval)."""
    return actor.is_platform_admin


def may_check_domains(actor: Actor, tenant: Tenant) -> bool:
    """Ask for a check of the tenant's domains."""
    return may_reconcile_tenant(actor, tenant)


def may_steer(actor: Actor, tenant: Tenant) -> bool:
    """Cancel the tenant's operations and retry their steps."""
    return actor.is_platform_admin or actor.looks_after(tenant)


def may_end_tenant(actor: Actor, tenant: Tenant) -> bool:
    """Suspend, resume, delete and restore it."""
    return actor.is_platform_admin or actor.resells(tenant)


def may_purge_tenant(actor: Actor) -> bool:
    """Remove a deleted tenant for good."""
    return actor.is_platform_admin


def may_export_tenant(actor: Actor, tenant: Tenant) -> bool:
    return actor.reads_everything or actor.looks_after(tenant)


# -- partners


def may_manage_partners(actor: Actor) -> bool:
    return actor.is_platform_admin


def visible_partners(actor: Actor) -> Scope:
    """The scope of every query for partners: all, or the actor's own."""
    return Scope(everything=True) if actor.reads_everything else Scope(partner_id=actor.user.partner_id)


# -- users


@dataclass(frozen=True)
class UserScope:
    """Which users an actor may know of: all; else themselves and the people of the tenants they look after."""

    everything: bool
    user_id: str
    tenants: Scope


def visible_users(actor: Actor) -> UserScope:
    resold = actor.user.partner_id if actor.is_partner_admin else None
    scope = Scope(tenant_ids=actor.administered_tenant_ids, partner_id=resold)
    return UserScope(actor.reads_everything, actor.user.id, scope)


def may_see_user(actor: Actor, user: User, tenants: Sequence[Tenant]) -> bool:
    """`tenants`: those the user belongs to."""
    return actor.reads_everything or user.id == actor.user.id or any(map(actor.looks_after, tenants))


def shown_user(actor: Actor, user: User, tenant_ids: Iterable[str]) -> User:
    """The record as the actor may see it: without tenants, and roles there, that are none of the actor's business.

    `tenant_ids`: those that the actor looks after.
    """
    if actor.reads_everything or user.id == actor.user.id:
        return user
    return user.within(frozenset(tenant_ids))


def may_change_user(actor: Actor, before: Rights, after: Rights, tenants: Sequence[Tenant]) -> bool:
    """Whether the actor may turn one person's rights into these, in these tenants; both the same: touch the person.

    Nobody raises a right above their own, nor touches somebody who has more. Without a tenant it is the platform's
    affair, and so are people with a platform role or of a partner.
    """
    if actor.is_platform_admin:
        return True
    if any(one.platform_role or one.partner_id for one in (before, after)):
        return False
    roles = [(one.role_in(tenant.id), tenant) for one in (before, after) for tenant in tenants]
    return bool(tenants) and all(role is None or actor.outranks(role, tenant) for role, tenant in roles)


# -- refusals


def require(allowed: bool, sentence: str) -> None:
    """Raises Forbidden with the sentence unless allowed."""
    if not allowed:
        raise Forbidden(sentence)


def require_visible(actor: Actor, tenant: Tenant | None, slug: str) -> Tenant:
    """The tenant, if the actor may know of it. Raises NotFound otherwise, in the same words for absent and hidden."""
    if tenant is None or not may_see_tenant(actor, tenant):
        raise no_tenant(slug)
    return tenant


def no_tenant(slug: str) -> NotFound:
    """The error for a tenant that does not exist, or that the actor may not know of."""
    return NotFound(f"There is no tenant {slug!r}.")
