"""The service itself: getting ready, and saying whether it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.core.errors import DomainTaken, SlugTaken, StoreUnavailable
from shared.events.model import Author
from shared.operations.dispatcher import Dispatcher
from shared.provisioning.domains import DomainService
from shared.provisioning.purge_quota import are_held
from shared.provisioning.tenants import TenantService
from shared.restore_guard.detector import RestoreDetector
from shared.switches.model import SWITCHES, Switch, is_observing
from shared.tenants.model import NewTenant

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Standing:
    """`switches`: by integration. `notices`: codes of what an operator should know of."""

    switches: Mapping[str, Switch]
    notices: tuple[str, ...]


class ReadinessService:
    def __init__(
        self,
        store: Repositories,
        dispatcher: Dispatcher,
        tenants: TenantService,
        domains: DomainService,
        settings: Settings,
    ) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._tenants = tenants
        self._domains = domains
        self._settings = settings
        #: until the indexes are known to be there, nothing may be recorded: the rules that they are would not hold
        self.awaits_indexes = False

    def prepare(self) -> None:
        """Make indexes, migrate, make the default tenant. Idempotent, and safe when many processes start at once."""
        self._store.make_indexes()
        self.awaits_indexes = False
        self._store.migrator.run()
        RestoreDetector(self._store, self._dispatcher.memory, self._settings).look()
        self._domains.prepare()
        slug = self._settings.default_tenant_slug
        if self._store.tenants.find(slug) is not None:
            return
        new = NewTenant(slug=slug, name=slug.capitalize(), plan=next(reversed(self._settings.plans)))
        try:
            self._tenants.record(new, Author(None, "seed"))
        except (SlugTaken, DomainTaken):
            log.info("seed.raced", slug=slug)

    def standing(self) -> Standing:
        """What holds work back; nothing while the database does not answer. Never a reason not to be ready: what has
        to wait is accepted all the same."""
        try:
            found = self._store.switches.all(within=1.0)
            notices = [name for name, holds in (("purges_held", are_held(self._store)),) if holds]
        except StoreUnavailable:
            return Standing({}, ())
        notices = ["observe_only", *notices] if is_observing(found) else notices
        return Standing({name: found.get(name, Switch(name)) for name in SWITCHES}, tuple(notices))

    def readiness(self) -> dict[str, bool]:
        """The parts of this service, and whether each is there; a database without its indexes is not.

        `issuers` is named only when none is configured: then no token can be accepted.
        """
        parts = {"mongodb": not self.awaits_indexes and self._store.is_up(1.0), "broker": self._dispatcher.is_up()}
        return parts if self._settings.admits_tokens else parts | {"issuers": False}
