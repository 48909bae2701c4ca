"""Who may have webhooks, and of which events their owners may know."""

from __future__ import annotations

from shared.provisioning.policy import Actor, Scope, own_partner
from shared.tenants.model import Tenant
from shared.webhooks.model import Owner


def visible_webhooks(actor: Actor) -> Scope:
    """The scope of every query for webhooks: all; else those of the tenants one administers, and of one's partner.

    It names deleted tenants too, to which their own people are strangers: narrow it before it is shown by.
    """
    partner_id = actor.user.partner_id if actor.is_partner_admin else None
    return Scope(everything=actor.is_platform_admin, tenant_ids=actor.ruled_tenant_ids, partner_id=partner_id)


def may_manage_webhooks(actor: Actor, owner: Owner, tenant: Tenant | None) -> bool:
    """See, make, change and remove the owner's webhooks. `tenant`: the owner's, as it stands now."""
    scope = visible_webhooks(actor)
    if scope.everything or owner.partner_id is not None:
        return scope.everything or owner.partner_id == scope.partner_id
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
