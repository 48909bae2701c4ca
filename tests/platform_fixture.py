"""Fixtures: a platform on the simulators, in one process; the test does the work of workers and scheduler."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.simulators.authentik.server import AuthentikSimulator
from sandbox.simulators.ocis.server import OcisSimulator
from sandbox.simulators.stalwart.server import StalwartSimulator
from shared.application.parts import open_orphan_scanner
from shared.application.services import open_services
from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.integrations.outcomes import ok
from shared.operations.dispatcher import Dispatcher
from shared.operations.model import Operation
from shared.orphans.model import Orphan, OrphanQuery, OrphanScan
from shared.rights.policy import Actor, Caller
from shared.tenants.model import NewTenant, Tenant
from shared.tenants.views import TenantView
from tests.records import EVERY_SURFACE
from tests.simulators import API_TOKEN
from worker.composition import open_breaker, open_runner
from worker.integrations.ocis.models import Space
from worker.integrations.registry import STEPS, connect_integrations
from worker.jobs.orphan_scans import OrphanScanJob


class PlatformFixture:
    """A platform in this process. Tests may change rows of the database directly."""

    def __init__(
        self,
        settings: Settings,
        store: Repositories,
        dispatcher: Dispatcher,
        products: tuple[AuthentikSimulator, StalwartSimulator, OcisSimulator],
    ) -> None:
        self.settings = settings
        self.authentik, self.stalwart, self.ocis = products
        self.store = store
        self.services = open_services(self.store, dispatcher, settings)
        caller = Caller("subject-admin", "admin@platform.test", "Admin", ("dezky-platform-admins",), EVERY_SURFACE)
        self.admin = Actor(self.services.sign_in.record(caller, "request-1"), EVERY_SURFACE)
        self.clients = connect_integrations(settings)
        self.runner = open_runner(self.store, dispatcher, STEPS, self.clients, settings)
        self.rows = self.store.connection.client[settings.mongodb_database]

    # -- for workers

    def finish(self, view: TenantView) -> Operation:
        """Run the operation's steps until it has ended."""
        assert view.operation is not None
        deadline = time.monotonic() + 30
        while True:
            operation = self.store.operations.find(view.operation.id)
            assert operation is not None
            if not operation.is_open:
                return operation
            assert time.monotonic() < deadline, operation
            for step in operation.steps:
                self.runner.run(operation.id, step.name, operation.dispatch)
            time.sleep(0.02)

    def end_unsettled(self, view: TenantView) -> Operation:
        """End every step, as workers that died before they settled the operation."""
        assert view.operation is not None
        for step in view.operation.steps:
            now = self.store.operations.find(view.operation.id)
            assert now is not None
            claim = self.store.operations.claim(now.id, step.name, now.dispatch, 60)
            assert claim is not None
            self.store.operations.record(claim, ok())
        return view.operation

    def grown(self, slug: str = "acme") -> Tenant:
        """Create an active tenant with a group, a domain and a space."""
        new = NewTenant(slug, f"{slug.title()} GmbH", "starter", (f"{slug}.test",))
        assert self.finish(self.services.tenants.create(new, self.admin)).status == "succeeded"
        time.sleep(0.01)
        return self.tenant(slug)

    def tenant(self, slug: str) -> Tenant:
        return self.services.tenants.get(slug, self.admin).tenant

    def forget(self, slug: str) -> None:
        """Delete the tenant's record, as if an older backup had been restored."""
        tenant = self.tenant(slug)
        self.rows["tenants"].delete_one({"slug": slug})
        self.rows["operations"].delete_many({"tenantId": tenant.id})

    # -- for the scheduler

    def make_orphan_job(self) -> OrphanScanJob:
        scanner = open_orphan_scanner(self.store, self.settings)
        return OrphanScanJob(scanner, open_breaker(self.store, self.settings), self.clients, self.settings)

    def run_orphan_jobs(self) -> None:
        """Run all orphan scans and removals that are due."""
        job = self.make_orphan_job()
        for _ in range(4):
            job.run_once()
            job._pool.wait(60)
        job.close()

    def scan(self) -> dict[str, OrphanScan]:
        """Scan all products for orphans, and return the scans by integration."""
        self.services.orphans.request_scan(self.admin)
        self.run_orphan_jobs()
        return {one.integration: one for one in self.services.orphans.scans(self.admin)}

    # -- for assertions

    def orphans(self) -> list[Orphan]:
        found = self.services.orphans.page(OrphanQuery(limit=200), self.admin).items
        return sorted(found, key=lambda one: (one.integration, one.name))

    def one(self, integration: str) -> Orphan:
        (found,) = [one for one in self.orphans() if one.integration == integration]
        return found

    def kinds(self) -> list[tuple[str, str, str]]:
        """Return kind, cause and status of each orphan."""
        return [(one.kind.value, one.cause.value, one.status.value) for one in self.orphans()]

    def events(self, *actions: str) -> list[dict[str, Any]]:
        return [row for row in self.rows["events"].find().sort("_id") if row["action"] in actions]

    def twin_of_space(self, tenant: Tenant) -> str:
        """Create a second space with the tenant's ownership marker; return its id."""
        files = self.clients["ocis"]
        known: Space = files.find_space(tenant.remote["ocisSpaceId"])
        made: Space = files.create_space("Twin", "project/twin", known.description, known.quota)
        return made.id

    def spaces(self) -> set[str]:
        return {one["id"] for one in self.ocis.snapshot()["spaces"] if one["alias"].startswith("project/")}


@pytest.fixture
def make_platform(
    make_settings: Callable[..., Settings],
    make_store: Callable[[Settings], Repositories],
    dispatcher: Dispatcher,
    authentik: AuthentikSimulator,
    stalwart: StalwartSimulator,
    ocis: OcisSimulator,
) -> Callable[..., PlatformFixture]:
    def make(**changes: Any) -> PlatformFixture:
        given = {
            "authentik_api_url": authentik.url,
            "authentik_api_token": API_TOKEN,
            "stalwart_api_url": stalwart.url,
            "stalwart_api_token": API_TOKEN,
            "ocis_api_url": ocis.url,
            "ocis_username": "provisioner",
            "ocis_password": API_TOKEN,
            "orphan_quarantine_hours": 0,
            "retry_base_seconds": 0.05,
            "call_seconds": 2,
        }
        settings = make_settings(**{**given, **changes})
        return PlatformFixture(settings, make_store(settings), dispatcher, (authentik, stalwart, ocis))

    return make


@pytest.fixture
def platform(make_platform: Callable[..., PlatformFixture]) -> PlatformFixture:
    return make_platform()
