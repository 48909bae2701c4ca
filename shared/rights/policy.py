"""Authorization rules: one function per right. The token identifies the caller; the user's record has the rights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.accounts.scope import Scope
from shared.accounts.user import PlatformRole, Rights, Role, User
from shared.core.errors import Forbidden, NotFound
from shared.db.idempotency_keys import IdempotencyClaim
from shared.events.model import Author
from shared.tenants.model import Status, Tenant
from shared.workflows.model import Action

ADMINISTRATIVE_ROLES = (Role.OWNER, Role.ADMIN)


@dataclass(frozen=True)
class Caller:
    """The claims of a verified token. `groups` is None when the token has no such claim.

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
    """The user of a request, the surfaces that their token was issued for, and the request's id.

    `read_at`: time at which their record was read, by the database's clock. `claim`: of the request's idempotency key.
    """

    user: User
    surfaces: frozenset[str]
    request_id: str = ""
    read_at: datetime | None = None
    claim: IdempotencyClaim | None = None

    @property
    def author(self) -> Author:
        return Author(self.user.id, self.request_id, self.claim)

    @property
    def is_platform_admin(self) -> bool:
        """Return whether the user is an administrator and uses the operator surface."""
        return self.user.platform_admin and "operator" in self.surfaces

    @property
    def reads_everything(self) -> bool:
        """Return whether the user is a platform administrator, or support, which may read everything."""
        is_support = self.user.platform_role is PlatformRole.SUPPORT and "operator" in self.surfaces
        return self.is_platform_admin or is_support

    @property
    def is_partner_admin(self) -> bool:
        return self.user.partner_id is not None and self.user.rights.partner_role in ADMINISTRATIVE_ROLES

    @property
    def administered_tenant_ids(self) -> tuple[str, ...]:
        """Return the tenants in which the user is an owner or administrator."""
        return tuple(one for one in self.user.tenant_ids if self.user.role_in(one) in ADMINISTRATIVE_ROLES)

    def belongs_to(self, tenant: Tenant) -> bool:
        """Return whether the user belongs to the tenant. A deleted tenant has no members, even if records list it."""
        return tenant.id in self.user.tenant_ids and tenant.status is not Status.DELETED

    def administers(self, tenant: Tenant) -> bool:
        return self.belongs_to(tenant) and self.user.role_in(tenant.id) in ADMINISTRATIVE_ROLES

    def is_partner_admin_of(self, tenant: Tenant) -> bool:
        return self.is_partner_admin and tenant.partner_id == self.user.partner_id

    def manages(self, tenant: Tenant) -> bool:
        """Return whether the user is an administrator of the tenant or of its partner."""
        return self.is_partner_admin_of(tenant) or self.administers(tenant)

    def may_change(self, tenant: Tenant) -> bool:
        """Return whether the actor manages the tenant; while it is suspended, its own people only read."""
        return self.is_partner_admin_of(tenant) or (self.administers(tenant) and tenant.status is not Status.SUSPENDED)

    def may_assign(self, role: Role, tenant: Tenant) -> bool:
        """Return whether the actor may grant or remove this role in the tenant."""
        own = self.user.role_in(tenant.id)
        return self.is_partner_admin_of(tenant) or (
            self.may_change(tenant) and own is not None and 0 <= role.rank <= own.rank
        )


# -- tenants


def visible_tenants(actor: Actor) -> Scope:
    """Return the scope of the actor's queries for tenants, operations, events and subscriptions."""
    if actor.reads_everything:
        return Scope(everything=True)
    return Scope(tenant_ids=actor.user.tenant_ids, partner_id=actor.user.partner_id if actor.is_partner_admin else None)


def may_see_tenant(actor: Actor, tenant: Tenant) -> bool:
    return actor.reads_everything or actor.is_partner_admin_of(tenant) or actor.belongs_to(tenant)


def default_partner_id(actor: Actor) -> str | None:
    """Return the partner of new tenants of this actor by default; None for a platform administrator."""
    return actor.user.partner_id if actor.is_partner_admin and not actor.is_platform_admin else None


def may_create_tenant(actor: Actor, partner_id: str | None) -> bool:
    """Return whether the actor may create a tenant: partner administrators only for their own partner."""
    return actor.is_platform_admin or (actor.is_partner_admin and partner_id == actor.user.partner_id)


