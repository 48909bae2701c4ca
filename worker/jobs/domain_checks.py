"""Check domains in DNS on a few own threads, so that resolvers that hang delay no other job."""

from __future__ import annotations

from functools import partial

from shared.config.settings import Settings
from shared.domains.model import questions_of, result_of
from shared.provisioning.domain_monitor import DomainMonitor, DueDomain
from worker.dns_lookup import DnsLookup
from worker.http.deadline import within
from worker.jobs.worker_pool import WorkerPool

#: checks at once. With the scheduler's interval this also limits how many queries a second the resolvers get.
CONCURRENCY = 16


class DomainCheckJob:
    """One per scheduler. Claims a domain only when a thread is free for it, so that no lease runs out in a queue."""

    def __init__(
        self, monitor: DomainMonitor, lookup: DnsLookup, settings: Settings, concurrency: int = CONCURRENCY
    ) -> None:
        self._monitor = monitor
        self._lookup = lookup
        self._attempt_seconds = settings.attempt_seconds
        self._pool = WorkerPool("domain", concurrency)

    def run_once(self) -> int:
        """Start due checks while threads are free; return how many operations were started."""
        for due in self._monitor.claim(self._pool.free):
            self._pool.submit(partial(self._check, due), domain=due.name, tenant=due.tenant.slug)
        return self._monitor.start_reconciles()

    def close(self) -> None:
        """Wait until running checks have ended; each has a deadline."""
        self._pool.close()

    def _check(self, due: DueDomain) -> None:
        with within(self._attempt_seconds):
            answers, fault = self._lookup.answered(questions_of(due.tenant, due.name, self._monitor.maker))
        self._monitor.record(due, result_of(due.tenant, due.name, self._monitor.maker, answers, fault))
