"""Backfill: reconcile older tenants for an integration that was not configured when they were provisioned."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from shared.config.settings import Settings
from shared.core.errors import ActionNotPossible
from shared.db.connection import MongoConnection
from shared.db.documents import Transaction, new_id
from shared.db.fault_containment import contain_faults
from shared.db.rate_limiter import RateLimiter
from shared.events.model import Author
from shared.operations.repository import AlreadyOpen, OperationRepository
from shared.provisioning.starter import Starter
from shared.switches.model import is_observing, is_paused
from shared.switches.repository import SwitchRepository
from shared.tenants.backfill_repository import BackfillRepository
from shared.tenants.views import TenantView
from shared.workflows.model import Action

log = structlog.get_logger(__name__)

#: upper limit of tenants in one run
BATCH = 50
#: seconds until the next try for a tenant, as when workers do not have the new settings yet
RETRY_SECONDS = 3600.0
#: seconds until the next try for a tenant with an open operation, and for one at which it failed
BUSY_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Backfill:
    """A job of the scheduler. All schedulers share one rate limiter, so several may run it at once."""

    connection: MongoConnection
    backfill: BackfillRepository
    operations: OperationRepository
    rate_limiter: RateLimiter
    switches: SwitchRepository
    starter: Starter
    settings: Settings

    def run_once(self) -> int:
        """Start as many reconciles as the rate limit allows; return how many."""
        if self.settings.backfill_per_minute == 0:
            return 0
        switches = self.switches.cached()
        if is_observing(switches):
            return 0
        return sum(self._push(one) for one in sorted(self.settings.configured) if not is_paused(switches, one))

    def _push(self, integration: str) -> int:
        started = 0
        for tenant in self.backfill.candidates(integration, BATCH):
            with contain_faults(self.connection, "backfill", tenant.id):
                if self.operations.find_open(tenant.id) is not None:
                    # the open operation may reach the integration; the others must not wait behind this tenant
                    self.backfill.postpone(tenant.id, BUSY_SECONDS)
                    continue
                if not self.rate_limiter.take("backfill", 60.0 / self.settings.backfill_per_minute):
                    break
                started += self._start_or_postpone(tenant.id, integration)
        return started

    def _start_or_postpone(self, tenant_id: str, integration: str) -> bool:
        """Start the reconcile; a tenant at which that fails must not use up the rate of the others."""
        try:
            return self._start(tenant_id, integration)
        except Exception:
            self.backfill.postpone(tenant_id, BUSY_SECONDS)
            raise

    def _start(self, tenant_id: str, integration: str) -> bool:
        author = Author(None, f"backfill-{integration}-{new_id()}")
        try:
            view = self.connection.transaction(lambda session: self._record(tenant_id, integration, author, session))
        except (AlreadyOpen, ActionNotPossible):
            return False  # a newer operation is open, or the tenant's status has changed
        if view is None or view.operation is None:
            return False
        facts = {"integration": integration, "operation": view.operation.id, "request_id": author.request_id}
        log.info("backfill.started", tenant=view.tenant.slug, **facts)
        self.starter.publish(view)
        return True

    def _record(self, tenant_id: str, integration: str, author: Author, session: Transaction) -> TenantView | None:
        # another scheduler may have claimed the tenant since it was read
        tenant = self.backfill.claim(tenant_id, integration, RETRY_SECONDS, session)
        if tenant is None:
            return None
        reason = f"{integration} was not configured before"
        return self.starter.start_within(Action.RECONCILE, tenant, author, session, reason)
