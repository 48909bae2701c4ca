"""Use cases for orphans: list them, show and request scans, and approve the removal of one."""

from __future__ import annotations

from dataclasses import dataclass

from shared.core.errors import NotFound, NotRemovable, ObserveOnly
from shared.db.connection import MongoConnection
from shared.db.documents import Page, Transaction
from shared.events.model import NewEvent
from shared.events.repository import EventRepository
from shared.orphans.model import Orphan, OrphanQuery, OrphanScan, OrphanStatus
from shared.orphans.repository import OrphanRepository
from shared.orphans.scan_repository import OrphanScanRepository
from shared.rights import operator_policy as machine_access
from shared.rights import policy
from shared.rights.policy import Actor
from shared.switches.model import is_observing
from shared.switches.repository import SwitchRepository

READ_RIGHT = "This takes a platform administrator; support may read it."


@dataclass(frozen=True, kw_only=True)
class OrphanService:
    """Every method raises Forbidden for a caller without the right."""

    connection: MongoConnection
    events: EventRepository
    orphan_scans: OrphanScanRepository
    orphans: OrphanRepository
    switches: SwitchRepository

    def page(self, query: OrphanQuery, actor: Actor) -> Page[Orphan]:
        """Return a page of orphans, newest first."""
        policy.require(machine_access.may_see_orphans(actor), READ_RIGHT)
        return self.orphans.page(query)

    def get(self, orphan_id: str, actor: Actor) -> Orphan:
        """Return one orphan. Raises NotFound."""
        policy.require(machine_access.may_see_orphans(actor), READ_RIGHT)
        found = self.orphans.find(orphan_id)
        if found is None:
            raise NotFound(f"There is no orphan {orphan_id!r}.")
        return found

    def scans(self, actor: Actor) -> list[OrphanScan]:
        """Return the latest scan of each integration."""
        policy.require(machine_access.may_see_orphans(actor), READ_RIGHT)
        return self.orphan_scans.all()

    def request_scan(self, actor: Actor) -> list[OrphanScan]:
        """Make a scan of every integration due now; the scheduler runs it."""
        policy.require(machine_access.may_scan_for_orphans(actor), READ_RIGHT)

        def work(session: Transaction) -> list[OrphanScan]:
            self.orphan_scans.request(session)
            self.events.append(NewEvent("orphans.look", actor.author), session)
            return self.orphan_scans.all(session)

        return self.connection.transaction(work)

    def remove(self, orphan_id: str, actor: Actor) -> Orphan:
        """Request the permanent removal of an orphan; the scheduler runs it. A second request changes nothing.

        Raises NotFound, NotRemovable, ObserveOnly.
        """
        policy.require(machine_access.may_remove_orphan(actor), READ_RIGHT)
        known = self.get(orphan_id, actor)
        if is_observing(self.switches.all()):
            raise ObserveOnly
        if known.status is OrphanStatus.REMOVING:
            return known

        def work(session: Transaction) -> Orphan | None:
            requested = self.orphans.request_removal(orphan_id, actor.user.id, session)
            if requested is not None:
                self.events.append(NewEvent("orphan.remove", actor.author, after=facts_of(requested)), session)
            return requested

        requested = self.connection.transaction(work)
        if requested is None:
            raise NotRemovable(_why_not(self.get(orphan_id, actor)))
        return requested


def facts_of(orphan: Orphan) -> dict[str, str]:
    """Return an orphan as events show it."""
    return {
        "orphan": orphan.id,
        "integration": orphan.integration,
        "kind": orphan.kind,
        "objectId": orphan.object_id,
        "name": orphan.name,
        "tenantId": orphan.tenant_id,
        "cause": orphan.cause,
    }


def _why_not(orphan: Orphan) -> str:
    if orphan.status is OrphanStatus.QUARANTINED:
        until = orphan.removable_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"It is in quarantine until {until}, and must be found by one more scan after that."
    return f"It is {orphan.status}, so there is nothing to remove."
