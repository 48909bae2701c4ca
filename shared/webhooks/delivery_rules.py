"""Rules of deliveries: which events a webhook may receive now, and how its secret is encrypted."""

from __future__ import annotations

from shared.config.settings import Settings
from shared.core.encryption import SecretCipher
from shared.events.model import Event
from shared.tenants.repository import TenantRepository
from shared.webhooks import policy as webhook_access
from shared.webhooks.model import Owner, Webhook


def webhook_cipher(settings: Settings) -> SecretCipher:
    """Return the encryption of webhooks' secrets."""
    return SecretCipher(settings.stamp_key_texts, "webhook secrets")


def is_in_scope(tenants: TenantRepository, webhook: Webhook, event: Event) -> bool:
    """Return whether the webhook's owner may receive this event now: the tenant may have moved to another owner."""
    if webhook.owner == Owner():
        return True
    tenant = tenants.find(event.tenant_slug) if event.tenant_slug else None
    return webhook_access.may_receive(webhook.owner, tenant)
