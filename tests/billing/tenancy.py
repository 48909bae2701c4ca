"""The platform with Stripe configured; the tests run its billing steps in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.simulators.stripe.server import StripeSimulator
from shared.application.services import Services
from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.operations.model import Mode, Operation, StepRecord
from shared.rights.policy import Actor
from shared.subscriptions.model import Subscription
from shared.tenants.model import NewTenant
from shared.tenants.views import TenantView
from worker.composition import open_billing_sync_job
from worker.execution.runner import Runner
from worker.integrations.stripe.client import StripeClient

Make = Callable[[Mapping[str, Any]], Runner]


@dataclass(frozen=True)
class Tenancy:
    """`make`: a runner with these clients."""

    store: Repositories
    services: Services
    admin: Actor
    settings: Settings
    server: StripeSimulator
    client: StripeClient
    make: Make

    def create(self, slug: str = "acme", plan: str = "starter") -> TenantView:
        return self.services.tenants.create(NewTenant(slug, slug.title(), plan), self.admin)

    def run(self, view: TenantView, times: int = 8, client: StripeClient | None = None) -> Operation:
        """Run the operation's steps until it ends, without waits and with at most so many attempts each."""
        assert view.operation is not None
        runner = self.make({"billing": client or self.client})
        for _ in range(times):
            operation = self.seen(view)
            if not operation.is_open:
                break
            for step in operation.steps:
                runner.run(operation.id, step.name, operation.dispatch)
        return self.seen(view)

    def finish(self, view: TenantView) -> Operation:
        """Run the operation's steps with the delays of their retries."""
        deadline = time.monotonic() + 60
        while self.run(view, times=1).is_open:
            assert time.monotonic() < deadline, self.seen(view)
            time.sleep(0.05)
        return self.seen(view)

    def seen(self, view: TenantView) -> Operation:
        found = self.store.operations.find(view.operation.id if view.operation else "")
        assert found is not None
        return found

    def billed(self, view: TenantView, **options: Any) -> StepRecord:
        return self.run(view, **options).step("billing")

    def set_up(self, slug: str = "acme") -> TenantView:
        view = self.create(slug)
        assert self.billed(view).status == "ok"
        return view

    def reconcile(self, slug: str = "acme", mode: Mode = Mode.APPLY) -> TenantView:
        return self.services.tenants.reconcile(slug, self.admin, mode)

    def record(self, view: TenantView) -> Subscription:
        return self.store.subscriptions.of_tenants((view.tenant.id,))[0]

    def upstream(self) -> list[dict[str, Any]]:
        return list(self.server.objects.subscriptions.values())

    def tenant(self, slug: str = "acme") -> TenantView:
        return self.services.tenants.get(slug, self.admin)

    def sync(self) -> None:
        """Run the billing sync job once."""
        job = open_billing_sync_job(self.store, self.client, self.settings)
        job.run_once()
        job.close()

    def events(self, view: TenantView, action: str) -> list[Any]:
        """Return the tenant's events of this action, oldest first."""
        while self.store.events.has_unnumbered():
            self.store.connection.transaction(self.store.events.number)
        feed = self.store.events.following((view.tenant.id,), 0, None, 500)
        return [one for one in feed.items if one.action == action]
