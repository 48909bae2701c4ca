"""The service itself: getting ready, and saying whether it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from shared.config.settings import Settings
from shared.core.errors import DomainTaken, SlugTaken, StoreUnavailable
from shared.db.connection import MongoConnection
from shared.db.daily_quota import DailyQuota
from shared.db.migrations import Migrator
from shared.events.model import Author
from shared.operations.dispatcher import Dispatcher
from shared.provisioning.domains import DomainService
from shared.provisioning.purge_quota import are_deferred
from shared.provisioning.tenants import TenantService
from shared.restore_guard.detector import RestoreDetector
from shared.switches.model import SWITCHES, Switch, is_observing
from shared.switches.repository import SwitchRepository
from shared.tenants.counts import TenantCounts
from shared.tenants.model import NewTenant
from shared.tenants.repository import TenantRepository

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Standing:
    """`switches`: by integration. `notices`: codes of what an operator should know of."""

    switches: Mapping[str, Switch]
    notices: tuple[str, ...]


class ReadinessService:
    def __init__(
        self,
        *,
        connection: MongoConnection,
        daily_quota: DailyQuota,
        make_indexes: Callable[[], None],
        migrator: Migrator,
        switches: SwitchRepository,
        tenant_counts: TenantCounts,
        tenants: TenantRepository,
        restore_detector: RestoreDetector,
        dispatcher: Dispatcher,
        tenant_service: TenantService,
        domain_service: DomainService,
        settings: Settings,
    ) -> None:
        self._connection = connection
        self._daily_quota = daily_quota
        self._make_indexes = make_indexes
        self._tenant_counts = tenant_counts
        self._restore_detector = restore_detector
        self._migrator = migrator
        self._switches = switches
        self._tenants = tenants
        self._dispatcher = dispatcher
        self._tenant_service = tenant_service
        self._domain_service = domain_service
        self._settings = settings
        #: until the indexes are known to be there, nothing may be recorded: the rules that they are would not hold
        self.awaits_indexes = False

    def prepare(self) -> None:
        """Make indexes, migrate, make the default tenant. Idempotent, and safe when many processes start at once."""
        self._make_indexes()
        self.awaits_indexes = False
        self._migrator.run()
        self._restore_detector.look()
        self._domain_service.prepare()
        slug = self._settings.default_tenant_slug
        if self._tenants.find(slug) is not None:
            return
        new = NewTenant(slug=slug, name=slug.capitalize(), plan=next(reversed(self._settings.plans)))
        try:
            self._tenant_service.record(new, Author(None, "seed"))
        except (SlugTaken, DomainTaken):
            log.info("seed.raced", slug=slug)

    def standing(self) -> Standing:
        """What holds work back; nothing while the database does not answer. Never a reason not to be ready: what has
        to wait is accepted all the same."""
        try:
            found = self._switches.all(within=1.0)
            notices = [
                name
                for name, holds in (("purges_held", are_deferred(self._daily_quota, self._tenant_counts)),)
                if holds
            ]
        except StoreUnavailable:
            return Standing({}, ())
        notices = ["observe_only", *notices] if is_observing(found) else notices
        return Standing({name: found.get(name, Switch(name)) for name in SWITCHES}, tuple(notices))

    def readiness(self) -> dict[str, bool]:
        """The parts of this service, and whether each is there; a database without its indexes is not.

        `issuers` is named only when none is configured: then no token can be accepted.
        """
        parts = {"mongodb": not self.awaits_indexes and self._connection.is_up(1.0), "broker": self._dispatcher.is_up()}
        return parts if self._settings.admits_tokens else parts | {"issuers": False}
