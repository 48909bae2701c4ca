"""Bringing older tenants to an integration that was not configured when they were set up, at an even pace."""

from __future__ import annotations

import structlog

from shared.config.settings import Settings
from shared.core.errors import ActionNotPossible
from shared.db.connection import MongoConnection
from shared.db.documents import Transaction, new_id
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

#: tenants that one look starts a reconcile of at most, whatever the pace
BATCH = 50
#: a tenant that was not brought there, as by workers without the new settings, is tried again after so many seconds
AGAIN_AFTER = 3600.0


class Backfill:
    """Every start takes a turn of a pace that all sweeps share, so any number of them may do this at once."""

    def __init__(
        self,
        *,
        connection: MongoConnection,
        backfill: BackfillRepository,
        operations: OperationRepository,
        rate_limiter: RateLimiter,
        switches: SwitchRepository,
        starter: Starter,
        settings: Settings,
    ) -> None:
        self._connection = connection
        self._backfill = backfill
        self._operations = operations
        self._rate_limiter = rate_limiter
        self._switches = switches
        self._starter = starter
        self._configured = sorted(settings.configured)
        self._per_minute = settings.backfill_per_minute

    def push(self) -> int:
        """Start what the pace allows; how many operations were started."""
        if self._per_minute == 0:
            return 0
        seen = self._switches.cached()
        if is_observing(seen):
            return 0
        return sum(self._push(one) for one in self._configured if not is_paused(seen, one))

    def _push(self, integration: str) -> int:
        started = 0
        for tenant in self._backfill.candidates(integration, BATCH):
            if self._operations.find_open(tenant.id) is not None:
                continue  # one operation at a time: a later look sees what it left to do
            if not self._rate_limiter.take("backfill", 60.0 / self._per_minute):
                break
            started += self._start(tenant.id, integration)
        return started

    def _start(self, tenant_id: str, integration: str) -> bool:
        author = Author(None, f"backfill-{integration}-{new_id()}")
        try:
            view = self._connection.transaction(lambda session: self._begun(tenant_id, integration, author, session))
        except (AlreadyOpen, ActionNotPossible):
            return False  # something newer is under way, or the tenant was closed meanwhile
        if view is None or view.operation is None:
            return False
        facts = {"integration": integration, "operation": view.operation.id, "request_id": author.request_id}
        log.info("backfill.started", tenant=view.tenant.slug, **facts)
        self._starter.publish(view)
        return True

    def _begun(self, tenant_id: str, integration: str, author: Author, session: Transaction) -> TenantView | None:
        # others were started since it was read: another sweep may have done this one meanwhile
        tenant = self._backfill.claim(tenant_id, integration, AGAIN_AFTER, session)
        if tenant is None:
            return None
        reason = f"{integration} was not configured before"
        return self._starter.start_within(Action.RECONCILE, tenant, author, session, reason)
