"""Claim due domain checks and record their results. The scheduler's job asks DNS; this module decides and records."""

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
from shared.db.fault_containment import contain_faults
from shared.domains.check_queue import DomainCheckQueue, DomainClaim
from shared.domains.dns_records import Presence
from shared.domains.model import CheckSchedule, DomainCheck, TenantDomain
from shared.domains.repository import DomainRepository
from shared.domains.verification import ProofLimits, ProofMaker
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

#: reconciles started in one pass
BATCH = 50
#: seconds until the next try: while another operation is open, and while the tenant's status forbids a reconcile
BUSY_PAUSE, FORBIDDEN_PAUSE = 5.0, 300.0


@dataclass(frozen=True)
class DueDomain:
    """A domain claimed for one check, with its tenant."""

    claim: DomainClaim
    tenant: Tenant

    @property
    def name(self) -> str:
        return self.claim.domain.name


@dataclass(kw_only=True)
class DomainMonitor:
    """Claims are atomic, so any number of schedulers may run at once. Safe to share between threads."""

    connection: MongoConnection
    domain_checks: DomainCheckQueue
    domains: DomainRepository
    events: EventRepository
    switches: SwitchRepository
    tenants: TenantRepository
    starter: Starter
    settings: Settings

    def __post_init__(self) -> None:
        self._may_require = self.settings.domain_proof != "off"
        self._schedule = CheckSchedule(self.settings.domain_first_recheck_seconds, self.settings.domain_recheck_seconds)
        self._limits = ProofLimits(
            timedelta(days=self.settings.domain_proof_days), timedelta(days=self.settings.domain_lost_proof_days)
        )
        self.maker = ProofMaker(self.settings.stamp_key_texts)

    def claim(self, limit: int) -> Iterator[DueDomain]:
        """Claim due domains, `limit` at most. None without a key: a proof could not be recognised."""
        for _ in range(limit if self.maker.keys else 0):
            claim = self.domain_checks.claim(self.settings.lease_seconds)
            if claim is None:
                return
            tenant = self.tenants.find_by_id(claim.domain.tenant_id)
            if tenant is not None:
                yield DueDomain(claim, tenant)

    def record(self, due: DueDomain, check: DomainCheck) -> TenantDomain | None:
        """Record a check's result, with an event if the state changed. None when the claim no longer holds."""
        domain = self.connection.transaction(lambda session: self._record(due, check, session))
        if domain is None:
            log.info("domain.check_discarded", domain=due.name, tenant=due.tenant.slug)
        return domain

    def start_reconciles(self) -> int:
        """Start a reconcile of each tenant with a newly proven domain; return how many were started."""
        if is_observing(self.switches.cached()):
            return 0
        started = 0
        for tenant_id in self.domains.tenants_to_reconcile(BATCH):
            with contain_faults(self.connection, "domain_checks", tenant_id):
                started += self._start_reconcile(tenant_id)
        return started

    def _record(self, due: DueDomain, check: DomainCheck, session: Transaction) -> TenantDomain | None:
        claim = due.claim
        # read again: a check may have been requested since the claim
        before = self.domains.find(due.tenant.id, due.name, session)
        if before is None:
            return None
        after = before.after_check(check, claim.at, self._limits)
        is_newly_proven = after.ownership.is_proven and not before.ownership.is_proven
        waits = self._may_require and before.is_proof_required
        wait = self._schedule.wait_after(after, claim.at) * random.uniform(0.9, 1.1)  # noqa: S311 - spreads load only
        written = self.domain_checks.record(claim, after, wait, is_newly_proven and waits, session)
        if written is not None and not after.has_same_state(before):
            self.events.append(_event(before, after, claim.request_id), session)
        return written

    def _start_reconcile(self, tenant_id: str) -> int:
        author = Author(None, f"domain-{new_id()}")
        try:
            view = self.connection.transaction(lambda session: self._record_reconcile(tenant_id, author, session))
        except AlreadyOpen:
            # even when a reconcile is running: its mail step may have run before the proof was found
            self.domains.postpone_reconcile(tenant_id, BUSY_PAUSE)
            return 0
        except ActionNotPossible:
            self.domains.postpone_reconcile(tenant_id, FORBIDDEN_PAUSE)
            return 0
        if view is None:
            return 0
        log.info("domain.reconcile_started", tenant=view.tenant.slug, request_id=author.request_id)
        self.starter.publish(view)
        return 1

    def _record_reconcile(self, tenant_id: str, author: Author, session: Transaction) -> TenantView | None:
        if not self.domains.take_reconcile(tenant_id, session):
            return None
        tenant = self.tenants.find_by_id(tenant_id, session)
        return self.starter.start_within(Action.RECONCILE, tenant, author, session) if tenant else None


def _event(before: TenantDomain, after: TenantDomain, request_id: str) -> NewEvent:
    is_newly_proven = after.ownership.is_proven and not before.ownership.is_proven
    action = "verified" if is_newly_proven else after.ownership.state.value
    author = Author(None, request_id)
    return NewEvent(f"domain.{action}", author, after.tenant_id, after.tenant_slug, _facts(before), _facts(after))


def _facts(domain: TenantDomain) -> dict[str, Any]:
    """Return a domain as events show it, with the records that are missing or different."""
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
