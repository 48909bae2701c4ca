"""Read a tenant's domains with the DNS records they need, and request checks. The worker queries DNS."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial

from shared.config.settings import Settings
from shared.core import naming as names
from shared.core.errors import ActionNotPossible, CheckedRecently, NotFound
from shared.db.connection import MongoConnection
from shared.db.documents import Transaction
from shared.domains.model import DomainRecord, DomainView, TenantDomain, Terms, mail_records
from shared.domains.repository import DomainRepository
from shared.domains.verification import ProofMaker
from shared.events.model import NewEvent
from shared.events.repository import EventRepository
from shared.provisioning.operations import WAIT_PAUSES
from shared.provisioning.tenants import TenantService
from shared.rights import policy, refusals
from shared.rights.policy import Actor
from shared.tenants.model import Tenant
from shared.tenants.repository import TenantRepository


@dataclass(kw_only=True)
class DomainService:
    connection: MongoConnection
    domains: DomainRepository
    events: EventRepository
    tenants: TenantRepository
    tenant_service: TenantService
    settings: Settings

    def __post_init__(self) -> None:
        self._first_check = self.settings.first_domain_check_seconds
        self._pause = self.settings.domain_check_interval_seconds
        self._maker = ProofMaker(self.settings.stamp_key_texts)

    def prepare(self) -> None:
        """Create missing domain records; where proofs are required, schedule checks of all. Idempotent."""
        self.domains.complete_documents(is_always_required=self._first_check is not None)
        for tenant_id in self.domains.tenants_without_documents():
            self.connection.transaction(partial(self._create_records, tenant_id))
        if self._first_check is not None:
            self.domains.watch_all(self._first_check)

    def list(self, slug: str, actor: Actor) -> tuple[DomainView, ...]:
        """Return the tenant's domains in the tenant's order. Raises NotFound."""
        tenant = self.tenant_service.visible(slug, actor)
        known = self.domains.of_tenant(tenant.id)
        return tuple(self._view(tenant, known[name]) for name in tenant.domains if name in known)

    def get(self, slug: str, name: str, actor: Actor) -> DomainView:
        """Return one domain. Raises NotFound, also when the actor may not see the tenant."""
        tenant = self.tenant_service.visible(slug, actor)
        return self._view(tenant, self._require(tenant, name))

    def request_check(self, slug: str, name: str, actor: Actor) -> DomainView:
        """Request a check at the next scheduler run. Idempotent until that check.

        Raises NotFound, Forbidden, CheckedRecently, and ActionNotPossible without a key for proofs.
        """
        tenant = self.tenant_service.visible(slug, actor)
        refusals.require_in_tenant(
            actor,
            tenant,
            policy.may_reconcile_tenant,
            "Checking a domain takes an owner or administrator of the tenant.",
        )
        if tenant.purged_at is not None:
            raise ActionNotPossible("The tenant was purged; its domains are only reserved.")
        if not self._maker.keys:
            raise ActionNotPossible("Domains cannot be proven here: STAMP_KEYS is not set.")
        known = self._require(tenant, name)
        requested = self.connection.transaction(lambda session: self._request(tenant, known.name, actor, session))
        return self._view(tenant, requested or self._already_requested(tenant, known))

    def wait_for(self, slug: str, name: str, actor: Actor, seconds: float) -> DomainView:
        """Wait until the requested check is done, at most `seconds`, and return the domain. Raises NotFound."""
        deadline = time.monotonic() + seconds
        pauses = iter(WAIT_PAUSES)
        view = self.get(slug, name, actor)
        while view.domain.requested_at is not None and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, next(pauses, WAIT_PAUSES[-1])))
            view = self.get(slug, name, actor)
        return view

    def _request(self, tenant: Tenant, name: str, actor: Actor, session: Transaction) -> TenantDomain | None:
        author = actor.author
        domain = self.domains.request_check(tenant.id, name, self._pause, author.request_id, session)
        if domain is None or domain.requested_at is None:
            return None
        restarted = domain.ownership.after_request(domain.requested_at)
        if restarted != domain.ownership:
            domain = replace(domain, ownership=restarted, since=domain.requested_at)
            self.domains.restart(domain, session)
        after = {"domain": name, "state": restarted.state.value}
        event = NewEvent("domain.check_requested", author, tenant.id, tenant.slug, None, after)
        self.events.append(event, session)
        return domain

    def _already_requested(self, tenant: Tenant, known: TenantDomain) -> TenantDomain:
        """Return the domain if a check is already requested. Raises CheckedRecently otherwise."""
        domain = self._require(tenant, known.name)
        if domain.requested_at is None:
            raise CheckedRecently(self.domains.seconds_to_wait(domain.id, self._pause))
        return domain

    def _require(self, tenant: Tenant, text: str) -> TenantDomain:
        try:
            name = names.domain_name(text)
        except ValueError:
            name = text
        domain = self.domains.find(tenant.id, name)
        if domain is None:
            raise NotFound(f"The tenant {tenant.slug!r} has no domain {text!r}.")
        return domain

    def _create_records(self, tenant_id: str, session: Transaction) -> None:
        tenant = self.tenants.find_by_id(tenant_id, session)
        if tenant is not None:
            names = self.domains.prune(tenant, session)
            # domains older than the rule need no proof
            self.domains.add(tenant, names, Terms(False, self._first_check), self.connection.now(), session)

    def _view(self, tenant: Tenant, domain: TenantDomain) -> DomainView:
        proofs = [self._maker.record(tenant.id, domain.name)] if self._maker.keys else []
        records = [DomainRecord(record, True, domain.sighting(record)) for record in proofs]
        records += [
            DomainRecord(record, False, domain.sighting(record)) for record in mail_records(tenant, domain.name)
        ]
        return DomainView(domain, tuple(records))
