"""Check tenants for drift on a schedule: plan what would keep each as it is, and show what has drifted."""

from __future__ import annotations

import structlog

from shared.config.settings import Settings
from shared.core.errors import ActionNotPossible, OperationInProgress
from shared.events.model import Author
from shared.operations.model import Mode
from shared.operations.repository import OperationRepository
from shared.provisioning.starter import Starter
from shared.switches.model import observed_until
from shared.switches.repository import SwitchRepository
from shared.tenants.model import Status
from shared.tenants.repository import TenantRepository
from shared.workflows.model import Action

log = structlog.get_logger(__name__)

HOUR = 3600.0
#: what keeps a tenant of this status as it is: a closed one is compared with closing it again
ACTIONS = {
    Status.ACTIVE: Action.RECONCILE,
    Status.SUSPENDED: Action.SUSPEND,
    Status.DELETED: Action.DELETE,
}


class DriftDetector:
    """A job of the scheduler. It changes nothing outside: a plan runs the same code as the action."""

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

    def push(self) -> int:
        """Start plans for tenants whose turn it is, a few at a time; returns how many were started."""
        if not self._interval:
            return 0
        waiting = self._operations.count_running(Mode.PLAN, self._at_a_time)
        return sum(self._look() for _ in range(self._at_a_time - waiting))

    def _look(self) -> bool:
        # what was found before the platform observed may be of a time that the record has lost since
        tenant = self._tenants.claim_drift_check(self._interval, observed_until(self._switches.cached()))
        if tenant is None:
            return False
        try:
            self._starter.start(ACTIONS[tenant.status], Mode.PLAN, tenant, Author(None, f"drift-{tenant.id}"))
        except (OperationInProgress, ActionNotPossible):
            return False  # something is being done to it: its turn comes again
        return True
