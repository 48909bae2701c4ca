"""Detect that an older backup of MongoDB, or another database, was put in place, and enter observe-only mode.

A number in MongoDB rises every few seconds, with majority write concern, and is then copied to Redis as a high-water
mark. Redis may be behind MongoDB but never ahead, wherever a process dies. When Redis is ahead, MongoDB has lost writes
that it had confirmed.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.config.settings import Settings
from shared.db.documents import new_id
from shared.messaging.high_water_mark import HighWaterMark, MarkedPosition
from shared.restore_guard.repository import Epoch, RestoreGuardRepository
from shared.restore_guard.service import ObserveOnlyService
from shared.switches.model import is_observing
from shared.switches.repository import SwitchRepository
from shared.tenants.read_repository import TenantCounts

#: seconds between two steps of the number; a backup younger than this is not detected
ADVANCE_SECONDS = 10.0

#: a new database takes three rounds: get an id, mark it in Redis, compare
MAX_ROUNDS = 3

DATABASE_IS_OLDER = "The database is older than before: a backup seems to have been restored."
DATABASE_IS_ANOTHER = "The database is not the same as before: another one seems to have been put in its place."
REQUESTED_ON_START = "OBSERVE_ONLY_ON_START is set."


@dataclass(kw_only=True)
class RestoreDetector:
    """Compares MongoDB with the high-water mark in Redis. Any number of processes may do it at once.

    Without a high-water mark, as after Redis lost its data, it detects nothing.
    """

    restore_guard: RestoreGuardRepository
    switches: SwitchRepository
    tenant_counts: TenantCounts
    observe_only: ObserveOnlyService
    high_water_mark: HighWaterMark
    settings: Settings

    def __post_init__(self) -> None:
        self._is_requested = self.settings.observe_only_on_start

    def check(self) -> int:
        """Check the database. Raises StoreUnavailable.

        Every process does so when it starts, and the scheduler before it publishes anything: after a restore no step
        runs that it has not published. Always return 0, as a scheduler job that starts no operation.
        """
        if self._is_requested:
            self.observe_only.begin_automatically(REQUESTED_ON_START)
            self._is_requested = False
        for _ in range(MAX_ROUNDS):
            if self._is_compared():
                break
        return 0

    def _is_compared(self) -> bool:
        """Compare the database with its high-water mark. Return False when another round is necessary."""
        # read Redis first: the number may rise in between, and in the other order that would look like a loss
        marked = self.high_water_mark.read(self.settings.mongodb_database)
        known = self.restore_guard.find()
        if known is None:
            self._create(marked)
            return False
        if known.is_accepted:
            return not self._replace_mark(known, marked)
        if marked is not None and _difference(known, marked):
            self._confirm_difference()
            return True
        advanced = self.restore_guard.advance(ADVANCE_SECONDS) or known
        self.high_water_mark.advance(self.settings.mongodb_database, advanced.database_id, advanced.number)
        return True

    def _create(self, marked: MarkedPosition | None) -> None:
        """Give the database its id. With tenants and a mark it is no new database: it has replaced another one."""
        if marked is not None and self.tenant_counts.has_several():
            self.observe_only.begin_automatically(DATABASE_IS_ANOTHER)
        self.restore_guard.create(new_id())

    def _replace_mark(self, known: Epoch, marked: MarkedPosition | None) -> bool:
        """Make an accepted database the one that Redis marks. Idempotent, also when several processes do it.

        Return False while Redis does not answer: the database stays accepted until the old mark is replaced.
        """
        number = max(known.number, marked.number if marked else 0)
        has_replaced = self.high_water_mark.replace(self.settings.mongodb_database, known.database_id, number)
        if has_replaced:
            self.restore_guard.complete_acceptance(number)
        return has_replaced

    def _confirm_difference(self) -> None:
        """Read both again, in the same order, before acting: the first reads may be from both sides of a change."""
        if is_observing(self.switches.cached()):
            return
        marked, known = self.high_water_mark.read(self.settings.mongodb_database), self.restore_guard.find_confirmed()
        if marked is None or known is None or known.is_accepted:
            return
        difference = _difference(known, marked)
        if difference is not None:
            self.observe_only.begin_automatically(difference)


def _difference(known: Epoch, marked: MarkedPosition) -> str | None:
    if known.database_id != marked.database_id:
        return DATABASE_IS_ANOTHER
    return DATABASE_IS_OLDER if marked.number > known.number else None
