"""Check tenants for drift on a schedule, with a dry run of the action that establishes their status."""

from __future__ import annotations

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


class DriftDetector:
    """A job of the scheduler. It changes nothing in the integrations."""

    def __init__(
        self,
        *,
        operations: OperationRepository,
        switches: SwitchRepository,
        tenants: TenantRepository,
        starter: Starter,
        settings: Settings,
    ) -> None:
        self._operations = operations
        self._switches = switches
        self._tenants = tenants
        self._starter = starter
        self._interval = settings.drift_check_hours * HOUR
        self._at_a_time = settings.drift_checks_at_a_time
        self._configured = settings.configured

    def run_once(self) -> int:
        """Start overdue drift checks, so that a limited number runs at once; return how many were started.

        A check leaves out an integration that is paused or whose breaker is open (`worker.execution.runner`). While
        that holds for all of them, checks wait.
        """
        if not self._interval or self._is_everything_unavailable():
            return 0
        running = self._operations.count_running(Mode.DRY_RUN, self._at_a_time)
        started = 0
        for _ in range(self._at_a_time - running):
            # after observe-only mode all tenants are due again: their records may come from a restored backup
            tenant = self._tenants.claim_drift_check(self._interval, observed_until(self._switches.cached()))
            if tenant is None:
                break
            started += self._start(tenant)
        return started

    def _is_everything_unavailable(self) -> bool:
        unavailable = self._switches.unavailable()
        return ALL in unavailable or (bool(self._configured) and self._configured <= unavailable)

    def _start(self, tenant: Tenant) -> bool:
        try:
            self._starter.start(ESTABLISHED_BY[tenant.status], Mode.DRY_RUN, tenant, Author(None, f"drift-{tenant.id}"))
        except (OperationInProgress, ActionNotPossible):
            return False  # another operation is open; the next check is scheduled already
        return True
