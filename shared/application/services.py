"""All use cases over one store and one dispatcher, opened once per process."""

from __future__ import annotations

from dataclasses import dataclass

from shared.administration.availability import AvailabilityService
from shared.administration.event_feed import EventCases
from shared.administration.partners import PartnerCases
from shared.administration.sign_in import CallerCases
from shared.administration.subscriptions import SubscriptionCases
from shared.administration.switches import SwitchCases
from shared.administration.token_groups import TokenGroups
from shared.administration.users import UserCases
from shared.application.readiness import ServiceCases
from shared.application.store import Store
from shared.billing.sync import BillingCases
from shared.bulk.service import BulkService
from shared.config.settings import Settings
from shared.diagnostics.service import DiagnosticsService
from shared.operations.dispatcher import Dispatcher
from shared.orphans.service import OrphanCases
from shared.provisioning.domains import DomainCases
from shared.provisioning.lifecycle import LifeCases
from shared.provisioning.operations import OperationCases
from shared.provisioning.purge_quota import PurgeCases
from shared.provisioning.starter import Starter
from shared.provisioning.tenants import TenantCases
from shared.restore_guard.service import ObserveCases
from shared.status.service import StatusService
from shared.webhooks.service import WebhookCases


@dataclass(frozen=True)
class ControlPlane:
    """One per process; safe to share between threads."""

    tenants: TenantCases
    domains: DomainCases
    life: LifeCases
    operations: OperationCases
    callers: CallerCases
    users: UserCases
    partners: PartnerCases
    subscriptions: SubscriptionCases
    events: EventCases
    webhooks: WebhookCases
    switches: SwitchCases
    service: ServiceCases
    billing: BillingCases
    orphans: OrphanCases
    purges: PurgeCases
    observing: ObserveCases
    status: StatusService
    bulk: BulkService
    diagnostics: DiagnosticsService
    availability: AvailabilityService


def open_control_plane(store: Store, dispatcher: Dispatcher, settings: Settings) -> ControlPlane:
    starter = Starter(store, dispatcher, settings)
    groups = TokenGroups(store, settings)
    tenants = TenantCases(store, starter, groups, settings)
    domains = DomainCases(store, tenants, settings)
    purges = PurgeCases(store, settings)
    operations = OperationCases(store, starter, tenants)
    return ControlPlane(
        tenants=tenants,
        domains=domains,
        life=LifeCases(store, starter, tenants, purges, settings),
        operations=operations,
        callers=CallerCases(store, groups),
        users=UserCases(store, tenants),
        partners=PartnerCases(store),
        subscriptions=SubscriptionCases(store, tenants, settings),
        events=EventCases(store, tenants),
        service=ServiceCases(store, dispatcher, tenants, domains, settings),
        webhooks=WebhookCases(store, tenants, settings),
        switches=SwitchCases(store, tenants),
        billing=BillingCases(store),
        orphans=OrphanCases(store),
        purges=purges,
        observing=ObserveCases(store),
        status=StatusService(store, tenants),
        bulk=BulkService(store, tenants, operations),
        diagnostics=DiagnosticsService(store),
        availability=AvailabilityService(store),
    )
