"""Job that carries out bulk operations tenant by tenant, at a rate that all schedulers share."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from shared.bulk.model import BulkAction, Item, ItemStatus
from shared.bulk.repository import BulkOperationRepository
from shared.bulk.service import BulkService
from shared.config.settings import Settings
from shared.core.errors import StoreUnavailable
from shared.db.rate_limiter import RateLimiter
from shared.switches.model import ALL, is_observing
from shared.switches.repository import SwitchRepository

log = structlog.get_logger(__name__)

#: tenants that one run acts on at most
BATCH = 50
#: lease of one tenant, in seconds: another scheduler takes it over when one died
LEASE_SECONDS = 60.0
FAULT = "The service failed at this tenant; its log has the cause. Try the tenant alone after an upgrade."


@dataclass(frozen=True, kw_only=True)
class BulkJob:
    """Claims each tenant by one atomic write, so that any number of schedulers share the work."""

    bulk: BulkOperationRepository
    rate_limiter: RateLimiter
    switches: SwitchRepository
    service: BulkService
    settings: Settings

    def run_once(self) -> int:
        """Act on as many tenants as the rate allows, one of each bulk operation in turn; return how many."""
        running = self.bulk.running(self._actions())
        # at a low rate the first one gets the most, so it must not always be the same
        random.shuffle(running)
        acted = 0
        has_token = False
        while running and acted < BATCH:
            for bulk_id in tuple(running):
                has_token = has_token or self.rate_limiter.take("bulk-operations", 60 / self.settings.bulk_per_minute)
                if not has_token:
                    return acted
                if self._act_on_next(bulk_id):
                    acted, has_token = acted + 1, False
                else:
                    running.remove(bulk_id)
        return acted

    def _actions(self) -> Sequence[BulkAction]:
        """Return the actions that run now: operations that would only wait are cancelled, and none are started."""
        switches = self.switches.cached()
        is_paused = ALL in switches and switches[ALL].pause is not None
        return (BulkAction.CANCEL,) if is_paused or is_observing(switches) else tuple(BulkAction)

    def _act_on_next(self, bulk_id: str) -> bool:
        """Act on the next tenant of a bulk operation, or end it. Return false when none can be claimed now."""
        item = self.bulk.claim(bulk_id, LEASE_SECONDS)
        if item is None:
            if self.service.finish(bulk_id):
                log.info("bulk_operation.finished", bulk_operation=bulk_id)
            return False
        self._act(item)
        return True

    def _act(self, item: Item) -> None:
        try:
            self.service.act(item)
        except StoreUnavailable:
            raise
        except Exception:
            # it would fail at each claim, and the bulk operation would never end
            log.exception("bulk_operation.bug", bulk_operation=item.bulk_id, tenant=item.target.slug)
            self.bulk.record(item, ItemStatus.REFUSED, FAULT)
