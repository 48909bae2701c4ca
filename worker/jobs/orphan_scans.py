"""Scan integrations for orphans and remove those that an operator approved, on a few own threads.

An integration that hangs delays no other: each has its own lease and its own failures.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import structlog

from shared.config.settings import Settings
from shared.integrations.catalog import SCANNED
from shared.integrations.outcomes import Fault, Outcome, Result, TemporaryError, failed, ok, skipped
from shared.integrations.ownership_marker import MarkerSigner
from shared.orphans.model import OrphanStatus
from shared.orphans.repository import RemovalClaim
from shared.orphans.scan_repository import OrphanScanClaim
from shared.orphans.scanner import OrphanScanner
from worker.execution.breaker import Breaker, JobDeferred
from worker.http.deadline import within
from worker.integrations.discovery import FINDERS, FoundObject
from worker.jobs.worker_pool import WorkerPool

log = structlog.get_logger(__name__)
T = TypeVar("T")

#: scans and removals at once
CONCURRENCY = 3
#: seconds until a retry after a failure: the first wait is doubled each time, up to the maximum
FIRST_WAIT, MAX_WAIT = 10.0, 3600.0
VERIFIED = "the integration no longer lists it"


@dataclass
class RemovalRecorder:
    """Records the changes of one removal."""

    changes: list[str] = field(default_factory=list)

    def change(self, sentence: str, act: Callable[[], T], planned: T) -> T:
        done = act()
        self.changes.append(sentence)
        return done


class OrphanScanJob:
    """One per scheduler. `clients`: integration name to its client, None when it is not configured."""

    def __init__(
        self,
        scanner: OrphanScanner,
        breaker: Breaker,
        clients: Mapping[str, Any],
        settings: Settings,
    ) -> None:
        self._scanner = scanner
        self._breaker = breaker
        self._clients = clients
        self._settings = settings
        self._pool = WorkerPool("orphans", CONCURRENCY)
        self._has_begun = False

    def run_once(self) -> int:
        """Start due scans and removals while threads are free. Starts no operation: returns 0."""
        if not self._has_begun:
            self._scanner.begin()
            self._has_begun = True
        while self._pool.free and self._start_next():
            pass
        return 0

    def close(self) -> None:
        """Wait until running scans and removals have ended; each has a deadline."""
        self._pool.close()

    def _start_next(self) -> bool:
        removal = self._scanner.claim_removal([name for name in SCANNED if self._clients.get(name)])
        if removal is not None:
            self._pool.submit(partial(self._remove, removal), integration=removal.orphan.integration)
            return True
        scan = self._scanner.claim_scan(SCANNED)
        if scan is not None:
            self._pool.submit(partial(self._scan, scan), integration=scan.integration)
        return scan is not None

    # -- scans

    def _scan(self, claim: OrphanScanClaim) -> None:
        found: list[FoundObject] = []
        outcome = self._call(claim.integration, lambda: found.extend(self._found(claim.integration)))
        if outcome.result is Result.OK:
            count = self._scanner.record_scan(claim, [one.marked for one in found])
            log.info("orphans.scanned", integration=claim.integration, marked=len(found), orphans=count)
            return
        log.warning("orphans.scan_failed", integration=claim.integration, reason=outcome.reason)
        self._scanner.postpone_scan(claim, _wait(claim.attempts, outcome), outcome)

    def _found(self, integration: str) -> list[FoundObject]:
        signer = MarkerSigner(integration, self._settings.stamp_key_texts)
        return FINDERS[integration](self._clients[integration], signer)

    # -- removals

    def _remove(self, claim: RemovalClaim) -> None:
        recorder = RemovalRecorder()
        ended: list[tuple[OrphanStatus, str | None]] = []
        outcome = self._call(claim.orphan.integration, lambda: ended.append(self._removed(claim, recorder)))
        facts = {"orphan": claim.orphan.id, "integration": claim.orphan.integration, "changes": recorder.changes}
        if outcome.result is Result.OK:
            status, verified = ended[0]
            done = self._scanner.end_removal(claim, status, recorder.changes, verified)
            log.info(f"orphan.{status}", recorded=done, **facts)
            return
        log.warning("orphan.removal_failed", reason=outcome.reason, **facts)
        self._scanner.postpone_removal(claim, _wait(claim.attempts, outcome), outcome, recorder.changes)

    def _removed(self, claim: RemovalClaim, recorder: RemovalRecorder) -> tuple[OrphanStatus, str | None]:
        """Remove the object if it is still an orphan by its marker and our records; return how that ended."""
        found = self._found(claim.orphan.integration)
        match = _same(claim, found)
        if match is None:
            # an earlier attempt may have removed it and died before recording that
            return (OrphanStatus.REMOVED, VERIFIED) if claim.attempts > 1 else (OrphanStatus.GONE, None)
        if not self._scanner.is_still_orphan(claim, match.marked, [one.marked for one in found]):
            return OrphanStatus.KEPT, None
        match.remove(recorder)
        if _same(claim, self._found(claim.orphan.integration)) is not None:
            raise TemporaryError("not_ready", "It was removed and is still listed.")
        return OrphanStatus.REMOVED, VERIFIED

    # -- calls under the integration's breaker

    def _call(self, integration: str, work: Callable[[], None]) -> Outcome:
        """Run the work under the integration's breaker; return its outcome, deferred by a pause or an open breaker."""
        if self._clients.get(integration) is None:
            return skipped("not_configured")
        try:
            with self._breaker.job_call(integration), within(self._settings.attempt_seconds):
                work()
        except JobDeferred as deferred:
            return replace(failed(deferred), notes={"deferred": deferred.switch})
        except Fault as fault:
            return failed(fault)
        return ok()


def _wait(attempts: int, outcome: Outcome) -> float:
    """Return seconds until the next attempt. A permanent error waits longest: somebody must correct it first."""
    if "deferred" in outcome.notes:
        return outcome.wait or 0.0
    if outcome.result is not Result.RETRY:
        return MAX_WAIT
    ceiling = min(MAX_WAIT, FIRST_WAIT * 2 ** min(attempts - 1, 16))
    return max(random.uniform(ceiling / 2, ceiling), outcome.wait or 0.0)  # noqa: S311 - spreads load only


def _same(claim: RemovalClaim, found: list[FoundObject]) -> FoundObject | None:
    wanted = (claim.orphan.kind, claim.orphan.object_id)
    return next((one for one in found if (one.marked.kind, one.marked.id) == wanted), None)
