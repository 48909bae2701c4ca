"""Invite tenants' groups that OCIS did not know when their space was provisioned, as soon as it knows them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import structlog

from shared.config.settings import Settings
from shared.core.errors import ActionNotPossible, OperationInProgress
from shared.db.documents import new_id
from shared.events.model import Author
from shared.integrations.catalog import OCIS
from shared.integrations.outcomes import Fault
from shared.operations.model import Mode
from shared.provisioning.starter import Starter
from shared.switches.model import is_observing, is_paused
from shared.switches.repository import SwitchRepository
from shared.tenants.model import Tenant
from shared.tenants.pending_members_repository import PendingMembersRepository
from shared.workflows.model import Action
from worker.execution.breaker import Breaker
from worker.http.deadline import within
from worker.integrations.ocis.client import OcisClient
from worker.jobs.worker_pool import WorkerPool

log = structlog.get_logger(__name__)

#: seconds between two checks of one tenant. OCIS reads a person's groups every five minutes at most
INTERVAL = 300.0
#: each reconcile doubles the time to the tenant's next check, to at most a day: it may fail for another reason
MAX_INTERVAL = 86400.0


@dataclass(kw_only=True)
class PendingMembersJob:
    """One per scheduler. Checks one tenant at a time on its own thread: an OCIS that hangs delays no other job.

    A check only asks OCIS for the group. If it exists or can be created, an ordinary reconcile invites it.
    `ocis`: the client, None when OCIS is not configured.
    """

    pending_members: PendingMembersRepository
    switches: SwitchRepository
    starter: Starter
    breaker: Breaker
    ocis: OcisClient | None
    settings: Settings

    def __post_init__(self) -> None:
        self._pool = WorkerPool("members", 1)

    def run_once(self) -> int:
        """Start the next check if none runs. Starts no operation on this thread: returns 0."""
        if self.ocis is None or not self._pool.free:
            return 0
        switches = self.switches.cached()
        if is_observing(switches) or is_paused(switches, OCIS):
            return 0
        tenant = self.pending_members.claim(INTERVAL)
        if tenant is not None:
            self._pool.submit(partial(self._check, tenant, self.ocis), tenant=tenant.slug)
        return 0

    def close(self) -> None:
        """Wait until the running check has ended; it has a deadline."""
        self._pool.close()

    def _check(self, tenant: Tenant, ocis: OcisClient) -> None:
        try:
            if self._can_be_invited(tenant, ocis):
                self.starter.start(Action.RECONCILE, Mode.APPLY, tenant, Author(None, f"members-{new_id()}"))
                self.pending_members.back_off(tenant.id, INTERVAL, MAX_INTERVAL)
                log.info("members.reconcile_started", tenant=tenant.slug)
        except Fault as fault:
            log.warning("members.check_failed", tenant=tenant.slug, reason=fault.reason)
        except (OperationInProgress, ActionNotPossible):
            log.info("members.reconcile_postponed", tenant=tenant.slug)

    def _can_be_invited(self, tenant: Tenant, ocis: OcisClient) -> bool:
        """Return whether OCIS knows the group, or a reconcile may create it, as one that is on record in Authentik.

        Raises Fault, JobDeferred while the breaker of OCIS is open.
        """
        with self.breaker.job_call(OCIS), within(self.settings.attempt_seconds):
            is_known = ocis.find_group(f"{self.settings.oidc_tenant_group_prefix}{tenant.slug}") is not None
            return is_known or ("authentikGroupId" in tenant.remote and ocis.may_create_groups())
