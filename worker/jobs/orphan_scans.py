"""Looks for orphans, and removes what an operator gave the word for, on a few threads of its own.

A product that hangs holds up nothing else: each integration has its own row, and its own failure.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import structlog

from shared.config.settings import Settings
from shared.integrations.outcomes import Fault, Outcome, Result, TemporaryError, failed, ok, skipped
from shared.integrations.ownership_marker import MarkerSigner
from shared.orphans.model import LOOKED_THROUGH, OrphanStatus
from shared.orphans.repository import RemovalClaim
from shared.orphans.scan_repository import OrphanLookClaim
from shared.orphans.scanner import OrphanScanner
from shared.switches.model import Deferral
from worker.execution.breaker import Breaker
from worker.http.deadline import within
from worker.integrations.discovery import FINDERS, Find
from worker.jobs.worker_pool import WorkerPool

log = structlog.get_logger(__name__)
T = TypeVar("T")

#: looks and removals at once
SLOTS = 3
#: seconds until what failed is tried again: the first, doubled each time up to the last
FIRST_WAIT, LONGEST_WAIT = 10.0, 3600.0
#: and until what a pause or an open breaker holds back is looked at again
DEFERRED_WAIT = 15.0
VERIFIED = "the integration lists it no more"


@dataclass
class Removing:
    """What one removal has done so far."""

    changes: list[str] = field(default_factory=list)

    def change(self, sentence: str, act: Callable[[], T], planned: T) -> T:
        done = act()
        self.changes.append(sentence)
        return done


class OrphanScanJob:
    """One per sweep. `clients`: integration name to its client, None when it is not configured."""

    def __init__(
        self, watch: OrphanScanner, breaker: Breaker, clients: Mapping[str, Any], settings: Settings, slots: int = SLOTS
    ) -> None:
        self._watch = watch
        self._breaker = breaker
        self._clients = clients
        self._settings = settings
        self._pool = WorkerPool("orphans", slots)
        self._has_begun = False

    def push(self) -> int:
        """Start due scans and removals as far as threads are free, and wait for none. No operations are started: 0."""
        if not self._has_begun:
            self._watch.begin()
            self._has_begun = True
        while self._pool.free and self._start_next():
            pass
        return 0

    def close(self) -> None:
        self._pool.close()

    def _start_next(self) -> bool:
        removal = self._watch.claim_removal([name for name in LOOKED_THROUGH if self._clients.get(name)])
        if removal is not None:
            self._pool.submit(partial(self._remove, removal), integration=removal.orphan.integration)
            return True
        look = self._watch.claim_look(LOOKED_THROUGH)
        if look is not None:
            self._pool.submit(partial(self._look, look), integration=look.integration)
        return look is not None

    # -- looks

    def _look(self, claim: OrphanLookClaim) -> None:
        found: list[Find] = []
        outcome = self._asked(claim.integration, lambda: found.extend(self._found(claim.integration)))
        if outcome.result is Result.OK:
            count = self._watch.record_look(claim, [one.stamped for one in found])
            log.info("orphans.looked", integration=claim.integration, stamped=len(found), orphans=count)
            return
        log.warning("orphans.look_failed", integration=claim.integration, reason=outcome.reason)
        self._watch.put_off_look(claim, _wait(claim.attempts, outcome), outcome)

    def _found(self, integration: str) -> list[Find]:
        stamper = MarkerSigner(integration, self._settings.stamp_key_texts)
        return FINDERS[integration](self._clients[integration], stamper)

    # -- removals

    def _remove(self, claim: RemovalClaim) -> None:
        removing = Removing()
        ended: list[tuple[OrphanStatus, str | None]] = []
        outcome = self._asked(claim.orphan.integration, lambda: ended.append(self._removed(claim, removing)))
        facts = {"orphan": claim.orphan.id, "integration": claim.orphan.integration, "changes": removing.changes}
        if outcome.result is Result.OK:
            status, verified = ended[0]
            done = self._watch.end_removal(claim, status, removing.changes, verified)
            log.info(f"orphan.{status}", counted=done, **facts)
            return
        log.warning("orphan.removal_failed", reason=outcome.reason, **facts)
        self._watch.put_off_removal(claim, _wait(claim.attempts, outcome), outcome, removing.changes)

    def _removed(self, claim: RemovalClaim, removing: Removing) -> tuple[OrphanStatus, str | None]:
        """What became of it. It is proven again, by its mark and by our record, right before it is removed."""
        found = self._found(claim.orphan.integration)
        find = _same(claim, found)
        if find is None:
            # an earlier attempt may have ended before it could say so
            return (OrphanStatus.REMOVED, VERIFIED) if claim.attempts > 1 else (OrphanStatus.GONE, None)
        if not self._watch.is_still_orphan(claim, find.stamped, [one.stamped for one in found]):
            return OrphanStatus.KEPT, None
        find.take_away(removing)
        if _same(claim, self._found(claim.orphan.integration)) is not None:
            raise TemporaryError("not_ready", "It was removed and is still listed.")
        return OrphanStatus.REMOVED, VERIFIED

    # -- one integration's answer, under its breaker

    def _asked(self, integration: str, work: Callable[[], None]) -> Outcome:
        """How the work ended; a pause or an open breaker defers it."""
        if self._clients.get(integration) is None:
            return skipped("not_configured")
        permit = self._breaker.permit_job(integration)
        if permit.deferral is not None:
            return _deferred(permit.deferral)
        try:
            with within(self._settings.attempt_seconds):
                work()
            outcome = ok()
        except Fault as fault:
            outcome = failed(fault)
        self._breaker.report(integration, permit, outcome)
        return outcome


def _deferred(deferral: Deferral) -> Outcome:
    return Outcome(Result.RETRY, deferral.reason, deferral.message, DEFERRED_WAIT, notes={"deferred": deferral.switch})


def _wait(attempts: int, outcome: Outcome) -> float:
    """Seconds until the next attempt. What is refused stays so until somebody mends it, and trying would count."""
    if "deferred" in outcome.notes:
        return DEFERRED_WAIT
    if outcome.result is not Result.RETRY:
        return LONGEST_WAIT
    ceiling = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempts - 1, 16))
    return max(random.uniform(ceiling / 2, ceiling), outcome.wait or 0.0)  # noqa: S311 - spreads load only


def _same(claim: RemovalClaim, found: list[Find]) -> Find | None:
    wanted = (claim.orphan.kind, claim.orphan.object_id)
    return next((one for one in found if (one.stamped.kind, one.stamped.id) == wanted), None)
