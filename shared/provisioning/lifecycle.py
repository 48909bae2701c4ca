"""A tenant's life after its first day: suspend, resume, delete, restore, purge; what is held, and what was removed."""

from __future__ import annotations

from collections.abc import Callable, Collection

import structlog

from shared.config.settings import Settings
from shared.core.errors import ActionNotPossible, NotFound, OperationInProgress, require_version
from shared.db.documents import Transaction
from shared.events.model import Author
from shared.operations.repository import OperationRepository
from shared.provisioning.purge_quota import NoTurnLeft, PurgeQuotaService
from shared.provisioning.starter import Starter
from shared.provisioning.tenant_export import Export, TenantExporter
from shared.provisioning.tenants import TenantService
from shared.rights import policy as access
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
ENDING = "This takes a platform administrator, or an administrator of the tenant's partner."
PURGING = "Removing a tenant for good takes a platform administrator."


class LifecycleService:
    def __init__(
        self,
        *,
        operations: OperationRepository,
        switches: SwitchRepository,
        tenants: TenantRepository,
        tombstones: TombstoneRepository,
        starter: Starter,
        tenant_service: TenantService,
        purges: PurgeQuotaService,
        exporter: TenantExporter,
        settings: Settings,
    ) -> None:
        self._operations = operations
        self._switches = switches
        self._tenants = tenants
        self._tombstones = tombstones
        self._starter = starter
        self._tenant_service = tenant_service
        self._purges = purges
        self._exporter = exporter
        self._grace = settings.delete_grace_days * DAY

    def suspend(self, slug: str, reason: str, actor: Actor) -> TenantView:
        """Cut all access, keep everything. Our own doors close at once.

        Raises NotFound, Forbidden, OperationInProgress, ActionNotPossible, as all of these do.
        """
        return self._end(slug, LifecycleChange(Action.SUSPEND, reason), actor)

    def resume(self, slug: str, actor: Actor) -> TenantView:
        """Give a suspended tenant everything back."""
        return self._end(slug, LifecycleChange(Action.RESUME), actor)

    def delete(self, slug: str, actor: Actor, expected: Collection[int] | None = None) -> TenantView:
        """Cut all access and set the day from which everything is removed.

        `expected`: versions of the tenant that the caller has seen, None for any. Raises StaleVersion besides.
        """
        return self._end(slug, LifecycleChange(Action.DELETE, grace=self._grace), actor, expected)

    def restore(self, slug: str, actor: Actor) -> TenantView:
        """Give a deleted tenant everything back; whatever becomes of it, nothing is removed any more."""
        return self._end(slug, LifecycleChange(Action.RESTORE), actor)

    def purge(self, slug: str, actor: Actor) -> TenantView:
        """Remove for good what a deleted tenant has outside, without waiting for the day."""
        tenant = self._tenant_service.visible(slug, actor)
        access.require(access.may_purge_tenant(actor), PURGING)
        return self._starter.begin(LifecycleChange(Action.PURGE), tenant, actor.author)

    def receipt(self, slug: str, actor: Actor) -> Receipt:
        """What was removed, when, and how its absence was seen. Raises NotFound also before the purge has ended."""
        tenant = self._tenant_service.visible(slug, actor)
        found = self._tombstones.receipt(tenant.id)
        if found is None:
            raise NotFound("Nothing was removed for good yet; the receipt is written when a purge succeeds.")
        return found

    def export(self, slug: str, actor: Actor) -> Export:
        """Read all that is held about the tenant here. Raises NotFound, Forbidden."""
        tenant = self._tenant_service.visible(slug, actor)
        access.require(access.may_export_tenant(actor, tenant), "An export takes an administrator of the tenant.")
        return self._exporter.read(tenant)

    def take_up(self, limit: int) -> int:
        """Begin what is due: a failed closing or removal again, and removals whose grace has run out. How many."""
        if is_observing(self._switches.cached()):
            return 0
        begun = 0
        for due in self._tenants.due(limit):
            try:
                begun += self._remove(due.tenant) if due.is_purge_due else self._again(due.tenant)
            except NoTurnLeft:
                self._purges.hold()
                break  # the others wait for another day as well
        return begun

    def _remove(self, tenant: Tenant) -> bool:
        return self._take_up(tenant, Action.PURGE, self._purges.take)

    def _again(self, tenant: Tenant) -> bool:
        action = self._latest_action(tenant)
        return action is not None and self._take_up(tenant, action)

    def _take_up(self, tenant: Tenant, action: Action, take: Callable[[Transaction], None] = lambda _: None) -> bool:
        """`take`: takes the turn it needs, which is not taken when it does not begin. Raises what that raises."""

        def permit(current: Tenant, session: Transaction) -> None:
            # others were taken up since it was read: somebody may have resumed, restored or begun it meanwhile
            if current.generation != tenant.generation:
                raise ActionNotPossible("Something newer was accepted for the tenant.")
            take(session)

        beginning, author = LifecycleChange(action, grace=self._grace), Author(None, f"due-{tenant.id}")
        try:
            self._starter.begin(beginning, tenant, author, permit, answers_running=False)
        except (OperationInProgress, ActionNotPossible):
            return False  # something newer is under way; the next look sees what is left to do
        log.info("tenant.taken_up", tenant=tenant.slug, action=action)
        return True

    def _latest_action(self, tenant: Tenant) -> Action | None:
        latest = self._operations.find(tenant.operation_id) if tenant.operation_id else None
        return latest.action if latest else None

    def _end(
        self, slug: str, beginning: LifecycleChange, actor: Actor, expected: Collection[int] | None = None
    ) -> TenantView:
        tenant = self._tenant_service.visible(slug, actor)
        access.require(access.may_change_lifecycle(actor, tenant), ENDING)

        def permit(current: Tenant, _: Transaction) -> None:
            require_version(current.version, expected)

        return self._starter.begin(beginning, tenant, actor.author, permit)
