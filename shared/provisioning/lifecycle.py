"""Lifecycle of a tenant after provisioning: suspend, resume, delete, restore, purge; its export and purge receipt."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog

from shared.config.settings import Settings
from shared.core.errors import ActionNotPossible, NotFound, OperationInProgress, require_version
from shared.db.connection import MongoConnection
from shared.db.documents import Transaction
from shared.db.fault_containment import contain_faults
from shared.events.model import Author
from shared.operations.repository import OperationRepository
from shared.provisioning.purge_quota import PurgeQuotaService, QuotaUsedUp
from shared.provisioning.starter import Starter
from shared.provisioning.tenant_export import Export, TenantExporter
from shared.provisioning.tenants import TenantService
from shared.rights import policy
from shared.rights.policy import Actor
from shared.switches.model import is_observing
from shared.switches.repository import SwitchRepository
from shared.tenants.model import Tenant
from shared.tenants.repository import TenantRepository
from shared.tenants.tombstones import TombstoneRepository
from shared.tenants.updates import LifecycleChange
from shared.tenants.views import Receipt, TenantView
from shared.workflows.model import Action

log = structlog.get_logger(__name__)

DAY = 86400.0
NEEDS_STAFF = "This takes a platform administrator, or an administrator of the tenant's partner."
NEEDS_PLATFORM_ADMIN = "Purging a tenant takes a platform administrator."


@dataclass(frozen=True, kw_only=True)
class LifecycleService:
    connection: MongoConnection
    operations: OperationRepository
    switches: SwitchRepository
    tenants: TenantRepository
    tombstones: TombstoneRepository
    starter: Starter
    tenant_service: TenantService
    purges: PurgeQuotaService
    exporter: TenantExporter
    settings: Settings

    @property
    def _grace(self) -> float:
        return self.settings.delete_grace_days * DAY

    def suspend(self, slug: str, reason: str | None, actor: Actor) -> TenantView:
        """Revoke all access and keep all data. The platform's own API refuses changes by the tenant's users at once.

        Raises NotFound, Forbidden, OperationInProgress, ActionNotPossible, like the other actions.
        """
        return self._start(slug, LifecycleChange(Action.SUSPEND, reason), actor)

    def resume(self, slug: str, actor: Actor) -> TenantView:
        """Restore the access of a suspended tenant."""
        return self._start(slug, LifecycleChange(Action.RESUME), actor)

    def delete(self, slug: str, actor: Actor, expected: Collection[int] | None = None) -> TenantView:
        """Revoke all access and schedule the purge.

        `expected`: versions of the tenant that the caller has seen, None for any. Also raises StaleVersion.
        """
        return self._start(slug, LifecycleChange(Action.DELETE, grace=self._grace), actor, expected)

    def restore(self, slug: str, actor: Actor) -> TenantView:
        """Restore the access of a deleted tenant. Its purge is cancelled even if the operation fails."""
        return self._start(slug, LifecycleChange(Action.RESTORE), actor)

    def purge(self, slug: str, actor: Actor) -> TenantView:
        """Remove a deleted tenant's objects from all integrations now, without waiting for the end of the grace."""
        tenant = self.tenant_service.visible(slug, actor)
        policy.require(policy.may_purge_tenant(actor), NEEDS_PLATFORM_ADMIN)
        return self.starter.start_lifecycle_change(LifecycleChange(Action.PURGE), tenant, actor.author)

    def receipt(self, slug: str, actor: Actor) -> Receipt:
        """Return the purge receipt: what was removed, when, and how that was verified.

        Raises NotFound, also before the purge has succeeded.
        """
        tenant = self.tenant_service.visible(slug, actor)
        found = self.tombstones.receipt(tenant.id)
        if found is None:
            raise NotFound("There is no receipt yet; it is written when a purge succeeds.")
        return found

    def export(self, slug: str, actor: Actor) -> Export:
        """Return all stored data of the tenant. Raises NotFound, Forbidden."""
        tenant = self.tenant_service.visible(slug, actor)
        policy.require(policy.may_export_tenant(actor, tenant), "An export takes an administrator of the tenant.")
        return self.exporter.read(tenant)

    def start_due(self, limit: int) -> int:
        """Start automatic purges, and failed suspends, deletes and purges again. Return how many were started."""
        if is_observing(self.switches.cached()):
            return 0
        started = 0
        for due in self.tenants.due(limit):
            with contain_faults(self.connection, "lifecycle", due.tenant.id):
                try:
                    started += self._purge_due(due.tenant) if due.is_purge_due else self._start_again(due.tenant)
                except QuotaUsedUp:
                    self.purges.record_used_up()
                    break  # purges are last in the list, and none of them may start today
        return started

    def _purge_due(self, tenant: Tenant) -> bool:
        return self._start_automatically(tenant, Action.PURGE, self.purges.take)

    def _start_again(self, tenant: Tenant) -> bool:
        action = self._latest_action(tenant)
        return action is not None and self._start_automatically(tenant, action)

    def _start_automatically(
        self, tenant: Tenant, action: Action, use_quota: Callable[[Transaction], None] = lambda _: None
    ) -> bool:
        """Start an action unless a newer change was accepted. `use_quota` runs in the same transaction."""

        def precondition(current: Tenant, session: Transaction) -> None:
            # a user or another scheduler may have changed the tenant since it was read
            if current.generation != tenant.generation:
                raise ActionNotPossible("A newer change of the tenant was accepted.")
            use_quota(session)

        change, author = LifecycleChange(action, grace=self._grace, is_automatic=True), Author(None, f"due-{tenant.id}")
        try:
            self.starter.start_lifecycle_change(change, tenant, author, precondition, may_join=False)
        except (OperationInProgress, ActionNotPossible):
            return False  # a newer operation is open; a later run checks whether something is still due
        log.info("tenant.action_started", tenant=tenant.slug, action=action)
        return True

    def _latest_action(self, tenant: Tenant) -> Action | None:
        latest = self.operations.find(tenant.operation_id) if tenant.operation_id else None
        return latest.action if latest else None

    def _start(
        self, slug: str, change: LifecycleChange, actor: Actor, expected: Collection[int] | None = None
    ) -> TenantView:
        tenant = self.tenant_service.visible(slug, actor)
        policy.require(policy.may_change_lifecycle(actor, tenant), NEEDS_STAFF)

        def precondition(current: Tenant, _: Transaction) -> None:
            require_version(current.version, expected)

        return self.starter.start_lifecycle_change(change, tenant, actor.author, precondition)
