"""Prepare the database at start and report readiness."""

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
from shared.provisioning.purge_quota import is_exhausted
from shared.provisioning.tenants import TenantService
from shared.restore_guard.detector import RestoreDetector
from shared.switches.model import SWITCHES, Switch, is_observing
from shared.switches.repository import SwitchRepository
from shared.tenants.model import NewTenant
from shared.tenants.read_repository import TenantCounts
from shared.tenants.repository import TenantRepository

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class PlatformState:
    """State that operators should know. `switches`: by integration. `notices`: `observe_only`, `purges_held`."""

    switches: Mapping[str, Switch]
    notices: tuple[str, ...]


@dataclass(kw_only=True)
class ReadinessService:
    connection: MongoConnection
    daily_quota: DailyQuota
    make_indexes: Callable[[], None]
    migrator: Migrator
    switches: SwitchRepository
    tenant_counts: TenantCounts
    tenants: TenantRepository
    restore_detector: RestoreDetector
    dispatcher: Dispatcher
    tenant_service: TenantService
    domain_service: DomainService
    settings: Settings
    #: True until the indexes exist; no request is accepted before, because unique indexes enforce rules
    awaits_indexes: bool = False

    def prepare(self) -> bool:
        """Create indexes, migrate, create the default tenant. Idempotent and safe when several processes start.

        Return False when a migration is missing because another process has the lock; it may have died, so call this
        again. Raises StoreUnavailable, IndexConflict.
        """
        self.make_indexes()
        self.awaits_indexes = False
        self.migrator.run()
        self.restore_detector.check()
        self.domain_service.prepare()
        slug = self.settings.default_tenant_slug
        if self.tenants.find(slug) is None:
            self._create_default_tenant(slug)
        return not self.migrator.missing()

    def _create_default_tenant(self, slug: str) -> None:
        new = NewTenant(slug=slug, name=slug.capitalize(), plan=next(reversed(self.settings.plans)))
        try:
            self.tenant_service.record(new, Author(None, "seed"))
        except (SlugTaken, DomainTaken):
            log.info("default_tenant.created_by_another_process", slug=slug)

    def platform_state(self) -> PlatformState:
        """Return breakers, pauses and notices; empty while the database does not answer.

        They do not affect readiness, because requests are accepted while steps are deferred.
        """
        try:
            found = self.switches.all(within=1.0)
            notices = ["observe_only"] if is_observing(found) else []
            if is_exhausted(self.daily_quota, self.tenant_counts):
                notices.append("purges_held")
        except StoreUnavailable:
            return PlatformState({}, ())
        return PlatformState({name: found.get(name, Switch(name)) for name in SWITCHES}, tuple(notices))

    def checks(self) -> dict[str, bool]:
        """Return whether each dependency is available. MongoDB without its indexes is not.

        `issuers` is included only if no issuer is configured, because then no token can be accepted.
        """
        parts = {"mongodb": not self.awaits_indexes and self.connection.is_up(1.0), "broker": self.dispatcher.is_up()}
        return parts if self.settings.accepts_tokens else parts | {"issuers": False}
