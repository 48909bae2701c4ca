"""What the sweep does about orphans, apart from asking the products: what is due, and what follows from it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import structlog

from shared.config.settings import Settings
from shared.db.connection import MongoConnection
from shared.db.documents import Transaction
from shared.events.model import Author, NewEvent
from shared.events.repository import EventRepository
from shared.integrations.outcomes import Fault, Outcome, failed
from shared.operations.repository import OperationRepository
from shared.orphans.model import Cause, Known, MarkedObject, Orphan, OrphanLook, OrphanStatus, Removal, judged
from shared.orphans.repository import OrphanRepository, RemovalClaim
from shared.orphans.scan_repository import OrphanLookClaim, OrphanScanRepository
from shared.orphans.service import facts_of
from shared.switches.model import is_observing
from shared.switches.repository import SwitchRepository
from shared.tenants.repository import TenantRepository

log = structlog.get_logger(__name__)

HOUR = 3600.0
#: how many new orphans one event names
NAMED = 20
#: tenants read at a time
BATCH = 1000


class OrphanScanner:
    """Every act is an atomic claim, so any number of sweeps may do this at once. Safe to share between threads."""

    def __init__(
        self,
        *,
        connection: MongoConnection,
        events: EventRepository,
        operations: OperationRepository,
        orphan_scans: OrphanScanRepository,
        orphans: OrphanRepository,
        switches: SwitchRepository,
        tenants: TenantRepository,
        settings: Settings,
    ) -> None:
        self._connection = connection
        self._events = events
        self._operations = operations
        self._orphan_scans = orphan_scans
        self._orphans = orphans
        self._switches = switches
        self._tenants = tenants
        self._interval = settings.orphan_scan_hours * HOUR
        self._quarantine = settings.orphan_quarantine_hours * HOUR
        self._lease = settings.lease_seconds

    def begin(self) -> None:
        """What was never looked through is due, unless looks are made when asked for only."""
        if self._interval:
            self._orphan_scans.begin()

    # -- looks

    def claim_look(self, integrations: Collection[str]) -> OrphanLookClaim | None:
        return self._orphan_scans.claim(integrations, self._lease) if integrations else None

    def record_look(self, claim: OrphanLookClaim, found: Sequence[MarkedObject]) -> int | None:
        """Put on record all that a look found; how many orphans. None when it counts for nothing."""
        orphans = self._judged(found, claim)
        integration = claim.integration
        for one, cause in orphans.items():
            self._orphans.see(integration, one, cause, self._quarantine)
        kept = [(one.kind, one.id) for one in found if one not in orphans]
        seen = OrphanLook(integration, stamped=len(found), orphans=len(orphans))

        def work(session: Transaction) -> bool:
            if not self._orphan_scans.end(claim, self._interval, seen, session):
                return False
            self._orphans.miss(integration, claim.began_at, kept, session)
            # also what a look saw that counted for nothing, or died before it could tell
            news = self._orphans.take_untold(integration, session)
            if news:
                self._events.append(_found(claim, news), session)
            return True

        return len(orphans) if self._connection.transaction(work) else None

    def put_off_look(self, claim: OrphanLookClaim, seconds: float, stopped: Outcome) -> None:
        shown = OrphanLook(claim.integration, reason=stopped.reason, message=stopped.message, remedy=stopped.remedy)
        self._orphan_scans.put_off(claim, seconds, shown)

    # -- removals

    def claim_removal(self, integrations: Collection[str]) -> RemovalClaim | None:
        if not integrations or is_observing(self._switches.seen()):
            return None
        return self._orphans.claim_removal(integrations, self._lease)

    def is_still_orphan(self, claim: RemovalClaim, one: MarkedObject, found: Sequence[MarkedObject]) -> bool:
        """Whether the object, seen again among all there is, belongs to nobody still, for the same cause."""
        return self._judged(found, claim).get(one) is claim.orphan.cause and one.tenant_id == claim.orphan.tenant_id

    def end_removal(
        self, claim: RemovalClaim, status: OrphanStatus, changes: Sequence[str] = (), verified: str | None = None
    ) -> bool:
        """Put a removal's end on record. False when another attempt took over."""
        before = claim.orphan.removal
        if before is None:
            return False
        every = tuple(dict.fromkeys((*before.changes, *changes)))
        ended = replace(before, changes=every, verified=verified)
        after = {**facts_of(claim.orphan), "removed": list(every)}
        event = NewEvent(f"orphan.{status}", _author(claim), after=after)

        def work(session: Transaction) -> bool:
            if not self._orphans.end_removal(claim, status, ended, session):
                return False
            self._events.append(event, session)
            return True

        return self._connection.transaction(work)

    def put_off_removal(
        self, claim: RemovalClaim, seconds: float, fault: Fault | Outcome, changes: Sequence[str] = ()
    ) -> None:
        """Try again later; what was removed already stays on record."""
        stopped = failed(fault) if isinstance(fault, Fault) else fault
        before: Removal | None = claim.orphan.removal
        if before is None:
            return
        every = tuple(dict.fromkeys((*before.changes, *changes)))
        shown = replace(before, reason=stopped.reason, message=stopped.message, remedy=stopped.remedy, changes=every)
        self._orphans.put_off_removal(claim, seconds, shown)

    def _judged(
        self, found: Sequence[MarkedObject], claim: OrphanLookClaim | RemovalClaim
    ) -> dict[MarkedObject, Cause]:
        """The products were asked first and the record is read now: a tenant is on record before it is made there."""
        ids = sorted({one.tenant_id for one in found})
        tenants = {
            tenant.id: tenant
            for start in range(0, len(ids), BATCH)
            for tenant in self._tenants.by_ids(tuple(ids[start : start + BATCH]))
        }
        busy = self._operations.busy(list(tenants))
        return judged(found, Known(claim.began_at, tenants, busy))


def _author(claim: RemovalClaim) -> Author:
    removal = claim.orphan.removal
    return Author(removal.asked_by if removal else None, f"orphan-{claim.orphan.id}")


def _found(claim: OrphanLookClaim, news: Sequence[Orphan]) -> NewEvent:
    named = [{"kind": one.kind, "objectId": one.object_id, "name": one.name, "tenantId": one.tenant_id} for one in news]
    after = {"integration": claim.integration, "count": len(news), "orphans": named[:NAMED]}
    return NewEvent("orphans.found", Author(None, f"orphans-{claim.token}"), after=after)
