"""Use cases of subscriptions. Platform administrators change them; actors who may see the tenant may read them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from shared.config.settings import Settings
from shared.core.errors import NotFound, UnknownReference, require_version
from shared.db.connection import MongoConnection
from shared.db.documents import Page, Transaction
from shared.events.model import NewEvent, changed_values, event_values
from shared.events.repository import EventRepository
from shared.provisioning.tenants import TenantService
from shared.rights import policy
from shared.rights.policy import Actor
from shared.subscriptions.model import (
    EVENT_FIELDS,
    NewSubscription,
    Subscription,
    SubscriptionChanges,
    SubscriptionQuery,
    require_plan,
)
from shared.subscriptions.repository import SubscriptionRepository
from shared.tenants.model import Tenant
from shared.tenants.repository import TenantRepository
from shared.tenants.transitions import require_not_purged

ADMINISTRATORS_ONLY = "Only a platform administrator may change subscriptions."


@dataclass(frozen=True, kw_only=True)
class SubscriptionService:
    connection: MongoConnection
    events: EventRepository
    subscriptions: SubscriptionRepository
    tenants: TenantRepository
    tenant_service: TenantService
    settings: Settings

    def create(self, new: NewSubscription, actor: Actor) -> Subscription:
        """Create a subscription.

        Raises Forbidden, InvalidInput, UnknownReference, SubscriptionExists, ActionNotPossible.
        """
        policy.require(policy.may_change_plan(actor), ADMINISTRATORS_ONLY)
        require_plan(new.plan, self.settings.plans)

        def work(session: Transaction) -> Subscription:
            tenant = self.tenants.find_by_id(new.tenant_id, session)
            if tenant is None:
                raise UnknownReference("/tenantId", "tenant")
            self.tenants.lock_unpurged(tenant, session)
            created = self.subscriptions.insert(new, session)
            self._record(
                "created", tenant, actor, session, None, {"_id": created.id} | event_values(created, EVENT_FIELDS)
            )
            return created

        return self.connection.transaction(work)

    def get(self, subscription_id: str, actor: Actor) -> Subscription:
        """Return a subscription. Raises NotFound, also when the actor may not see its tenant."""
        return self._visible(subscription_id, actor)[0]

    def page(self, actor: Actor, query: SubscriptionQuery, tenant_slug: str | None) -> Page[Subscription]:
        """Return a page of the subscriptions that the actor may see, newest first. Raises NotFound for the tenant."""
        if tenant_slug is not None:
            query = replace(query, tenant_id=self.tenant_service.visible(tenant_slug, actor).id)
        return self.subscriptions.page(self.tenants.ids_in(policy.visible_tenants(actor)), query)

    def change(
        self, subscription_id: str, changes: SubscriptionChanges, actor: Actor, expected: Collection[int] | None
    ) -> Subscription:
        """Change a subscription.

        Raises NotFound, Forbidden, InvalidInput, StaleVersion, SubscriptionExists, ActionNotPossible.
        """
        require_plan(changes.get("plan"), self.settings.plans)

        def work(session: Transaction) -> Subscription:
            known, tenant = self._changeable(subscription_id, actor, expected, session)
            require_not_purged(tenant)
            if replace(known, **changes) == known:
                return known
            changed = self.subscriptions.change(known, changes, session)
            before, after = changed_values(known, changed, EVENT_FIELDS)
            self._record("changed", tenant, actor, session, before, {"_id": known.id} | after)
            return changed

        return self.connection.transaction(work)

    def delete(self, subscription_id: str, actor: Actor, expected: Collection[int] | None) -> None:
        """Delete a subscription's record. Raises NotFound, Forbidden, StaleVersion."""

        def work(session: Transaction) -> None:
            known, tenant = self._changeable(subscription_id, actor, expected, session)
            self.subscriptions.delete(known.id, session)
            self._record("deleted", tenant, actor, session, {"_id": known.id} | event_values(known, EVENT_FIELDS), None)

        self.connection.transaction(work)

    def _visible(
        self, subscription_id: str, actor: Actor, session: Transaction | None = None
    ) -> tuple[Subscription, Tenant]:
        known = self.subscriptions.find(subscription_id, session)
        tenant = self.tenants.find_by_id(known.tenant_id, session) if known else None
        if known is None or tenant is None or not policy.may_see_tenant(actor, tenant):
            raise NotFound(f"There is no subscription {subscription_id!r}.")
        return known, tenant

    def _changeable(
        self, subscription_id: str, actor: Actor, expected: Collection[int] | None, session: Transaction
    ) -> tuple[Subscription, Tenant]:
        known, tenant = self._visible(subscription_id, actor, session)
        policy.require(policy.may_change_plan(actor), ADMINISTRATORS_ONLY)
        require_version(known.version, expected)
        return known, tenant

    def _record(
        self,
        change: str,
        tenant: Tenant,
        actor: Actor,
        session: Transaction,
        before: dict[str, object] | None,
        after: dict[str, object] | None,
    ) -> None:
        event = NewEvent(f"subscription.{change}", actor.author, tenant.id, tenant.slug, before, after)
        self.events.append(event, session)
