"""Use cases for webhooks: create, read, change, delete, test, rotate the secret; list and replay deliveries."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace

from shared.accounts.partner_repository import PartnerRepository
from shared.accounts.scope import Scope
from shared.config.settings import Settings
from shared.core.address_rules import AddressRule
from shared.core.encryption import EncryptionError
from shared.core.errors import (
    ActionNotPossible,
    FieldError,
    InvalidInput,
    NotFound,
    TooManyWebhooks,
    UnknownReference,
    require_version,
)
from shared.core.signatures import new_secret
from shared.db.connection import MongoConnection
from shared.db.documents import Page, Transaction
from shared.events.model import changed_values, event_values
from shared.events.repository import EventRepository, number_events
from shared.provisioning.tenants import TenantService
from shared.rights import policy
from shared.rights.policy import Actor
from shared.tenants.model import Tenant
from shared.tenants.repository import TenantRepository
from shared.webhooks import policy as webhook_policy
from shared.webhooks.delivery_repository import DeliveryRepository
from shared.webhooks.delivery_rules import is_in_scope, webhook_cipher
from shared.webhooks.model import (
    EVENT_FIELDS,
    MAX_PER_OWNER,
    DeliveryQuery,
    DeliveryRecord,
    DeliveryStatus,
    NewWebhook,
    Owner,
    Webhook,
    WebhookChanges,
)
from shared.webhooks.repository import WebhookRepository

#: seconds between two reads while a caller waits for a test delivery
POLL_SECONDS = 0.2


class WebhookService:
    def __init__(
        self,
        *,
        connection: MongoConnection,
        deliveries: DeliveryRepository,
        events: EventRepository,
        partners: PartnerRepository,
        tenants: TenantRepository,
        webhooks: WebhookRepository,
        tenant_service: TenantService,
        settings: Settings,
    ) -> None:
        self._connection = connection
        self._deliveries = deliveries
        self._events = events
        self._partners = partners
        self._tenants = tenants
        self._webhooks = webhooks
        self._tenant_service = tenant_service
        self._rule = AddressRule.of(settings.webhook_allowed_networks)
        self._cipher = webhook_cipher(settings)

    def create(
        self, new: NewWebhook, tenant_id: str | None, partner_id: str | None, actor: Actor
    ) -> tuple[Webhook, str]:
        """Create a webhook for events from now on; return it with its secret, which is never shown again.

        Raises Forbidden, InvalidInput, UnknownReference, TooManyWebhooks, ActionNotPossible.
        """
        self._require_url(new.url)
        secret, encrypted = self._new_secret()
        number_events(self._connection, self._events)

        def work(session: Transaction) -> Webhook:
            tenant = self._tenant(tenant_id, actor, session)
            owner = webhook_policy.webhook_owner(actor, tenant, partner_id)
            webhook_policy.require_management(actor, owner, tenant)
            self._require_partner(owner, tenant, session)
            if tenant is not None:
                # of two transactions at once the second is retried, and then counts the first one's webhook too
                self._tenants.lock_unpurged(tenant, session)
            if self._webhooks.count(owner, session) >= MAX_PER_OWNER:
                raise TooManyWebhooks(MAX_PER_OWNER)
            cursor = self._events.last_number(session)
            slug = tenant.slug if tenant else None
            made = self._webhooks.insert(new, owner, slug, encrypted, cursor, session)
            after = {"_id": made.id} | event_values(made, EVENT_FIELDS)
            self._events.append(made.event("created", actor.author, after=after), session)
            return made

        return self._connection.transaction(work), secret

    def get(self, webhook_id: str, actor: Actor) -> Webhook:
        """Return a webhook. Raises NotFound, also when the actor may not see it."""
        return self._visible(webhook_id, actor)[0]

    def page(self, actor: Actor, tenant_slug: str | None, limit: int, after: str | None) -> Page[Webhook]:
        """Return a page of the webhooks that the actor may see, newest first. Raises NotFound for an unknown tenant."""
        tenant_id = self._tenant_service.visible(tenant_slug, actor).id if tenant_slug is not None else None
        scope = webhook_policy.visible_webhooks(actor)
        living = self._tenants.ids_in(Scope(tenant_ids=scope.tenant_ids)) or ()
        return self._webhooks.page(replace(scope, tenant_ids=living), tenant_id, limit, after)

    def change(
        self, webhook_id: str, changes: WebhookChanges, actor: Actor, expected: Collection[int] | None
    ) -> Webhook:
        """Change a webhook. An enabled one continues at its cursor. Raises NotFound, InvalidInput, StaleVersion."""
        if "url" in changes:
            self._require_url(changes["url"])

        def work(session: Transaction) -> Webhook:
            known = self._manageable(webhook_id, actor, session)
            require_version(known.version, expected)
            if replace(known, **changes) == known:
                return known
            changed = self._webhooks.change(known, changes, session)
            before, after = changed_values(known, changed, EVENT_FIELDS)
            self._events.append(changed.event("changed", actor.author, before, {"_id": known.id} | after), session)
            return changed

        changed = self._connection.transaction(work)
        if changed.enabled and changes.keys() & {"enabled", "url"}:
            self._deliveries.make_due(changed.id)
        return changed

    def delete(self, webhook_id: str, actor: Actor, expected: Collection[int] | None) -> None:
        """Delete a webhook and its deliveries. Raises NotFound, StaleVersion."""

        def work(session: Transaction) -> None:
            known = self._manageable(webhook_id, actor, session)
            require_version(known.version, expected)
            self._webhooks.delete(known.id, session)
            before = {"_id": known.id} | event_values(known, EVENT_FIELDS)
            self._events.append(known.event("deleted", actor.author, before=before), session)

        self._connection.transaction(work)
        self._deliveries.delete_all(webhook_id)

    def rotate(self, webhook_id: str, grace_seconds: float, actor: Actor) -> tuple[Webhook, str]:
        """Make a new secret, never shown again. For `grace_seconds` the old one signs too.

        Raises NotFound, ActionNotPossible.
        """
        secret, encrypted = self._new_secret()

        def work(session: Transaction) -> Webhook:
            known = self._manageable(webhook_id, actor, session)
            rotated = self._webhooks.rotate(known, encrypted, grace_seconds, session)
            event = rotated.event("secret_rotated", actor.author, after={"_id": known.id, "host": known.host})
            self._events.append(event, session)
            return rotated

        return self._connection.transaction(work), secret

    def test(self, webhook_id: str, actor: Actor, wait_seconds: float) -> DeliveryRecord:
        """Send a test delivery, and wait up to `wait_seconds` for its result. Raises NotFound, ActionNotPossible."""
        webhook = self._require_enabled(webhook_id, actor)
        record = self._deliveries.insert_ping(webhook.id, actor.request_id)
        deadline = time.monotonic() + wait_seconds
        while record.status is DeliveryStatus.PENDING and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, POLL_SECONDS))
            record = self._deliveries.find(webhook.id, record.id) or record
        return record

    def deliveries(self, webhook_id: str, actor: Actor, query: DeliveryQuery) -> Page[DeliveryRecord]:
        """Return a page of deliveries, newest first. Raises NotFound."""
        return self._deliveries.page(self.get(webhook_id, actor).id, query)

    def replay(self, webhook_id: str, delivery_id: str, actor: Actor) -> DeliveryRecord:
        """Send a delivery again, with the same id. Raises NotFound, ActionNotPossible.

        An event of a tenant that no longer belongs to the webhook's owner is not sent again.
        """
        webhook = self._require_enabled(webhook_id, actor)
        known = self._deliveries.find(webhook.id, delivery_id)
        if known is not None and not self._is_in_scope(webhook, known):
            raise ActionNotPossible("The event is about a tenant that no longer belongs to this webhook's owner.")
        record = self._deliveries.replay(webhook.id, delivery_id)
        if record is None:
            raise NotFound(f"There is no delivery {delivery_id!r}.")
        return record

    def _require_enabled(self, webhook_id: str, actor: Actor) -> Webhook:
        webhook = self._manageable(webhook_id, actor)
        if not webhook.enabled:
            raise ActionNotPossible("The webhook is disabled. Enable it first.")
        return webhook

    def _visible(
        self, webhook_id: str, actor: Actor, session: Transaction | None = None
    ) -> tuple[Webhook, Tenant | None]:
        webhook = self._webhooks.find(webhook_id, session)
        tenant_id = webhook.owner.tenant_id if webhook else None
        tenant = self._tenants.find_by_id(tenant_id, session) if tenant_id else None
        if webhook is None or not webhook_policy.may_see_webhooks(actor, webhook.owner, tenant):
            raise NotFound(f"There is no webhook {webhook_id!r}.")
        return webhook, tenant

    def _manageable(self, webhook_id: str, actor: Actor, session: Transaction | None = None) -> Webhook:
        webhook, tenant = self._visible(webhook_id, actor, session)
        webhook_policy.require_management(actor, webhook.owner, tenant)
        return webhook

    def _is_in_scope(self, webhook: Webhook, delivery: DeliveryRecord) -> bool:
        event = self._events.find(delivery.event_id) if delivery.event_id else None
        return event is None or is_in_scope(self._tenants, webhook, event)

    def _tenant(self, tenant_id: str | None, actor: Actor, session: Transaction) -> Tenant | None:
        tenant = self._tenants.find_by_id(tenant_id, session) if tenant_id else None
        if tenant_id and (tenant is None or not policy.may_see_tenant(actor, tenant)):
            raise UnknownReference("/tenantId", "tenant")
        return tenant

    def _require_partner(self, owner: Owner, tenant: Tenant | None, session: Transaction) -> None:
        if owner.partner_id is None:
            return
        if not self._partners.lock(owner.partner_id, session):
            raise UnknownReference("/partnerId", "partner")
        if tenant is not None and tenant.partner_id != owner.partner_id:
            raise UnknownReference("/tenantId", "tenant of this partner")

    def _require_url(self, url: str) -> None:
        try:
            self._rule.validate_url(url)
        except ValueError as rule:
            raise InvalidInput([FieldError("/url", str(rule))]) from None

    def _new_secret(self) -> tuple[str, str]:
        secret = new_secret()
        try:
            return secret, self._cipher.encrypt(secret)
        except EncryptionError:
            raise ActionNotPossible("Webhooks need STAMP_KEYS to be set on this service.") from None
