"""The scheduler's loop: publish due steps, expire overdue operations, settle closed ones, and run the jobs."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Mapping
from time import perf_counter

import structlog

from shared.core.errors import StoreUnavailable
from shared.db.connection import MongoConnection
from shared.db.fault_containment import contain_faults
from shared.integrations.catalog import INTEGRATIONS, OPTIONAL
from shared.metrics.metrics import JOB_FAILURES, JOB_LAST_RUN, JOB_SECONDS
from shared.operations.deferral_repository import DeferralRepository
from shared.operations.dispatcher import Dispatcher
from shared.operations.repository import OperationRepository
from shared.provisioning.settlement import Settlement
from shared.switches.repository import SwitchRepository

log = structlog.get_logger(__name__)

#: operations of one kind that one run takes; the next run takes the rest
BATCH = 200
#: timeout of one write to one operation, in seconds; a later run tries again
WRITE_SECONDS = 1.0


class SchedulerLoop:
    """Every write is an atomic claim, so any number of schedulers may run at once, without a leader.

    `before`, `jobs`: name to a job that runs before or after the operations; each returns how many operations it
    started. A record that cannot be written now delays only itself, and so does a job with a bug; but nothing is
    published while a job of `before` has one.
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
        before: Mapping[str, Callable[[], int]] = {},
        jobs: Mapping[str, Callable[[], int]] = {},
    ) -> None:
        self._connection = connection
        self._deferrals = deferrals
        self._operations = operations
        self._switches = switches
        self._settlement = settlement
        self._dispatcher = dispatcher
        own = {"release": self._release, "expire": self._expire, "settle": self._settle, "dispatch": self._dispatch_due}
        self._before = before
        self._jobs = {**own, **jobs}

    def run_once(self) -> int:
        """Run all jobs; return how many operations they advanced. Raises StoreUnavailable without a database."""
        ready = [self._run_job(name, job) for name, job in self._before.items()]
        if None in ready:
            return 0
        return sum(self._run_job(name, job) or 0 for name, job in self._jobs.items())

    def _run_job(self, name: str, job: Callable[[], int]) -> int | None:
        """Run a job and return how many operations it advanced; None after an unexpected fault."""
        began = perf_counter()
        try:
            done = job()
        except StoreUnavailable:
            JOB_FAILURES.labels(name).inc()
            self._require_database()
            log.warning("scheduler.job_postponed", job=name)
            return 0
        except Exception:
            JOB_FAILURES.labels(name).inc()
            log.exception("scheduler.bug", job=name)
            return None
        JOB_SECONDS.labels(name).observe(perf_counter() - began)
        JOB_LAST_RUN.labels(name).set_to_current_time()
        return done

    def _each(self, job: str, operation_ids: Iterable[str], act: Callable[[str], bool]) -> int:
        done = 0
        for one in operation_ids:
            with contain_faults(self._connection, job, one):
                done += act(one)
        return done

    def _require_database(self) -> None:
        if not self._connection.is_up(WRITE_SECONDS):
            raise StoreUnavailable

    def _release(self) -> int:
        """Release deferred steps whose pause or breaker is over."""
        return self._deferrals.release(self._switches.stopped(), BATCH) if self._deferrals.any() else 0

    def _expire(self) -> int:
        return self._each("expire", self._operations.overdue(BATCH), self._expire_one)

    def _expire_one(self, operation_id: str) -> bool:
        with self._connection.within(WRITE_SECONDS):
            operation = self._operations.expire(operation_id)
        if operation is None:
            return False
        log.warning("operation.deadline_passed", operation=operation.id, tenant=operation.tenant_slug)
        self._settlement.settle(operation_id, WRITE_SECONDS)
        return True

    def _settle(self) -> int:
        return self._each(
            "settle",
            self._operations.unsettled(BATCH),
            lambda one: self._settlement.settle(one, WRITE_SECONDS) is not None,
        )

    def _dispatch_due(self) -> int:
        full = self._dispatcher.full_queues()
        # without a broker, or with full queues, a later due time would only delay the work
        if full is None or full.issuperset(INTEGRATIONS.keys() - OPTIONAL):
            return 0
        due = self._operations.begin_dispatch(list(self._operations.due(BATCH)))
        return self._dispatcher.publish_all(due, full) or 0


def run_until(stop: threading.Event, scheduler: SchedulerLoop, interval: float) -> None:
    """Run all jobs every `interval` seconds, give or take a fifth, until `stop` is set; wait for an absent database.

    After a full batch the next run follows at once, because there is more.
    """
    while not stop.is_set():
        if _run_once(scheduler) < BATCH:
            stop.wait(interval * random.uniform(0.8, 1.2))  # noqa: S311 - spreads schedulers, protects nothing


def _run_once(scheduler: SchedulerLoop) -> int:
    try:
        advanced = scheduler.run_once()
    except StoreUnavailable:
        log.warning("scheduler.store_unavailable")
        return 0
    if advanced:
        log.info("scheduler.advanced", operations=advanced)
    return advanced
