"""All use cases over one store and one dispatcher, opened once per process."""

from __future__ import annotations

from dataclasses import dataclass

from shared.administration.availability import AvailabilityService
from shared.administration.event_feed import EventService
from shared.administration.partners import PartnerService
from shared.administration.sign_in import SignInService
from shared.administration.subscriptions import SubscriptionService
from shared.administration.switches import SwitchService
from shared.administration.token_groups import TokenGroups
from shared.administration.users import UserService
from shared.application.readiness import ReadinessService
from shared.application.store import Repositories
from shared.billing.sync import BillingService
from shared.bulk.service import BulkService
from shared.config.settings import Settings
from shared.diagnostics.service import DiagnosticsService
from shared.operations.dispatcher import Dispatcher
from shared.orphans.service import OrphanService
from shared.provisioning.domains import DomainService
from shared.provisioning.lifecycle import LifecycleService
from shared.provisioning.operations import OperationService
from shared.provisioning.purge_quota import PurgeQuotaService
from shared.provisioning.starter import Starter
from shared.provisioning.tenants import TenantService
from shared.restore_guard.service import ObserveOnlyService
from shared.status.service import StatusService
from shared.webhooks.service import WebhookService


@dataclass(frozen=True)
class Services:
    """One per process; safe to share between threads."""

    tenants: TenantService
    domains: DomainService
    life: LifecycleService
    operations: OperationService
    callers: SignInService
    users: UserService
    partners: PartnerService
    subscriptions: SubscriptionService
    events: EventService
    webhooks: WebhookService
    switches: SwitchService
    service: ReadinessService
    billing: BillingService
    orphans: OrphanService
    purges: PurgeQuotaService
    observing: ObserveOnlyService
    status: StatusService
    bulk: BulkService
    diagnostics: DiagnosticsService
    availability: AvailabilityService


def open_services(store: Repositories, dispatcher: Dispatcher, settings: Settings) -> Services:
    starter = Starter(store, dispatcher, settings)
    groups = TokenGroups(store, settings)
    tenants = TenantService(store, starter, groups, settings)
    domains = DomainService(store, tenants, settings)
    purges = PurgeQuotaService(store, settings)
    operations = OperationService(store, starter, tenants)
    return Services(
        tenants=tenants,
        domains=domains,
        life=LifecycleService(store, starter, tenants, purges, settings),
        operations=operations,
        callers=SignInService(store, groups),
        users=UserService(store, tenants),
        partners=PartnerService(store),
        subscriptions=SubscriptionService(store, tenants, settings),
        events=EventService(store, tenants),
        service=ReadinessService(store, dispatcher, tenants, domains, settings),
        webhooks=WebhookService(store, tenants, settings),
        switches=SwitchService(store, tenants),
        billing=BillingService(store),
        orphans=OrphanService(store),
        purges=purges,
        observing=ObserveOnlyService(store),
        status=StatusService(store, tenants),
        bulk=BulkService(store, tenants, operations),
        diagnostics=DiagnosticsService(store),
        availability=AvailabilityService(store),
    )
