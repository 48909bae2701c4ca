"""Who may have webhooks, and of which events their owners may know."""

from __future__ import annotations

from shared.accounts.scope import Scope
from shared.rights.policy import Actor, own_partner
from shared.tenants.model import Status, Tenant
from shared.webhooks.model import Owner


def visible_webhooks(actor: Actor) -> Scope:
    """The scope of every query for webhooks: all; else those of the tenants one administers, and of one's partner.

    It names deleted tenants too, to which their own people are strangers: narrow it before it is shown by.
    """
    partner_id = actor.user.partner_id if actor.is_partner_admin else None
    return Scope(everything=actor.reads_everything, tenant_ids=actor.administered_tenant_ids, partner_id=partner_id)


def may_see_webhooks(actor: Actor, owner: Owner, tenant: Tenant | None) -> bool:
    """See the owner's webhooks and their deliveries. `tenant`: the owner's, as it is now."""
    return actor.reads_everything or may_manage_webhooks(actor, owner, tenant)


def may_manage_webhooks(actor: Actor, owner: Owner, tenant: Tenant | None) -> bool:
    """Make, change and remove the owner's webhooks. `tenant`: the owner's, as it is now."""
    if actor.is_platform_admin:
        return True
    if owner.partner_id is not None:
        return actor.is_partner_admin and owner.partner_id == actor.user.partner_id
    return tenant is not None and actor.administers(tenant)


def webhook_owner(actor: Actor, tenant: Tenant | None, partner_id: str | None) -> Owner:
    """Whose a new webhook is. What a partner's administrator makes without saying so is their partner's."""
    own = own_partner(actor)
    if tenant is not None and partner_id is None and not (own and not actor.administers(tenant)):
        return Owner(tenant_id=tenant.id)
    return Owner(tenant.id if tenant else None, partner_id or own)


def told_to(owner: Owner) -> Scope:
    """Whose events a webhook's owner may know of. One that a partner narrowed to a tenant gets less than this."""
    if owner.partner_id is not None:
        return Scope(partner_id=owner.partner_id)
    return Scope(tenant_ids=(owner.tenant_id,)) if owner.tenant_id else Scope(everything=True)


def may_be_told(owner: Owner, tenant: Tenant | None) -> bool:
    """Whether the owner may know now of an event of this tenant. None: an event of the platform itself."""
    if owner == Owner():
        return True
    if tenant is None or owner.tenant_id not in (None, tenant.id):
        return False
    return tenant.partner_id == owner.partner_id if owner.partner_id else tenant.status is not Status.DELETED
