"""What the sweep does about domains, apart from asking DNS: which to look at, and what follows from a look."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from shared.config.settings import Settings
from shared.core.errors import ActionNotPossible
from shared.db.connection import MongoConnection
from shared.db.documents import Transaction, new_id
from shared.domains.check_queue import DomainCheckQueue, DomainClaim
from shared.domains.dns_records import Presence
from shared.domains.model import DomainCheck, Pace, TenantDomain
from shared.domains.repository import DomainRepository
from shared.domains.verification import Patience, ProofMaker
from shared.events.model import Author, NewEvent
from shared.events.repository import EventRepository
from shared.operations.repository import AlreadyOpen
from shared.provisioning.starter import Starter
from shared.switches.model import is_observing
from shared.switches.repository import SwitchRepository
from shared.tenants.model import Tenant
from shared.tenants.repository import TenantRepository
from shared.tenants.views import TenantView
from shared.workflows.model import Action

log = structlog.get_logger(__name__)

#: tenants that one pass starts a reconcile of; the next takes the rest
BATCH = 50
#: seconds until a reconcile is tried again: while another operation is open, and while the tenant's status forbids it
BUSY_PAUSE, BARRED_PAUSE = 5.0, 300.0


@dataclass(frozen=True)
class DueDomain:
    """One domain to look at, claimed, with its tenant."""

    claim: DomainClaim
    tenant: Tenant

    @property
    def name(self) -> str:
        return self.claim.domain.name


class DomainMonitor:
    """Every act is an atomic claim, so any number of sweeps may do this at once. Safe to share between threads."""

    def __init__(
        self,
        *,
        connection: MongoConnection,
        domain_checks: DomainCheckQueue,
        domains: DomainRepository,
        events: EventRepository,
        switches: SwitchRepository,
        tenants: TenantRepository,
        starter: Starter,
        settings: Settings,
    ) -> None:
        self._connection = connection
        self._domain_checks = domain_checks
        self._domains = domains
        self._events = events
        self._switches = switches
        self._tenants = tenants
        self._starter = starter
        self._may_require = settings.domain_proof != "off"
        self._lease = settings.lease_seconds
        self._pace = Pace(settings.domain_first_recheck_seconds, settings.domain_recheck_seconds)
        self._patience = Patience(
            timedelta(days=settings.domain_proof_days), timedelta(days=settings.domain_lost_proof_days)
        )
        self.maker = ProofMaker(settings.stamp_key_texts)

    def claim(self, limit: int) -> Iterator[DueDomain]:
        """Take due domains, `limit` at most. Without a key for proofs nothing could be told, so none is taken."""
        for domain_id in self._domain_checks.due(limit) if self.maker.keys and limit > 0 else ():
            claim = self._domain_checks.claim(domain_id, self._lease)
            tenant = self._tenants.find_by_id(claim.domain.tenant_id) if claim else None
            if claim is not None and tenant is not None:
                yield DueDomain(claim, tenant)

    def record(self, due: DueDomain, look: DomainCheck) -> TenantDomain | None:
        """Put a look's outcome on record, with the event if anything changed. None when it counts for nothing."""
        domain = self._connection.transaction(lambda session: self._recorded(due, look, session))
        if domain is None:
            log.info("domain.check_discarded", domain=due.name, tenant=due.tenant.slug)
        return domain

    def start_reconciles(self) -> int:
        """Set up what has been proven: start a reconcile of each tenant that waits for one; how many were started."""
        if is_observing(self._switches.seen()):
            return 0
        return sum(self._start_reconcile(tenant_id) for tenant_id in self._domains.waiting_tenants(BATCH))

    def _recorded(self, due: DueDomain, look: DomainCheck, session: Transaction) -> TenantDomain | None:
        claim = due.claim
        # as it now stands: its owner may have asked again since it was claimed
        before = self._domains.find(due.tenant.id, due.name, session)
        if before is None:
            return None
        after = before.after_look(look, claim.at, self._patience)
        is_news = after.ownership.is_proven and not before.ownership.is_proven
        waits = self._may_require and before.is_proof_required
        wait = self._pace.wait_after(after, claim.at) * random.uniform(0.9, 1.1)  # noqa: S311 - spreads load only
        written = self._domain_checks.record(claim, after, wait, is_news and waits, session)
        if written is not None and not after.stands_as(before):
            self._events.append(_event(before, after, claim.trace), session)
        return written

    def _start_reconcile(self, tenant_id: str) -> int:
        author = Author(None, f"domain-{new_id()}")
        try:
            view = self._connection.transaction(lambda session: self._begun(tenant_id, author, session))
        except AlreadyOpen:
            # also a reconcile that runs: its mail step may have run before the proof was seen
            self._domains.put_off_waiting(tenant_id, BUSY_PAUSE)
            return 0
        except ActionNotPossible:
            self._domains.put_off_waiting(tenant_id, BARRED_PAUSE)
            return 0
        if view is None:
            return 0
        log.info("domain.reconcile_started", tenant=view.tenant.slug, request_id=author.request_id)
        self._starter.publish(view)
        return 1

    def _begun(self, tenant_id: str, author: Author, session: Transaction) -> TenantView | None:
        if not self._domains.take_waiting(tenant_id, session):
            return None
        tenant = self._tenants.find_by_id(tenant_id, session)
        return self._starter.start_within(Action.RECONCILE, tenant, author, session) if tenant else None


def _event(before: TenantDomain, after: TenantDomain, trace: str) -> NewEvent:
    is_news = after.ownership.is_proven and not before.ownership.is_proven
    action = "verified" if is_news else after.ownership.state.value
    author = Author(None, trace)
    return NewEvent(f"domain.{action}", author, after.tenant_id, after.tenant_slug, _shown(before), _shown(after))


def _shown(domain: TenantDomain) -> dict[str, Any]:
    """A domain as events show it, with the records that are not as they should be."""
    wrong = [one.check for one in domain.sightings if one.check.presence is not Presence.OK]
    lost = domain.ownership.proof_lost_at
    return {
        "domain": domain.name,
        "state": domain.ownership.state.value,
        "proofLostAt": lost,
        "records": [
            {"name": one.record.name, "type": one.record.type, "presence": one.presence.value} for one in wrong
        ],
    }