def may_change_tenant(actor: Actor, tenant: Tenant) -> bool:
    """Return whether the actor may change a tenant's name, billing information and domains."""
    return actor.is_platform_admin or actor.may_change(tenant)


def may_change_plan(actor: Actor) -> bool:
    """Return whether the actor may change a tenant's plan and partner, and its subscriptions."""
    return actor.is_platform_admin


def may_reconcile_tenant(actor: Actor, tenant: Tenant) -> bool:
    return actor.is_platform_admin or actor.may_change(tenant)


def may_allow_removals(actor: Actor) -> bool:
    """Return whether the actor may approve that one reconcile removes more objects than its limit."""
    return actor.is_platform_admin


def may_control_operation(actor: Actor, tenant: Tenant, action: Action) -> bool:
    """Return whether the actor may cancel an operation of the tenant and retry its steps.

    The actor needs the right to request the operation's action. An administrator of the tenant may also control
    its provision.
    """
    if action is Action.PURGE:
        return may_purge_tenant(actor)
    return may_change_lifecycle(actor, tenant) or (
        action in (Action.PROVISION, Action.RECONCILE) and may_reconcile_tenant(actor, tenant)
    )


def may_change_lifecycle(actor: Actor, tenant: Tenant) -> bool:
    """Return whether the actor may suspend, resume, delete and restore a tenant."""
    return actor.is_platform_admin or actor.is_partner_admin_of(tenant)


def may_purge_tenant(actor: Actor) -> bool:
    """Return whether the actor may purge a deleted tenant."""
    return actor.is_platform_admin


def may_export_tenant(actor: Actor, tenant: Tenant) -> bool:
    return actor.reads_everything or actor.manages(tenant)


# -- partners


def may_manage_partners(actor: Actor) -> bool:
    return actor.is_platform_admin


def visible_partners(actor: Actor) -> Scope:
    """Return the scope of queries for partners: all, or the actor's own."""
    return Scope(everything=True) if actor.reads_everything else Scope(partner_id=actor.user.partner_id)


# -- users


@dataclass(frozen=True)
class UserScope:
    """The users that an actor may see: all, or themselves and the users of the tenants they manage."""

    everything: bool
    user_id: str
    tenants: Scope


def visible_users(actor: Actor) -> UserScope:
    partner_id = actor.user.partner_id if actor.is_partner_admin else None
    scope = Scope(tenant_ids=actor.administered_tenant_ids, partner_id=partner_id)
    return UserScope(actor.reads_everything, actor.user.id, scope)


def may_see_user(actor: Actor, user: User, tenants: Sequence[Tenant]) -> bool:
    """Return whether the actor may see a user. `tenants`: those that the user belongs to."""
    return actor.reads_everything or user.id == actor.user.id or any(map(actor.manages, tenants))


def visible_part(actor: Actor, user: User, tenant_ids: Iterable[str]) -> User:
    """Return the record without the tenants and roles that the actor does not manage.

    `tenant_ids`: those that the actor manages.
    """
    if actor.reads_everything or user.id == actor.user.id:
        return user
    return user.limited_to(frozenset(tenant_ids))


def may_change_user(actor: Actor, before: Rights, after: Rights, tenants: Sequence[Tenant]) -> bool:
    """Return whether the actor may change a user's rights in these tenants, or their other fields (equal rights).

    Nobody may grant a role above their own, or change a user who has a higher one. Users without a tenant, with a
    platform role or with a partner can be changed only by platform administrators.
    """
    if actor.is_platform_admin:
        return True
    if any(one.platform_role or one.partner_id for one in (before, after)):
        return False
    roles = [(one.role_in(tenant.id), tenant) for one in (before, after) for tenant in tenants]
    return bool(tenants) and all(role is None or actor.may_assign(role, tenant) for role, tenant in roles)


# -- refusals


def require(allowed: bool, sentence: str) -> None:
    """Raise Forbidden with the sentence unless allowed."""
    if not allowed:
        raise Forbidden(sentence)


def require_visible(actor: Actor, tenant: Tenant | None, slug: str) -> Tenant:
    """Return the tenant if the actor may see it. Raises NotFound, with the same text for absent and hidden tenants."""
    if tenant is None or not may_see_tenant(actor, tenant):
        raise tenant_not_found(slug)
    return tenant


def tenant_not_found(slug: str) -> NotFound:
    """Return the error for a tenant that does not exist or that the actor may not see."""
    return NotFound(f"There is no tenant {slug!r}.")
