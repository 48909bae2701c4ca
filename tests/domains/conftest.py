"""Fixtures: a platform that requires domain proofs, DNS records that tests change, and checks on command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.simulators.dns.server import DnsSimulator
from shared.application.parts import open_domain_monitor, open_settlement, open_starter
from shared.application.services import Services, open_services
from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.domains.dns_records import Record
from shared.domains.model import TenantDomain
from shared.integrations.outcomes import ok
from shared.operations.dispatcher import Dispatcher
from shared.provisioning.domain_monitor import DomainMonitor
from shared.rights.policy import Actor
from shared.tenants.model import NewTenant, Tenant
from tests.simulators import publish
from worker.dns_lookup import DnsLookup
from worker.jobs.domain_checks import DomainCheckJob

ZONE = [
    {"domain": "acme.test", "name": "acme.test", "type": "MX", "value": "10 mail.platform.test."},
    {"domain": "acme.test", "name": "acme.test", "type": "TXT", "value": "v=spf1 mx -all"},
    {"domain": "acme.test", "name": "autoconfig.acme.test", "type": "CNAME", "value": "mail.platform.test."},
]


class DomainFixture:
    """One tenant's domains, the service that checks them, and changes from outside."""

    def __init__(
        self, settings: Settings, store: Repositories, dispatcher: Dispatcher, dns: DnsSimulator, admin: Actor
    ) -> None:
        self.settings, self.store, self.dispatcher, self.dns, self.admin = settings, store, dispatcher, dns, admin
        self.services: Services = open_services(store, dispatcher, settings)
        self.rows = store.connection.client[settings.mongodb_database]["domains"]

    # -- the service

    def monitor(self) -> DomainMonitor:
        return open_domain_monitor(self.store, open_starter(self.store, self.dispatcher, self.settings), self.settings)

    def job(self, slots: int = 8) -> DomainCheckJob:
        lookup = DnsLookup(self.settings.dns_servers, lookup_seconds=self.settings.call_seconds)
        return DomainCheckJob(self.monitor(), lookup, self.settings, slots)

    def check(self, name: str = "acme.test") -> TenantDomain:
        """Check a domain, due or not."""
        self.make_due(name)
        job = self.job()
        job.run_once()
        job.close()
        return self.domain(name)

    # -- records

    def create(self, slug: str = "acme", *domains: str) -> Tenant:
        new = NewTenant(slug, slug.title(), "starter", domains or (f"{slug}.test",))
        return self.services.tenants.create(new, self.admin).tenant

    def tenant(self, slug: str = "acme") -> Tenant:
        return self.services.tenants.get(slug, self.admin).tenant

    def domain(self, name: str = "acme.test") -> TenantDomain:
        row = self.rows.find_one({"domain": name})
        assert row is not None
        found = self.store.domains.find(row["tenantId"], name)
        assert found is not None
        return found

    def events(self, prefix: str = "domain.") -> list[tuple[str, Any, Any]]:
        """Return (action, before, after) of events, oldest first."""
        feed = self.services.events.following(self.admin, None, 0, None, 200)
        return [(one.action, one.before, one.after) for one in feed.items if one.action.startswith(prefix)]

    def actions(self) -> list[str]:
        return [action for action, _, _ in self.events()]

    def operations(self, slug: str = "acme") -> list[str]:
        """Return the actions of a tenant's operations, oldest first."""
        page = self.services.operations.page(slug, self.admin, 50, None)
        return [operation.action.value for operation in reversed(page.items)]

    # -- changes from outside

    def make_due(self, name: str) -> None:
        self.rows.update_one({"domain": name}, [{"$set": {"dueAt": "$$NOW"}}])

    def age(self, field: str, days: float, name: str = "acme.test") -> None:
        """Move one of a domain's times into the past."""
        shifted = {"$subtract": [f"${field}", round(days * 86_400_000)]}
        self.rows.update_one({"domain": name}, [{"$set": {field: shifted}}])

    def proof(self, name: str = "acme.test") -> Record:
        return self.monitor().maker.record(self.domain(name).tenant_id, name)

    def publish_proof(self, name: str = "acme.test") -> None:
        record = self.proof(name)
        publish(self.dns, (record.name, record.type, record.value))

    def save_mail_records(self) -> None:
        """Save the zone's records on the tenant, as the mail step does."""
        tenant = self.tenant()
        assert self.store.tenants.save_remote(tenant.id, tenant.generation, {"dnsRecords": ZONE})

    def publish_zone(self) -> None:
        publish(self.dns, *((one["name"], one["type"], one["value"]) for one in ZONE))

    def finish(self, slug: str = "acme") -> None:
        """End every step of the tenant's open operation as ok."""
        operation = self.store.operations.find_open(self.tenant(slug).id)
        assert operation is not None
        for step in operation.steps:
            claim = self.store.operations.claim(operation.id, step.name, 99, 60)
            assert claim is not None
            self.store.operations.record(claim, ok())
        open_settlement(self.store).settle(operation.id)


@pytest.fixture
def make_fixture(
    make_settings: Callable[..., Settings], store: Repositories, dispatcher: Dispatcher, dns: DnsSimulator, admin: Actor
) -> Callable[..., DomainFixture]:
    def make(**changes: Any) -> DomainFixture:
        given = {"domain_proof": "required", "dns_servers": dns.address, "call_seconds": 1.0}
        return DomainFixture(make_settings(**{**given, **changes}), store, dispatcher, dns, admin)

    return make


@pytest.fixture
def fixture(make_fixture: Callable[..., DomainFixture]) -> DomainFixture:
    return make_fixture()
