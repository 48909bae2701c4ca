"""Check tenants for drift on a schedule, with a dry run of the action that establishes their status."""

from __future__ import annotations

from dataclasses import dataclass

from shared.config.settings import Settings
from shared.core.errors import ActionNotPossible, OperationInProgress
from shared.events.model import Author
from shared.operations.model import Mode
from shared.operations.repository import OperationRepository
from shared.provisioning.starter import Starter
from shared.switches.model import ALL, observed_until
from shared.switches.repository import SwitchRepository
from shared.tenants.model import Tenant
from shared.tenants.repository import TenantRepository
from shared.tenants.transitions import ESTABLISHED_BY

HOUR = 3600.0


@dataclass(frozen=True, kw_only=True)
class DriftDetector:
    """A job of the scheduler. It changes nothing in the integrations."""

    operations: OperationRepository
    switches: SwitchRepository
    tenants: TenantRepository
    starter: Starter
    settings: Settings

    def run_once(self) -> int:
        """Start overdue drift checks, so that a limited number runs at once; return how many were started.

        A check leaves out an integration that is paused or whose breaker is open (`worker.execution.runner`). While
        that holds for all of them, checks wait.
        """
        interval = self.settings.drift_check_hours * HOUR
        if not interval or self._is_everything_unavailable():
            return 0
        running = self.operations.count_running(Mode.DRY_RUN, self.settings.drift_checks_at_a_time)
        started = 0
        for _ in range(self.settings.drift_checks_at_a_time - running):
            # after observe-only mode all tenants are due again: their records may come from a restored backup
            tenant = self.tenants.claim_drift_check(interval, observed_until(self.switches.cached()))
            if tenant is None:
                break
            started += self._start(tenant)
        return started

    def _is_everything_unavailable(self) -> bool:
        unavailable, configured = self.switches.unavailable(), self.settings.configured
        return ALL in unavailable or (bool(configured) and configured <= unavailable)

    def _start(self, tenant: Tenant) -> bool:
        try:
            self.starter.start(ESTABLISHED_BY[tenant.status], Mode.DRY_RUN, tenant, Author(None, f"drift-{tenant.id}"))
        except (OperationInProgress, ActionNotPossible):
            return False  # another operation is open; the next check is scheduled already
        return True
