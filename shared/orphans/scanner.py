"""Record orphan scans and removals. The scheduler's job asks the integrations; this module decides and records."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from shared.config.settings import Settings
from shared.db.connection import MongoConnection
from shared.db.documents import Transaction
from shared.events.model import Author, NewEvent
from shared.events.repository import EventRepository
from shared.integrations.outcomes import Fault, Outcome, failed
from shared.operations.repository import OperationRepository
from shared.orphans.model import (
    Cause,
    Known,
    MarkedObject,
    Orphan,
    OrphanKind,
    OrphanScan,
    OrphanStatus,
    Removal,
    orphans_among,
)
from shared.orphans.repository import OrphanRepository, RemovalClaim
from shared.orphans.scan_repository import OrphanScanClaim, OrphanScanRepository
from shared.orphans.service import facts_of
from shared.switches.model import is_observing
from shared.switches.repository import SwitchRepository
from shared.tenants.recorded_objects import RecordedObjects
from shared.tenants.repository import TenantRepository

HOUR = 3600.0
#: how many new orphans one event names
MAX_NAMED = 20
#: tenants read at a time
BATCH = 1000


@dataclass(kw_only=True)
class OrphanScanner:
    """Claims are atomic, so any number of schedulers may run at once. Safe to share between threads."""

    connection: MongoConnection
    events: EventRepository
    operations: OperationRepository
    orphan_scans: OrphanScanRepository
    orphans: OrphanRepository
    switches: SwitchRepository
    tenants: TenantRepository
    recorded_objects: RecordedObjects
    settings: Settings

    def __post_init__(self) -> None:
        self._interval = self.settings.orphan_scan_hours * HOUR
        self._quarantine = self.settings.orphan_quarantine_hours * HOUR

    def begin(self) -> None:
        """Make integrations that were never scanned due, unless scans run on request only."""
        if self._interval:
            self.orphan_scans.begin()

    # -- scans

    def claim_scan(self, integrations: Collection[str]) -> OrphanScanClaim | None:
        """Claim the scan that has been due longest."""
        return self.orphan_scans.claim(integrations, self.settings.lease_seconds) if integrations else None

    def record_scan(self, claim: OrphanScanClaim, found: Sequence[MarkedObject]) -> int | None:
        """Record the objects that a scan found; return how many are orphans. None when the claim no longer holds."""
        orphans = self._orphans_among(found, claim)
        integration = claim.integration
        for one, cause in orphans.items():
            self.orphans.record_found(integration, one, cause, self._quarantine, claim.began_at)
        kept = [(one.kind, one.id) for one in found if one not in orphans]
        seen = OrphanScan(integration, marked=len(found), orphans=len(orphans))

        def work(session: Transaction) -> bool:
            if not self.orphan_scans.end(claim, self._interval, seen, session):
                return False
            self.orphans.record_missing(integration, claim.began_at, kept, session)
            # includes orphans recorded by a scan that lost its claim or died before this point
            news = self.orphans.take_unpublished(integration, session)
            if news:
                self.events.append(_found(claim, news), session)
            return True

        return len(orphans) if self.connection.transaction(work) else None

    def postpone_scan(self, claim: OrphanScanClaim, seconds: float, stopped: Outcome) -> None:
        """Record why a scan failed; make it due again after so many seconds."""
        shown = OrphanScan(claim.integration, reason=stopped.reason, message=stopped.message, remedy=stopped.remedy)
        self.orphan_scans.postpone(claim, seconds, shown)

    # -- removals

    def claim_removal(self, integrations: Collection[str]) -> RemovalClaim | None:
        """Claim the removal that has been due longest. None in observe-only mode."""
        if not integrations or is_observing(self.switches.cached()):
            return None
        return self.orphans.claim_removal(integrations, self.settings.lease_seconds)

    def is_still_orphan(self, claim: RemovalClaim, one: MarkedObject, found: Sequence[MarkedObject]) -> bool:
        """Return whether the object, found by a new scan, is still an orphan for the same cause."""
        return (
            self._orphans_among(found, claim).get(one) is claim.orphan.cause and one.tenant_id == claim.orphan.tenant_id
        )

    def end_removal(
        self, claim: RemovalClaim, status: OrphanStatus, changes: Sequence[str] = (), verified: str | None = None
    ) -> bool:
        """Record how a removal ended. False when another process took over."""
        before = claim.orphan.removal
        if before is None:
            return False
        every = tuple(dict.fromkeys((*before.changes, *changes)))
        ended = replace(before, changes=every, verified=verified)
        after = {**facts_of(claim.orphan), "removed": list(every)}
        event = NewEvent(f"orphan.{status}", _author(claim), after=after)

        def work(session: Transaction) -> bool:
            if not self.orphans.end_removal(claim, status, ended, session):
                return False
            self.events.append(event, session)
            return True

        return self.connection.transaction(work)

    def postpone_removal(
        self, claim: RemovalClaim, seconds: float, fault: Fault | Outcome, changes: Sequence[str] = ()
    ) -> None:
        """Record why a removal failed and what it removed; make it due again after so many seconds."""
        stopped = failed(fault) if isinstance(fault, Fault) else fault
        before: Removal | None = claim.orphan.removal
        if before is None:
            return
        every = tuple(dict.fromkeys((*before.changes, *changes)))
        shown = replace(before, reason=stopped.reason, message=stopped.message, remedy=stopped.remedy, changes=every)
        self.orphans.postpone_removal(claim, seconds, shown)

    def _orphans_among(
        self, found: Sequence[MarkedObject], claim: OrphanScanClaim | RemovalClaim
    ) -> dict[MarkedObject, Cause]:
        """Compare with our records, read only now: a tenant is on record before its objects exist."""
        ids = sorted({one.tenant_id for one in found})
        tenants = {
            tenant.id: tenant
            for start in range(0, len(ids), BATCH)
            for tenant in self.tenants.by_ids(tuple(ids[start : start + BATCH]))
        }
        busy = self.operations.tenants_with_open_operation(list(tenants))
        return self._without_recorded(orphans_among(found, Known(claim.began_at, tenants, busy)))

    def _without_recorded(self, orphans: Mapping[MarkedObject, Cause]) -> dict[MarkedObject, Cause]:
        """Leave out what another tenant's record names: the marker on it is a copy."""
        ids: dict[OrphanKind, list[str]] = {}
        for one in orphans:
            ids.setdefault(one.kind, []).append(one.id)
        named = {kind: self.recorded_objects.named(kind, found) for kind, found in ids.items()}
        return {one: cause for one, cause in orphans.items() if one.id not in named[one.kind]}


def _author(claim: RemovalClaim) -> Author:
    removal = claim.orphan.removal
    return Author(removal.requested_by if removal else None, f"orphan-{claim.orphan.id}")


def _found(claim: OrphanScanClaim, news: Sequence[Orphan]) -> NewEvent:
    named = [{"kind": one.kind, "objectId": one.object_id, "name": one.name, "tenantId": one.tenant_id} for one in news]
    after = {"integration": claim.integration, "count": len(news), "orphans": named[:MAX_NAMED]}
    return NewEvent("orphans.found", Author(None, f"orphans-{claim.token}"), after=after)
