"""Compose all services of a process from its repositories and its dispatcher."""

from __future__ import annotations

from dataclasses import dataclass

from shared.administration.availability import AvailabilityService
from shared.administration.event_feed import EventService
from shared.administration.partners import PartnerService
from shared.administration.sign_in import SignInService
from shared.administration.subscriptions import SubscriptionService
from shared.administration.switches import SwitchService
from shared.administration.users import UserService
from shared.application.parts import (
    open_billing_service,
    open_observe_only_service,
    open_restore_detector,
    open_settlement,
    open_starter,
)
from shared.application.readiness import ReadinessService
from shared.application.store import Repositories
from shared.billing.sync import BillingService
from shared.bulk.selection import BulkSelection
from shared.bulk.service import BulkService
from shared.config.settings import Settings
from shared.diagnostics.service import DiagnosticsService
from shared.operations.dispatcher import Dispatcher
from shared.orphans.service import OrphanService
from shared.provisioning.domain_admission import DomainAdmission
from shared.provisioning.domains import DomainService
from shared.provisioning.lifecycle import LifecycleService
from shared.provisioning.operations import OperationService
from shared.provisioning.purge_quota import PurgeQuotaService
from shared.provisioning.tenant_export import TenantExporter
from shared.provisioning.tenants import TenantService
from shared.restore_guard.service import ObserveOnlyService
from shared.rights.token_groups import TokenGroups
from shared.status.service import StatusService
from shared.webhooks.service import WebhookService


@dataclass(frozen=True)
class Services:
    """All services of a process. Safe to share between threads."""

    tenants: TenantService
    domains: DomainService
    lifecycle: LifecycleService
    operations: OperationService
    sign_in: SignInService
    users: UserService
    partners: PartnerService
    subscriptions: SubscriptionService
    events: EventService
    webhooks: WebhookService
    switches: SwitchService
    readiness: ReadinessService
    billing: BillingService
    orphans: OrphanService
    purge_quota: PurgeQuotaService
    observe_only: ObserveOnlyService
    status: StatusService
    bulk: BulkService
    diagnostics: DiagnosticsService
    availability: AvailabilityService


def open_services(store: Repositories, dispatcher: Dispatcher, settings: Settings) -> Services:
    """Compose every service of this process."""
    connection, events = store.connection, store.events
    starter = open_starter(store, dispatcher, settings)
    groups = TokenGroups(tenants=store.tenants, settings=settings)
    tenants = TenantService(
        connection=connection,
        events=events,
        partners=store.partners,
        subscriptions=store.subscriptions,
        tenant_views=store.tenant_views,
        tenants=store.tenants,
        admission=DomainAdmission(domains=store.domains, settings=settings),
        starter=starter,
        groups=groups,
        settings=settings,
    )
    domains = DomainService(
        connection=connection,
        domains=store.domains,
        events=events,
        tenants=store.tenants,
        tenant_service=tenants,
        settings=settings,
    )
    purge_quota = PurgeQuotaService(
        connection=connection,
        daily_quota=store.daily_quota,
        events=events,
        tenant_counts=store.tenant_counts,
        settings=settings,
    )
    operations = OperationService(
        connection=connection,
        events=events,
        operations=store.operations,
        tenants=store.tenants,
        settlement=open_settlement(store),
        starter=starter,
        tenant_service=tenants,
    )
    exporter = TenantExporter(
        connection=connection,
        events=events,
        operations=store.operations,
        subscriptions=store.subscriptions,
        users=store.users,
    )
    return Services(
        tenants=tenants,
        domains=domains,
        lifecycle=LifecycleService(
            connection=connection,
            operations=store.operations,
            switches=store.switches,
            tenants=store.tenants,
            tombstones=store.tombstones,
            starter=starter,
            tenant_service=tenants,
            purges=purge_quota,
            exporter=exporter,
            settings=settings,
        ),
        operations=operations,
        sign_in=SignInService(
            connection=connection,
            events=events,
            subscriptions=store.subscriptions,
            tenant_views=store.tenant_views,
            users=store.users,
            groups=groups,
        ),
        users=UserService(
            connection=connection,
            events=events,
            partners=store.partners,
            erasure=store.erasure,
            tenants=store.tenants,
            users=store.users,
            tenant_service=tenants,
        ),
        partners=PartnerService(
            connection=connection,
            events=events,
            partners=store.partners,
            used_by=(store.tenants.any_of_partner, store.users.any_of_partner, store.webhooks.any_of_partner),
        ),
        subscriptions=SubscriptionService(
            connection=connection,
            events=events,
            subscriptions=store.subscriptions,
            tenants=store.tenants,
            tenant_service=tenants,
            settings=settings,
        ),
        events=EventService(connection=connection, events=events, tenant_service=tenants),
        readiness=ReadinessService(
            connection=connection,
            daily_quota=store.daily_quota,
            make_indexes=store.make_indexes,
            migrator=store.migrator,
            switches=store.switches,
            tenant_counts=store.tenant_counts,
            tenants=store.tenants,
            restore_detector=open_restore_detector(store, dispatcher.high_water_mark, settings),
            dispatcher=dispatcher,
            tenant_service=tenants,
            domain_service=domains,
            settings=settings,
        ),
        webhooks=WebhookService(
            connection=connection,
            deliveries=store.deliveries,
            events=events,
            partners=store.partners,
            tenants=store.tenants,
            webhooks=store.webhooks,
            tenant_service=tenants,
            settings=settings,
        ),
        switches=SwitchService(
            connection=connection, events=events, switches=store.switches, tenants=store.tenants, tenant_service=tenants
        ),
        billing=open_billing_service(store),
        orphans=OrphanService(
            connection=connection,
            events=events,
            orphan_scans=store.orphan_scans,
            orphans=store.orphans,
            switches=store.switches,
        ),
        purge_quota=purge_quota,
        observe_only=open_observe_only_service(store),
        status=StatusService(
            connection=connection,
            findings=store.findings,
            outcomes=store.outcomes,
            problems=store.problems,
            switches=store.switches,
            tenants=store.tenants,
            tenant_service=tenants,
        ),
        bulk=BulkService(
            connection=connection,
            bulk=store.bulk,
            events=events,
            selection=BulkSelection(
                bulk=store.bulk, problems=store.problems, tenants=store.tenants, tenant_service=tenants
            ),
            users=store.users,
            tenant_service=tenants,
            operation_service=operations,
        ),
        diagnostics=DiagnosticsService(diagnostics=store.diagnostics),
        availability=AvailabilityService(domains=store.domains, tenants=store.tenants),
    )
