"""Rights of webhooks: who may manage them, and which events their owners may receive."""

from __future__ import annotations

from shared.accounts.scope import Scope
from shared.rights.policy import Actor, default_partner_id
from shared.rights.refusals import require_in_all
from shared.tenants.model import Status, Tenant
from shared.webhooks.model import Owner

NOT_ALLOWED = "Webhooks are for a tenant's owners and administrators, a partner's administrators, and the platform's."


def visible_webhooks(actor: Actor) -> Scope:
    """Return the scope of queries for webhooks: all, or those of the actor's administered tenants and own partner.

    It includes deleted tenants, which their own people may not see: narrow it before showing anything.
    """
    partner_id = actor.user.partner_id if actor.is_partner_admin else None
    return Scope(everything=actor.reads_everything, tenant_ids=actor.administered_tenant_ids, partner_id=partner_id)


def may_see_webhooks(actor: Actor, owner: Owner, tenant: Tenant | None) -> bool:
    """Return whether the actor may see the owner's webhooks and deliveries. `tenant`: the owner's current one."""
    is_own = tenant is not None and owner.partner_id is None and actor.administers(tenant)
    return actor.reads_everything or is_own or may_manage_webhooks(actor, owner, tenant)


def may_manage_webhooks(actor: Actor, owner: Owner, tenant: Tenant | None) -> bool:
    """Return whether the actor may create, change and delete the owner's webhooks."""
    if actor.is_platform_admin:
        return True
    if owner.partner_id is not None:
        return actor.is_partner_admin and owner.partner_id == actor.user.partner_id
    return tenant is not None and actor.administers(tenant) and actor.may_change(tenant)


def require_management(actor: Actor, owner: Owner, tenant: Tenant | None) -> None:
    """Raise Forbidden unless the actor may create, change and delete the owner's webhooks."""
    known = [tenant] if tenant is not None else []
    require_in_all(known, lambda found: may_manage_webhooks(actor, owner, next(iter(found), None)), NOT_ALLOWED)


def webhook_owner(actor: Actor, tenant: Tenant | None, partner_id: str | None) -> Owner:
    """Return the owner of a new webhook. For a partner's administrator it is the partner by default."""
    own = default_partner_id(actor)
    if tenant is not None and partner_id is None and not (own and not actor.administers(tenant)):
        return Owner(tenant_id=tenant.id)
    return Owner(tenant.id if tenant else None, partner_id or own)


def event_scope(owner: Owner) -> Scope:
    """Return the scope of events that an owner may receive. A partner's webhook for one tenant receives fewer."""
    if owner.partner_id is not None:
        return Scope(partner_id=owner.partner_id)
    return Scope(tenant_ids=(owner.tenant_id,)) if owner.tenant_id else Scope(everything=True)


def may_receive(owner: Owner, tenant: Tenant | None) -> bool:
    """Return whether the owner may receive an event of this tenant now. None: an event of the platform itself."""
    if owner == Owner():
        return True
    if tenant is None or owner.tenant_id not in (None, tenant.id):
        return False
    return tenant.partner_id == owner.partner_id if owner.partner_id else tenant.status is not Status.DELETED
