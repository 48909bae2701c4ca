"""Job that carries out bulk operations tenant by tenant, at a rate that all schedulers share."""

from __future__ import annotations

import structlog

from shared.bulk.model import Item, ItemStatus
from shared.bulk.repository import BulkOperationRepository
from shared.bulk.service import BulkService
from shared.config.settings import Settings
from shared.core.errors import StoreUnavailable
from shared.db.rate_limiter import RateLimiter

log = structlog.get_logger(__name__)

#: tenants that one run acts on at most
BATCH = 50
#: lease of one tenant, in seconds: another scheduler takes it over when one died
LEASE_SECONDS = 60.0
FAULT = "The service failed at this tenant; its log has the cause. Try the tenant alone after an upgrade."


class BulkJob:
    """Claims each tenant by one atomic write, so that any number of schedulers share the work."""

    def __init__(
        self, *, bulk: BulkOperationRepository, rate_limiter: RateLimiter, service: BulkService, settings: Settings
    ) -> None:
        self._bulk = bulk
        self._rate_limiter = rate_limiter
        self._service = service
        self._per_minute = settings.bulk_per_minute

    def run_once(self) -> int:
        """Act on as many tenants as the rate allows; return how many."""
        return sum(map(self._push, self._bulk.running()))

    def _push(self, bulk_id: str) -> int:
        acted = 0
        while acted < BATCH:
            if not self._rate_limiter.take("bulk-operations", 60 / self._per_minute):
                return acted
            item = self._bulk.claim(bulk_id, LEASE_SECONDS)
            if item is None:
                if self._service.finish(bulk_id):
                    log.info("bulk_operation.finished", bulk_operation=bulk_id)
                return acted
            self._act(item)
            acted += 1
        return acted

    def _act(self, item: Item) -> None:
        try:
            self._service.act(item)
        except StoreUnavailable:
            raise
        except Exception:
            # it would fail at each claim, and the bulk operation would never end
            log.exception("bulk_operation.bug", bulk_operation=item.bulk_id, tenant=item.target.slug)
            self._bulk.record(item, ItemStatus.REFUSED, FAULT)
