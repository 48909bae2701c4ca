"""Whether the database is older than one that was seen before, as after a restore from a backup; then only observe.

The epoch rises in MongoDB first, for a majority, and is then remembered in Redis. So Redis can be behind but never
ahead, whatever dies in between: ahead means that MongoDB has lost what it had confirmed.
"""

from __future__ import annotations

import threading
import time

import structlog

from shared.config.settings import Settings
from shared.core.errors import StoreUnavailable
from shared.db.documents import new_id
from shared.messaging.high_water_mark import HighWaterMark, MarkedPosition
from shared.restore_guard.repository import Epoch, RestoreGuardRepository
from shared.restore_guard.service import ObserveOnlyService
from shared.switches.model import is_observing
from shared.switches.repository import SwitchRepository
from shared.tenants.counts import TenantCounts

log = structlog.get_logger(__name__)

#: how often the number rises, in seconds: a backup that is younger than this is not told from the present
RISE = 10.0
#: how often a process looks at most, in seconds
REST = 2.0
#: a new database is named, then remembered, then compared: one look does all of it
STAGES = 3

OLDER = "The database is older than it was seen before: a backup seems to have been restored."
OTHER = "The database is not the one that was seen before: another seems to have been put in its place."
STARTED = "OBSERVE_ONLY_ON_START is set."


class RestoreDetector:
    """One per process; safe to share between threads. Without what Redis remembers it says nothing."""

    def __init__(
        self,
        *,
        restore_guard: RestoreGuardRepository,
        switches: SwitchRepository,
        tenant_counts: TenantCounts,
        observing: ObserveOnlyService,
        high_water_mark: HighWaterMark,
        settings: Settings,
    ) -> None:
        self._restore_guard = restore_guard
        self._switches = switches
        self._tenant_counts = tenant_counts
        self._high_water_mark = high_water_mark
        self._database = settings.mongodb_database
        self._observing = observing
        self._is_wanted = settings.observe_only_on_start
        self._lock = threading.Lock()
        self._next = 0.0
        self._failed_at = 0.0

    def look(self) -> int:
        """Look, unless this process just has. No operations are started: 0. Raises StoreUnavailable."""
        asked_at = time.monotonic()
        with self._lock:
            if self._failed_at > asked_at:
                # a look failed while we waited: each trying anew would make the last of many wait for all the others
                raise StoreUnavailable
            if time.monotonic() < self._next:
                return 0
            try:
                self._look()
            except StoreUnavailable:
                self._failed_at = time.monotonic()
                raise
            self._next = time.monotonic() + REST
        return 0

    def _look(self) -> None:
        if self._is_wanted:
            self._observing.begin_by_itself(STARTED)
            self._is_wanted = False
        for _ in range(STAGES):
            if self._is_settled():
                return

    def _is_settled(self) -> bool:
        """Compare what is known with what is remembered; False when there is something to look at once more."""
        # what is remembered is asked for first: the number may rise in between, and that must not look like a loss
        remembered = self._high_water_mark.read(self._database)
        known = self._restore_guard.find()
        if known is None:
            self._begin(remembered)
            return False
        if known.is_forgiven:
            return not self._reach(known, remembered)
        if remembered is not None and _suspicion(known, remembered):
            self._suspect()
            return True
        risen = self._restore_guard.raise_number(RISE) or known
        self._high_water_mark.advance(self._database, risen.line, risen.number)
        return True

    def _begin(self, remembered: MarkedPosition | None) -> None:
        """A database without a name: a new one; or one from before there were any, put in another's place."""
        if remembered is not None and self._tenant_counts.are_several():
            self._observing.begin_by_itself(OTHER)
        self._restore_guard.begin(new_id())

    def _reach(self, known: Epoch, remembered: MarkedPosition | None) -> bool:
        """From now on this database counts; every process that does this writes the same, in whatever order.

        False while Redis does not answer: until it has forgotten the other, this one stays forgiven.
        """
        number = max(known.number, remembered.number if remembered else 0)
        has_replaced = self._high_water_mark.replace(self._database, known.line, number)
        if has_replaced:
            self._restore_guard.reach(number)
        return has_replaced

    def _suspect(self) -> None:
        """Ask both once more, in the same order: what was read may be from two sides of a change."""
        if is_observing(self._switches.seen()):
            return
        remembered, known = self._high_water_mark.read(self._database), self._restore_guard.confirmed()
        if remembered is None or known is None or known.is_forgiven:
            return
        suspicion = _suspicion(known, remembered)
        if suspicion is not None:
            self._observing.begin_by_itself(suspicion)


def _suspicion(known: Epoch, remembered: MarkedPosition) -> str | None:
    if known.line != remembered.line:
        return OTHER
    return OLDER if remembered.number > known.number else None
