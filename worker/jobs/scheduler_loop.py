"""What a sweep does at each look: push what is due, end what is overdue, settle what was left."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Mapping
from time import perf_counter

import structlog

from shared.core.errors import StoreUnavailable
from shared.db.connection import MongoConnection
from shared.integrations.catalog import INTEGRATIONS, OPTIONAL
from shared.metrics.metrics import JOB_FAILURES, JOB_LAST_RUN, JOB_SECONDS
from shared.operations.deferral_repository import DeferralRepository
from shared.operations.dispatcher import Dispatcher
from shared.operations.repository import OperationRepository
from shared.provisioning.settlement import Settlement
from shared.switches.repository import SwitchRepository

log = structlog.get_logger(__name__)

#: how many operations of one kind one look takes on; the next look takes the rest
BATCH = 200
#: how long one act on one operation may take before it is left to a later look, in seconds
LONGEST_ACT = 1.0


class SchedulerLoop:
    """Every act is an atomic claim, so any number of sweeps may look at once, with no leader.

    `jobs`: name to what else is done at each look, after the operations; each says how many operations it started. A
    record that cannot be written now, such as one on which a process died within a transaction, delays only itself.
    """

    def __init__(
        self,
        *,
        connection: MongoConnection,
        deferrals: DeferralRepository,
        operations: OperationRepository,
        switches: SwitchRepository,
        settlement: Settlement,
        dispatcher: Dispatcher,
        jobs: Mapping[str, Callable[[], int]] = {},
    ) -> None:
        self._connection = connection
        self._deferrals = deferrals
        self._operations = operations
        self._switches = switches
        self._settlement = settlement
        self._dispatcher = dispatcher
        own = {"release": self._release, "expire": self._expire, "settle": self._settle, "dispatch": self._resend}
        self._jobs = {**own, **jobs}

    def look(self) -> int:
        """One look; the number of operations that were pushed on. Raises StoreUnavailable with the database away."""
        return sum(self._done(name, job) for name, job in self._jobs.items())

    def _done(self, name: str, job: Callable[[], int]) -> int:
        began = perf_counter()
        try:
            done = job()
        except StoreUnavailable:
            JOB_FAILURES.labels(name).inc()
            self._require_database()
            log.warning("scheduler.job_left_for_later", job=name)
            return 0
        JOB_SECONDS.labels(name).observe(perf_counter() - began)
        JOB_LAST_RUN.labels(name).set_to_current_time()
        return done

    def _each(self, operation_ids: Iterable[str], act: Callable[[str], bool]) -> int:
        return sum(self._acted(one, act) for one in operation_ids)

    def _acted(self, operation_id: str, act: Callable[[str], bool]) -> bool:
        try:
            return act(operation_id)
        except StoreUnavailable:
            self._require_database()
            log.warning("sweep.operation_left_for_later", operation=operation_id)
            return False

    def _require_database(self) -> None:
        if not self._connection.is_up(LONGEST_ACT):
            raise StoreUnavailable

    def _release(self) -> int:
        """Release steps whose pause or breaker is over."""
        return self._deferrals.release(self._switches.stopped(), BATCH) if self._deferrals.any() else 0

    def _expire(self) -> int:
        return self._each(self._operations.overdue(BATCH), self._expire_one)

    def _expire_one(self, operation_id: str) -> bool:
        with self._connection.within(LONGEST_ACT):
            operation = self._operations.expire(operation_id)
        if operation is None:
            return False
        log.warning("operation.deadline_passed", operation=operation.id, tenant=operation.tenant_slug)
        self._settlement.settle(operation_id, LONGEST_ACT)
        return True

    def _settle(self) -> int:
        return self._each(
            self._operations.unsettled(BATCH), lambda one: self._settlement.settle(one, LONGEST_ACT) is not None
        )

    def _resend(self) -> int:
        full = self._dispatcher.full_queues()
        # with the broker away, or enough to do for all workers, pushing due times on would only delay the work later
        if full is None or full.issuperset(INTEGRATIONS.keys() - OPTIONAL):
            return 0
        resent = self._operations.resend(list(self._operations.due(BATCH)))
        return self._dispatcher.send_all(resent, full) or 0


def run_until(stop: threading.Event, sweep: SchedulerLoop, interval: float) -> None:
    """Look every `interval` seconds, give or take a fifth, until told to stop; wait for an absent database.

    A look that took on a whole batch is followed by the next at once: there is more.
    """
    while not stop.is_set():
        if _look_once(sweep.look) < BATCH:
            stop.wait(interval * random.uniform(0.8, 1.2))  # noqa: S311 - keeps several sweeps apart, guards nothing


def _look_once(look: Callable[[], int]) -> int:
    try:
        pushed = look()
    except StoreUnavailable:
        log.warning("sweep.store_unavailable")
        return 0
    if pushed:
        log.info("sweep.pushed", operations=pushed)
    return pushed
