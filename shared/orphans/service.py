"""Orphans, for operators: what is there, when it was last looked for, a look now, and the word to remove one."""

from __future__ import annotations

from shared.core.errors import NotFound, NotRemovable, ObserveOnly
from shared.db.connection import MongoConnection
from shared.db.documents import Transaction
from shared.db.paging import Page
from shared.events.model import NewEvent
from shared.events.repository import EventRepository
from shared.orphans.model import Orphan, OrphanLook, OrphanQuery, OrphanStatus
from shared.orphans.repository import OrphanRepository
from shared.orphans.scan_repository import OrphanScanRepository
from shared.rights import operator_policy as machine_access
from shared.rights import policy as access
from shared.rights.policy import Actor
from shared.switches.model import is_observing
from shared.switches.repository import SwitchRepository

SEEING = "This takes a platform administrator; support may read it."


class OrphanService:
    """All of these raise Forbidden."""

    def __init__(
        self,
        *,
        connection: MongoConnection,
        events: EventRepository,
        orphan_scans: OrphanScanRepository,
        orphans: OrphanRepository,
        switches: SwitchRepository,
    ) -> None:
        self._connection = connection
        self._events = events
        self._orphan_scans = orphan_scans
        self._orphans = orphans
        self._switches = switches

    def page(self, query: OrphanQuery, actor: Actor) -> Page[Orphan]:
        """Newest first."""
        access.require(machine_access.may_see_orphans(actor), SEEING)
        return self._orphans.page(query)

    def get(self, orphan_id: str, actor: Actor) -> Orphan:
        """Raises NotFound."""
        access.require(machine_access.may_see_orphans(actor), SEEING)
        found = self._orphans.find(orphan_id)
        if found is None:
            raise NotFound(f"There is no orphan {orphan_id!r}.")
        return found

    def looks(self, actor: Actor) -> list[OrphanLook]:
        """How each integration was last looked through."""
        access.require(machine_access.may_see_orphans(actor), SEEING)
        return self._orphan_scans.all()

    def look(self, actor: Actor) -> list[OrphanLook]:
        """Ask for a scan of every integration now, by the scheduler."""
        access.require(machine_access.may_scan_for_orphans(actor), SEEING)

        def work(session: Transaction) -> list[OrphanLook]:
            self._orphan_scans.ask(session)
            self._events.append(NewEvent("orphans.look", actor.author), session)
            return self._orphan_scans.all(session)

        return self._connection.transaction(work)

    def remove(self, orphan_id: str, actor: Actor) -> Orphan:
        """Have one removed for good, by the sweep; asked again it is the same.

        Raises NotFound, NotRemovable, ObserveOnly.
        """
        access.require(machine_access.may_remove_orphan(actor), SEEING)
        known = self.get(orphan_id, actor)
        if is_observing(self._switches.all()):
            raise ObserveOnly
        if known.status is OrphanStatus.REMOVING:
            return known

        def work(session: Transaction) -> Orphan | None:
            asked = self._orphans.ask_removal(orphan_id, actor.user.id, session)
            if asked is not None:
                self._events.append(NewEvent("orphan.remove", actor.author, after=facts_of(asked)), session)
            return asked

        asked = self._connection.transaction(work)
        if asked is None:
            raise NotRemovable(_why_not(self.get(orphan_id, actor)))
        return asked


def facts_of(orphan: Orphan) -> dict[str, str]:
    """An orphan as events show it."""
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
        return f"It is in quarantine until {until}, and has to be seen once more after that."
    return f"It is {orphan.status}, so there is nothing to remove."
