"""All use cases over one store and one dispatcher, opened once per process."""

from __future__ import annotations

from dataclasses import dataclass

from shared.control_plane.billing import BillingCases
from shared.control_plane.callers import CallerCases
from shared.control_plane.domains import DomainCases
from shared.control_plane.events import EventCases
from shared.control_plane.life import LifeCases
from shared.control_plane.observing import ObserveCases
from shared.control_plane.operations import OperationCases
from shared.control_plane.orphans import OrphanCases
from shared.control_plane.partners import PartnerCases
from shared.control_plane.purges import PurgeCases
from shared.control_plane.service import ServiceCases
from shared.control_plane.starting import Starter
from shared.control_plane.subscriptions import SubscriptionCases
from shared.control_plane.switches import SwitchCases
from shared.control_plane.tenants import TenantCases
from shared.control_plane.users import UserCases
from shared.control_plane.webhooks import WebhookCases
from shared.dispatch.sender import Dispatcher
from shared.settings import Settings
from shared.store.opening import Store


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


def open_control_plane(store: Store, dispatcher: Dispatcher, settings: Settings) -> ControlPlane:
    starter = Starter(store, dispatcher, settings)
    tenants = TenantCases(store, starter, settings)
    domains = DomainCases(store, tenants, settings)
    purges = PurgeCases(store, settings)
    return ControlPlane(
        tenants=tenants,
        domains=domains,
        life=LifeCases(store, starter, tenants, purges, settings),
        operations=OperationCases(store, starter, tenants),
        callers=CallerCases(store, settings),
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
    )
